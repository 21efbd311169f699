"""Check the ``Host`` header: another site whose name resolves to this machine must not read the store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping
from typing import Any, TypeAlias

from teachmatters.errors import listing

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]


def host_name(header: str) -> str:
    """Return the name in a ``Host`` header, in lower case and without the port.

    >>> host_name("LocalHost:8001"), host_name("[::1]:8001"), host_name("")
    ('localhost', '[::1]', '')
    """
    name, colon, port = header.strip().rpartition(":")
    return (name if colon and port.isdigit() else header.strip()).lower()


def only_for(app: App, names: Iterable[str]) -> App:
    """Wrap an ASGI application: answer requests for other names with 403."""
    allowed = [name.lower() for name in names]

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or _named(scope) in allowed:
            await app(scope, receive, send)
            return
        text = (
            f"This server accepts requests for {listing(allowed)}. 'tm browse --host-name NAME' adds a name.\n".encode()
        )
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    return answer


def _named(scope: Scope) -> str:
    """Return the requested name; empty if there is none, or more than one."""
    found = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    return host_name(found[0]) if len(found) == 1 else ""
