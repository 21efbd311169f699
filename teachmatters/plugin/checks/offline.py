"""No network while a plugin is checked: nothing is downloaded, and it is known whether something would have been."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

OFFLINE = {"LocalEntryNotFoundError", "OfflineModeIsEnabled"}
"""What Hugging Face's client raises for what is in no cache, where it may not ask."""


class Attempts:
    """Whether the network was asked for."""

    def __init__(self) -> None:
        self.made = False

    def refuse(self, *_: Any, **__: Any) -> Any:
        """Takes the place of whatever opens a connection."""
        self.made = True
        raise OSError("tm plugin check asks no network")

    def explain(self, error: BaseException) -> bool:
        """Whether an error comes from the network that is not asked."""
        chain: BaseException | None = error
        while chain is not None:
            if type(chain).__name__ in OFFLINE:
                return True
            chain = chain.__cause__ or chain.__context__
        return self.made


@contextmanager
def offline() -> Iterator[Attempts]:
    """Every connection is refused, and noted."""
    attempts = Attempts()
    with ExitStack() as stack:
        stack.callback(logging.disable, logging.root.manager.disable)
        logging.disable(logging.WARNING)  # that one address after the other cannot be reached is no news
        for place, name in ((socket, "getaddrinfo"), (socket, "create_connection"), (socket.socket, "connect")):
            stack.enter_context(mock.patch.object(place, name, attempts.refuse))
        yield attempts
