"""What runs on a worker by value: on one that has nothing of this package it still works, and says so.

The standard library alone may be used here.
"""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path
from typing import Any


def probe_node(packages: list[str], token: str) -> dict[str, Any]:
    """What a node has.

    Args:
        packages: names of distributions.
        token: a file that was written just now.

    Returns:
        ``versions`` of those that are there; ``sees`` the file; ``writes`` beside it: what went wrong, or nothing.
    """
    versions = {}
    for name in packages:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    path = Path(token)
    return {"versions": versions, "sees": path.exists(), "writes": _trouble_writing(path) if path.exists() else ""}


def _trouble_writing(token: Path) -> str:
    mine = token.with_name(f"{token.name}.{os.getpid()}")
    try:
        mine.write_bytes(b"")
        mine.unlink()
    except OSError as error:
        return error.strerror or str(error)
    return ""


class ShardCounter:
    """How far all parts are; one for a command."""

    def __init__(self) -> None:
        self.parts: dict[tuple[str, int], int] = {}

    def note(self, plan: str, part: int, done: int) -> None:
        """So many images of a part are done; one that began again has less than before."""
        self.parts[plan, part] = done

    def told(self, plan: str) -> dict[int, int]:
        """The images of each part of a pass."""
        return {part: done for (other, part), done in self.parts.items() if other == plan}
