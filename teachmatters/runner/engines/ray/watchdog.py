"""While a command waits for workers: is there still somebody to wait for?"""

from __future__ import annotations

import time
from collections.abc import Callable

from teachmatters.errors import TeachMattersError
from teachmatters.runner.engines.ray.cluster import ShardResources, alive

EVERY = 5.0  # seconds between two looks at the cluster
QUIET = 30.0
"""Seconds without news that are worth a word: a worker takes about ten to start."""


class Watchdog:
    """Looks after the cluster; Ray itself would wait for ever without a word.

    Args:
        needs: of one task.
        say: tells the person at the terminal.
    """

    def __init__(self, needs: ShardResources, say: Callable[[str], None]) -> None:
        self.needs, self.say = needs, say
        self.looked = self.moved = time.monotonic()
        self.state: object = None
        self.told = False

    def look(self, state: object) -> None:
        """To be called again and again.

        Args:
            state: how far things are, whatever that is; another one is news.

        Raises:
            TeachMattersError: no machine is left that could go on.
        """
        now = time.monotonic()
        if state != self.state:
            self.state, self.moved, self.told = state, now, False
        if now - self.looked < EVERY:
            return
        self.looked = now
        if not any(self.needs.fit(node) for node in alive()):
            raise TeachMattersError(
                "no machine is left in the cluster that could go on; see 'ray status'. The same command goes on when "
                "there is one"
            )
        if now - self.moved >= QUIET and not self.told:
            self.told = True
            what = "GPUs" if self.needs.gpus else "CPUs"
            self.say(
                f"no news from the cluster for {now - self.moved:.0f} s: either a batch takes that long, or "
                f"others have all {what} ('ray status' says who)"
            )
