"""Block network connections while a plugin is checked, and record whether it tried any."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

# Errors of Hugging Face's client for an uncached file in offline mode.
OFFLINE = {"LocalEntryNotFoundError", "OfflineModeIsEnabled"}


class Attempts:
    """A record of attempts to use the network."""

    def __init__(self) -> None:
        self.made = False

    def refuse(self, *_: Any, **__: Any) -> Any:
        """Record an attempt and raise an error, in place of a function that opens a connection."""
        self.made = True
        raise OSError("tm plugin check uses no network")

    def explain(self, error: BaseException) -> bool:
        """Return whether an error is caused by the blocked network."""
        chain: BaseException | None = error
        while chain is not None:
            if type(chain).__name__ in OFFLINE:
                return True
            chain = chain.__cause__ or chain.__context__
        return self.made


@contextmanager
def offline() -> Iterator[Attempts]:
    """Refuse and record every connection."""
    attempts = Attempts()
    with ExitStack() as stack:
        stack.callback(logging.disable, logging.root.manager.disable)
        logging.disable(logging.WARNING)  # the client warns of each address that it cannot reach
        for place, name in ((socket, "getaddrinfo"), (socket, "create_connection"), (socket.socket, "connect")):
            stack.enter_context(mock.patch.object(place, name, attempts.refuse))
        yield attempts
