"""A local web server that misbehaves on request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Behaviour:
    """What is served, and how.

    Attributes:
        content: the file.
        cuts: for one request after the other, after how many bytes of its answer the connection ends.
        status: an error to answer with, by path.
        etag: the version's name; empty: none is told.
        page: answer with a web page.
        ranges: of each request, as (path, Range header).
    """

    content: bytes = b""
    cuts: list[int] = field(default_factory=list)
    status: dict[str, int] = field(default_factory=dict)
    etag: str = '"one"'
    page: bool = False
    ranges: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[str]:
    """The address of a server that lives as long as the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, behaviour)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(handler: BaseHTTPRequestHandler, behaviour: Behaviour) -> None:
    asked = handler.headers.get("Range", "")
    behaviour.ranges.append((handler.path, asked))
    if handler.path in behaviour.status:
        handler.send_error(behaviour.status[handler.path])
        return
    match = re.fullmatch(r"bytes=(\d+)-", asked)
    start = int(match[1]) if match and handler.headers.get("If-Range") == behaviour.etag else 0
    body = behaviour.content[start:]
    handler.send_response(206 if start else 200)
    handler.send_header("Content-Type", "text/html" if behaviour.page else "application/octet-stream")
    handler.send_header("Content-Length", str(len(body)))
    if behaviour.etag:
        handler.send_header("ETag", behaviour.etag)
    handler.end_headers()
    handler.wfile.write(body[: behaviour.cuts.pop(0)] if behaviour.cuts else body)
