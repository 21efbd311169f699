"""Tests of addresses and tokens of Ray clusters. No Ray is started here."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from teachmatters.errors import TeachMattersError
from teachmatters.runner.engines.ray import address
from teachmatters.runner.engines.ray.address import admitted, found


# ---------------------------------------------------------------- who answers
@pytest.fixture
def web_server() -> Iterator[str]:
    """Somebody who is no Ray."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            line, _ = server.accept()
            with line:
                line.recv(100)
                line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize("address", ["", "head", "head:", ":6379", "ray://head:10001", "head:abc", "http://head:1"])
def test_invalid_addresses_are_refused(address: str) -> None:
    with pytest.raises(TeachMattersError, match=r"it must be auto or HOST:PORT, such as 10\.0\.0\.5:6379$"):
        found(address)


def test_a_dead_address() -> None:
    with pytest.raises(TeachMattersError) as caught:
        found("127.0.0.1:1")
    assert str(caught.value) == (
        "--address 127.0.0.1:1: no Ray answers at 127.0.0.1:1 (Connection refused); start Ray there ('ray start "
        "--head'), or leave --address out to run on this machine alone"
    )
    with pytest.raises(TeachMattersError, match="no Ray answers at no-such-host"):
        found("no-such-host.invalid:6379")
    with pytest.raises(TeachMattersError, match="no Ray answers at 127"):
        found("127.0.0.1:99999")


def test_an_address_of_something_else(web_server: str) -> None:
    with pytest.raises(TeachMattersError, match=f"the server at {web_server} is not Ray"):
        found(web_server)


def test_auto_without_a_running_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    services = "ray._private.services.find_gcs_addresses"
    monkeypatch.setattr(services, set)
    monkeypatch.setattr("ray._private.services.find_bootstrap_address", lambda folder: None)
    with pytest.raises(TeachMattersError, match=r"^--address auto: no Ray runs on this machine; start Ray"):
        found("auto")
    monkeypatch.setattr("ray._private.services.find_bootstrap_address", lambda folder: "127.0.0.1:1")
    with pytest.raises(TeachMattersError, match=r"^--address auto: no Ray answers at 127.0.0.1:1"):
        found("auto")


# ---------------------------------------------------------------- tokens
class Guarded:
    """What Ray's C++ was seen to do: the mode counts that was there when it last looked, and no token ends it."""

    def __init__(self, token: str, wanted: str) -> None:
        self.token, self.wanted, self.mode = token, wanted, os.environ.get("RAY_AUTH_MODE")
        loader = SimpleNamespace(has_token=lambda ignore_auth_mode: bool(token))
        self.AuthenticationTokenLoader = SimpleNamespace(instance=lambda: loader)
        self.Config = SimpleNamespace(initialize=self._look)

    def _look(self, text: str) -> None:
        self.mode = os.environ.get("RAY_AUTH_MODE")

    def GcsClient(self, address: str) -> object:
        from ray.exceptions import AuthenticationError

        assert address == "10.0.0.5:6379"
        os.write(2, b"[W] gcs_client.cc: refused\n")
        shown = self.token if self.mode == "token" else ""
        if self.mode == "token" and not self.token:
            raise SystemExit(134)
        if self.wanted not in ("", shown):
            raise AuthenticationError("RPC error: InvalidAuthToken")
        return object()


def test_another_ray_server_is_not_a_head_node(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.exceptions import RpcError

    def refused(self: Guarded, address: str) -> None:
        raise RpcError("RPC error: ")  # type: ignore[no-untyped-call]

    monkeypatch.setattr(Guarded, "GcsClient", refused)
    with pytest.raises(
        TeachMattersError, match=r"at 10.0.0.5:6379 is not the head of a Ray cluster; its port is 6379 unless"
    ):
        enter(monkeypatch, "", "")


def enter(monkeypatch: pytest.MonkeyPatch, token: str, wanted: str, mode: str | None = None) -> str | None:
    """The mode in which Ray is used."""
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    if mode is not None:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
    guarded = Guarded(token, wanted)
    monkeypatch.setattr(address, "_raylet", lambda: guarded)
    with admitted("auto", "10.0.0.5:6379"):
        used = guarded.mode
    assert guarded.mode == os.environ.get("RAY_AUTH_MODE") == mode
    return used


def test_the_token_is_sent_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    assert enter(monkeypatch, "secret", "secret") == "token"
    assert enter(monkeypatch, "secret", "secret", "token") == "token"


def test_the_token_is_not_shown_without_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of an open cluster could not answer one that shows a token."""
    assert enter(monkeypatch, "secret", "") is None
    assert enter(monkeypatch, "", "") is None
    assert enter(monkeypatch, "", "", "disabled") == "disabled"


@pytest.mark.parametrize(
    ("token", "mode", "advice"),
    [
        ("", None, "this machine has none or another; copy ~/.ray/auth_token from there, or set RAY_AUTH_TOKEN"),
        ("", "token", "this machine has none or another; copy ~/.ray/auth_token from there, or set RAY_AUTH_TOKEN"),
        ("other", None, "this machine has none or another; copy ~/.ray/auth_token from there, or set RAY_AUTH_TOKEN"),
        ("secret", "disabled", "RAY_AUTH_MODE=disabled sends none; unset it"),
    ],
)
def test_a_missing_token_is_a_one_line_error(
    token: str, mode: str | None, advice: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(TeachMattersError) as caught:
        enter(monkeypatch, token, "secret", mode)
    assert str(caught.value) == f"--address auto: the Ray at 10.0.0.5:6379 requires a token, and {advice}"
    assert capfd.readouterr().err == ""
