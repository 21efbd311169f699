"""Code that is sent to nodes by value, so that it runs even where this package is not installed.

Only the standard library may be used here.
"""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path
from typing import Any


def probe_node(packages: list[str], token: str) -> dict[str, Any]:
    """Describe a node.

    Args:
        packages: names of distributions.
        token: a file in the cache that was written just now.

    Returns:
        ``versions`` of the installed packages; ``sees``: whether the file is visible; ``writes``: the error of writing
        next to it, empty if that works.
    """
    versions = {}
    for name in packages:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    path = Path(token)
    return {"versions": versions, "sees": path.exists(), "writes": _write_error(path) if path.exists() else ""}


def _write_error(token: Path) -> str:
    neighbour = token.with_name(f"{token.name}.{os.getpid()}")
    try:
        neighbour.write_bytes(b"")
        neighbour.unlink()
    except OSError as error:
        return error.strerror or str(error)
    return ""


class ShardCounter:
    """A counter of the images that each shard of a command has done."""

    def __init__(self) -> None:
        self.done: dict[tuple[str, int], int] = {}

    def note(self, plan: str, shard: int, done: int) -> None:
        """Set the count of a shard; a shard that was restarted may have a smaller count than before."""
        self.done[plan, shard] = done

    def counts(self, plan: str) -> dict[int, int]:
        """Return the count of each shard of a pass."""
        return {shard: done for (other, shard), done in self.done.items() if other == plan}
