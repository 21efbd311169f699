"""Merges the stores of several machines, files or servers in one transaction; every run is stored once.

- Two runs are **equal** if their ids and everything recorded with them are equal; they are stored once.
- Two runs with the same id and different content are both kept: the one that finished later keeps the id, the other
  gets an id computed from the old id and its content, the same on every machine (see content.py).
- ``results`` shows the run that finished later; of two that finished at the same time, the one with the larger id.

So the content of a merged store depends only on the runs, not on the order of the files or on repeated merges. Files
are merged in the order of their oldest runs, so that even the integer keys of a new store are the same.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from teachmatters.api.progress import Progress
from teachmatters.errors import TeachMattersError
from teachmatters.store.backend import backend_of
from teachmatters.store.location import StoreLocation
from teachmatters.store.merge.conflicts import Conflict, Side, of_ids, of_metrics, of_results
from teachmatters.store.merge.content import Clash, resolve
from teachmatters.store.merge.copy import attach, copy
from teachmatters.store.merge.order import settle
from teachmatters.store.merge.sources import Source, opened
from teachmatters.store.merge.target import FileTarget, Target, target_of
from teachmatters.store.migrate import WAIT, prepared
from teachmatters.store.sqlite import files
from teachmatters.store.sqlite.deadline import hearing


@dataclass(frozen=True, slots=True)
class Merged:
    """The outcome of merging one store.

    Attributes:
        path: the file, or the server's database.
        runs: number of its runs.
        added: number of its runs that the target did not hold before.
        conflicts: differences between it and the target.
    """

    path: StoreLocation
    runs: int
    added: int
    conflicts: list[Conflict]


def merge(paths: Sequence[StoreLocation], into: StoreLocation, progress: Progress) -> list[Merged]:
    """Merge stores into another in one transaction; the target is made if it does not exist.

    Args:
        paths: the stores to read; the target may be among them and is then ignored.
        into: the target.
        progress: receives the progress.

    Returns:
        the outcome for each store, in the order of merging: the store with the oldest run first.

    Raises:
        TeachMattersError: a store cannot be read, or the target cannot be written; the target is unchanged.
    """
    with files.named_by("--into"):
        backend_of(into).check_mergeable()
    with contextlib.ExitStack() as stack:
        sources = [stack.enter_context(opened(path)) for path in others(paths, into)]
        sources.sort(key=lambda source: source.runs)
        with files.named_by("--into"), prepared(into, WAIT) as (connection, _):
            target = target_of(connection, WAIT)
            with _hearing([source.connection for source in sources], target):
                found = [_take(source, target, progress) for source in sources]
                settle(target)
                target.end()
    return found


@contextlib.contextmanager
def _hearing(sources: Sequence[sqlite3.Connection], target: Target) -> Iterator[None]:
    """Let Ctrl-C interrupt the SQL on all of these connections."""
    with contextlib.ExitStack() as stack:
        for connection in [*sources, *([target.connection] if isinstance(target, FileTarget) else [])]:
            stack.enter_context(hearing(connection))
        yield


def others(paths: Sequence[StoreLocation], into: StoreLocation) -> list[StoreLocation]:
    """Return the stores without the target, so that ``*.db`` may be merged into one of the files.

    Raises:
        TeachMattersError: no other store is given.

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


def _take(source: Source, target: Target, progress: Progress) -> Merged:
    progress.begin(f"merging {source.path.name}", len(source.runs))
    schema = attach(source, target)
    names, clashes = _named(source, target, schema, progress)
    here = _keys(target)
    added = {name: key for name, key in names.items() if name not in here}
    clashes = [clash for clash in clashes if clash.incoming in added]
    conflicts = [of_ids(clash) for clash in clashes]
    if added:
        reported = {run_id for clash in clashes for run_id in (clash.run_id, clash.own)}
        sides = (Side(target, _inverted(here)), Side(source.connection, _inverted(names)))
        conflicts += of_results(*sides, reported)
        conflicts += of_metrics(source.connection, target, added.values())
        copy(source, target, schema, added, progress.advance)
    return Merged(source.path, len(names), len(added), conflicts)


def _named(source: Source, target: Target, schema: str, progress: Progress) -> tuple[dict[str, int], list[Clash]]:
    """Return the keys of the source's runs by the ids that they will have in the target, and the id clashes."""
    here = _keys(target)
    names: dict[str, int] = {}
    clashes: list[Clash] = []
    for _, run_id, key in source.runs:
        clash = resolve(source.connection, target, run_id, schema) if run_id in here else None
        if clash:
            clashes.append(clash)
        names[clash.incoming if clash else run_id] = key
        progress.advance(int(run_id in here))
    return names, clashes


def _keys(target: Target) -> dict[str, int]:
    return dict(target.execute("SELECT run_id, id FROM run_facts").fetchall())


def _inverted(names: dict[str, int]) -> dict[int, str]:
    return {key: name for name, key in names.items()}
