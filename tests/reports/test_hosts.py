"""Tests that a site answers only to its own host names."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from teachmatters.reports.hosts import only_for


def asked(*headers: tuple[bytes, bytes], kind: str = "http") -> int:
    """The status that a request with these headers gets; 200 is the site's own."""
    sent: list[dict[str, Any]] = []

    async def site(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> None:
        return None

    app = only_for(site, ["127.0.0.1", "localhost", "Notebook.example"])
    asyncio.run(app({"type": kind, "headers": list(headers)}, receive, send))
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8001", "127.0.0.1", "localhost", "LOCALHOST:80", "notebook.example", "notebook.example:443"]
)
def test_its_own_host_names_are_answered(host: str) -> None:
    assert asked((b"host", host.encode())) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8001", "evil.example:127.0.0.1", "", "[::1]:80",
     "localhost@evil.example", "0.0.0.0:8001", "xlocalhost"],
)  # fmt: skip
def test_other_names_are_refused(host: str) -> None:
    assert asked((b"host", host.encode())) == 403
    assert asked((b"host", host.encode()), kind="websocket") == 403


def test_no_name_and_two_names_are_refused() -> None:
    assert asked() == 403
    assert asked((b"host", b"localhost"), (b"host", b"evil.example")) == 403
    assert asked(kind="lifespan") == 200
