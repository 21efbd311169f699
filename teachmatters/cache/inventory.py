"""What lies in a cache, and dropping it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path

from safetensors import SafetensorError, safe_open

from teachmatters.cache.entry import CacheEntry, entries
from teachmatters.errors import TeachMattersError, UnknownNameError


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An entry as ``tm cache info`` shows it.

    Attributes:
        name: of its folder.
        kind: ``features``, or the analysis whose state it holds.
        model, weights: name, and the first digits of the sha256.
        data: the data set.
        tap: of features, else empty.
        images, layers: that it holds; None when unknown.
        bytes: on disk.
        used: when it was last used, UTC.
    """

    name: str
    kind: str
    model: str
    weights: str
    data: str
    tap: str
    images: int | None
    layers: int | None
    bytes: int
    used: str


def inventory(root: Path) -> list[Line]:
    """A line for each entry, the last used first."""
    found = sorted(entries(root), key=lambda entry: (-entry.used().timestamp(), entry.path.name))
    return [_line(entry) for entry in found]


def _line(entry: CacheEntry) -> Line:
    facts, holds = entry.facts, entry.holds() or {}
    features = entry.kind == "features"
    return Line(
        name=entry.path.name,
        kind=entry.kind,
        model=facts.get("model", ""),
        weights=facts.get("weights", "")[:8],
        data=facts.get("dataset", ""),
        tap=facts.get("tap", ""),
        images=sum(_rows(entry)) if features else holds.get("images"),
        layers=(facts if features else holds).get("shape", {}).get("depth"),
        bytes=entry.bytes(),
        used=f"{entry.used():%Y-%m-%d %H:%M}",
    )


def _rows(entry: CacheEntry) -> Iterator[int]:
    """Images of each shard, from its header."""
    for path in entry.files():
        if path.suffix == ".safetensors":
            try:
                with safe_open(path, framework="numpy") as file:
                    yield file.get_slice("ids").get_shape()[0]
            except (OSError, SafetensorError, IndexError):  # half a shard, which the next extraction drops
                continue


def prune(root: Path, patterns: Sequence[str] = (), older_than: float | None = None) -> list[tuple[CacheEntry, int]]:
    """Drop entries; what the cache did not write is left where it is.

    Args:
        root: the cache.
        patterns: names or patterns of models, data sets, analyses (``features`` too) or entries; none: all.
        older_than: only what was not used for so many days.

    Returns:
        what was dropped, and the bytes that it took.

    Raises:
        TeachMattersError: a name that nothing answers to, or an entry that cannot be deleted.
    """
    found = list(entries(root))
    for pattern in patterns:
        if not any(_answers(entry, pattern) for entry in found):
            names = sorted({name for entry in found for name in _names(entry)})
            raise UnknownNameError("cache entry", pattern, names, "'tm cache info' lists what is there.")
    since = None if older_than is None else datetime.now(UTC) - timedelta(days=older_than)
    dropped = []
    for entry in found:
        wanted = not patterns or any(_answers(entry, pattern) for pattern in patterns)
        if wanted and (since is None or entry.used() < since):
            dropped.append((entry, _removed(entry)))
    return dropped


def _removed(entry: CacheEntry) -> int:
    try:
        return entry.remove()
    except OSError as error:
        raise TeachMattersError(f"{entry.path} cannot be deleted: {error.strerror or error}") from error


def _answers(entry: CacheEntry, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in _names(entry))


def _names(entry: CacheEntry) -> tuple[str, ...]:
    return entry.kind, entry.facts.get("model", ""), entry.facts.get("dataset", ""), entry.path.name
