"""Joining stores of several machines, files or servers: every run once, with its origin, whole or not at all.

- Two runs are **equal** when their id and everything recorded with it are; they are stored once.
- Two runs with one id and different content both stay: the one that finished later keeps the id, the other gets one
  that is made of the id and its content, the same on every machine (see merge_content.py).
- In every place of ``results`` stands the run that finished later, of two at the same moment that with the larger id.

So what a merged store holds depends on the runs alone, not on the order of the files nor on how often they are merged.
Files are taken by the age of their runs, so that even the integer keys of a new store come out the same.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from teachmatters.errors import TeachMattersError
from teachmatters.store.backend import backend_of
from teachmatters.store.location import StoreLocation
from teachmatters.store.merge.conflicts import Conflict, Side, of_ids, of_metrics, of_places
from teachmatters.store.merge.content import Clash, resolve
from teachmatters.store.merge.copy import copy
from teachmatters.store.merge.order import settle
from teachmatters.store.merge.sources import Source, opened
from teachmatters.store.merge.target import FileTarget, Target, target_of
from teachmatters.store.migrate import WAIT, prepared
from teachmatters.store.sqlite import files
from teachmatters.store.sqlite.deadline import hearing


class Watch(Protocol):
    """Who is shown how far the work is."""

    def begin(self, label: str, total: int) -> None:
        """A file with ``total`` runs begins."""

    def advance(self, n: int) -> None:
        """So many more of its runs are done."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of one store.

    Attributes:
        path: the file, or the server's database.
        runs: how many it holds.
        added: how many of them the target did not hold yet.
        conflicts: where it and what was there before say different things.
    """

    path: StoreLocation
    runs: int
    added: int
    conflicts: list[Conflict]


def merge(paths: Sequence[StoreLocation], into: StoreLocation, watch: Watch) -> list[Merged]:
    """Take the runs of stores into another, in one transaction; the target is made if there is none.

    Args:
        paths: the stores; they are read only. The target among them is passed over.
        into: the target.
        watch: is told of every file and of its runs.

    Returns:
        One for each file, in the order in which they were taken: the file with the oldest run first.

    Raises:
        TeachMattersError: a file cannot be read as a store, or the target cannot be written; it is as it was.
    """
    with files.named_by("--into"):
        backend_of(into).check_mergeable()
    with contextlib.ExitStack() as stack:
        sources = [stack.enter_context(opened(path)) for path in others(paths, into)]
        sources.sort(key=lambda source: source.runs)
        with files.named_by("--into"), prepared(into, WAIT) as (connection, _):
            target = target_of(connection, WAIT)
            with _hearing([source.connection for source in sources], target):
                found = [_take(source, target, watch) for source in sources]
                settle(target)
                target.end()
    return found


@contextlib.contextmanager
def _hearing(sources: Sequence[sqlite3.Connection], target: Target) -> Iterator[None]:
    """Let Ctrl-C end the SQL on all of them."""
    with contextlib.ExitStack() as stack:
        for connection in [*sources, *([target.connection] if isinstance(target, FileTarget) else [])]:
            stack.enter_context(hearing(connection))
        yield


def others(paths: Sequence[StoreLocation], into: StoreLocation) -> list[StoreLocation]:
    """The files without the target, so that ``*.db`` may be merged into one of them.

    Raises:
        TeachMattersError: nothing is left.

    >>> from pathlib import Path
    >>> others([Path("a.db"), Path("all.db")], Path("all.db"))
    [PosixPath('a.db')]
    """
    left = [path for path in paths if not _same(path, into)]
    if not left:
        raise TeachMattersError(f"there is nothing to merge into {into} but itself. Name other stores")
    return left


def _same(path: StoreLocation, other: StoreLocation) -> bool:
    if not isinstance(path, Path) or not isinstance(other, Path):
        return path == other
    return path.resolve() == other.resolve() or (path.exists() and other.exists() and path.samefile(other))


def _take(source: Source, target: Target, watch: Watch) -> Merged:
    watch.begin(f"merging {source.path.name}", len(source.runs))
    names, clashes = _named(source, target, watch)
    here = _keys(target)
    added = {name: key for name, key in names.items() if name not in here}
    clashes = [clash for clash in clashes if clash.incoming in added]
    conflicts = [of_ids(clash) for clash in clashes]
    if added:
        told = {run_id for clash in clashes for run_id in (clash.run_id, clash.own)}
        sides = (Side(target, _turned(here)), Side(source.connection, _turned(names)))
        conflicts += of_places(*sides, told)
        conflicts += of_metrics(source.connection, target, added.values())
        copy(source, target, added, watch.advance)
    return Merged(source.path, len(names), len(added), conflicts)


def _named(source: Source, target: Target, watch: Watch) -> tuple[dict[str, int], list[Clash]]:
    """The keys of the source's runs by the ids that they have in the target from now on."""
    here = _keys(target)
    names: dict[str, int] = {}
    clashes: list[Clash] = []
    for _, run_id, key in source.runs:
        clash = resolve(source.connection, target, run_id) if run_id in here else None
        if clash:
            clashes.append(clash)
        names[clash.incoming if clash else run_id] = key
        watch.advance(int(run_id in here))
    return names, clashes


def _keys(target: Target) -> dict[str, int]:
    return dict(target.execute("SELECT run_id, id FROM run_facts").fetchall())


def _turned(names: dict[str, int]) -> dict[int, str]:
    return {key: name for name, key in names.items()}
