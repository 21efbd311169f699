"""Watches the cluster while a command waits for its workers."""

from __future__ import annotations

import time
from collections.abc import Callable

from teachmatters.errors import TeachMattersError
from teachmatters.runner.engines.ray.cluster import ShardResources, alive

EVERY = 5.0  # seconds between two checks of the cluster
QUIET = 30.0  # seconds without progress before a message; a worker takes about ten seconds to start


class Watchdog:
    """A watchdog that reports a lack of progress, or of usable nodes; Ray itself would wait forever in silence.

    Args:
        needs: resources of one task.
        say: shows a message to the user.
    """

    def __init__(self, needs: ShardResources, say: Callable[[str], None]) -> None:
        self.needs, self.say = needs, say
        self.checked_at = self.changed_at = time.monotonic()
        self.state: object = None
        self.reported = False

    def check(self, state: object) -> None:
        """Check the cluster; to be called repeatedly.

        Args:
            state: any description of the progress so far; a change of it counts as progress.

        Raises:
            TeachMattersError: no machine is left that could continue.
        """
        now = time.monotonic()
        if state != self.state:
            self.state, self.changed_at, self.reported = state, now, False
        if now - self.checked_at < EVERY:
            return
        self.checked_at = now
        if not any(self.needs.fit(node) for node in alive()):
            raise TeachMattersError(
                "no machine in the cluster can continue; see 'ray status'. Run the same command again when one is "
                "available"
            )
        if now - self.changed_at >= QUIET and not self.reported:
            self.reported = True
            what = "GPUs" if self.needs.gpus else "CPUs"
            self.say(
                f"no progress on the cluster for {now - self.changed_at:.0f} s: either a batch takes that long, or "
                f"other jobs occupy all {what} (see 'ray status')"
            )
