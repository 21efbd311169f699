"""``tm browse``: open the store in a browser, through Datasette."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from teachmatters.cli import options, output, stores
from teachmatters.cli.browser import open_address
from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    from teachmatters.reports import datasette_site

HELP = """Browse the store in Datasette, read-only: views, filters and SQL. Ctrl-C stops the server.

The server listens on this machine only and accepts requests for 127.0.0.1 and localhost. --host-name accepts another
name, such as that of a proxy. Queries are restricted as in 'tm query' and stop after 30 seconds.

Examples:

  tm browse

  tm browse --db results.db --port 8001 --no-open

  tm browse --port 8001 --host-name notebook.example
"""

HOST = "127.0.0.1"


def browse(
    db: options.DbOption = None,
    port: Annotated[int, typer.Option("--port", metavar="N", help="The port; 0 picks a free one.")] = 0,
    host_name: Annotated[
        list[str] | None,
        typer.Option("--host-name", metavar="NAME", help="Another host name to accept; repeat for more."),
    ] = None,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open a browser.")] = True,
) -> None:
    """Browse the store in Datasette."""
    from teachmatters.reports import datasette_site
    from teachmatters.store.sqlite import guard

    path = stores.reading(db)
    guard.limit_memory()
    site = datasette_site.Site(path, _give_up)
    with _listen(port) as listener:
        address = f"http://{HOST}:{listener.getsockname()[1]}/{datasette_site.NAME}"
        output.say(f"Browse {path} at {address}   (Ctrl-C stops)")
        if show:
            open_address(address)
        _serve(site, listener, [HOST, "localhost", *(host_name or ())])


def _listen(port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise TeachMattersError(f"--port {port} is out of range; it must be from 1 to 65535, or 0 for a free one.")
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise TeachMattersError(
            f"--port {port}: {os.strerror(error.errno or 0)}; name another, or leave it out for a free one."
        ) from error


def _serve(site: datasette_site.Site, listener: socket.socket, names: Sequence[str]) -> None:
    import uvicorn

    from teachmatters.reports.hosts import only_for

    # uvicorn raises its signals again when it has stopped; SIGTERM would then end the process before site.close().
    signal.signal(signal.SIGTERM, lambda *_: _end())
    app = only_for(site.datasette.app(), names)
    config = uvicorn.Config(app, log_level="warning", lifespan="on", timeout_graceful_shutdown=3)
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        site.close()


def _give_up() -> NoReturn:
    output.complain("Error: a query could not be stopped, so the server stops. Start 'tm browse' again")
    os._exit(1)


def _end() -> None:
    raise SystemExit(128 + signal.SIGTERM)


app = options.single(browse, HELP)
