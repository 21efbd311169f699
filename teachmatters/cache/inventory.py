"""Lists and deletes the entries of a cache."""

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
        name: name of its folder.
        kind: ``features``, or the analysis whose state it holds.
        model, weights: name of the model, and the first digits of the sha256 of its weights.
        data: the data set.
        readout: which vectors the features are, such as ``cls`` or ``mean of norm1``; else empty.
        images, layers: numbers of images and layers; None if unknown.
        bytes: size on disk.
        used: date of last use, UTC.
    """

    name: str
    kind: str
    model: str
    weights: str
    data: str
    readout: str
    images: int | None
    layers: int | None
    bytes: int
    used: str


def inventory(root: Path) -> list[Line]:
    """Return a line for each entry, the last used first."""
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
        readout=_readout(facts.get("readout", {})),
        images=sum(_rows(entry)) if features else holds.get("images"),
        layers=(facts if features else holds).get("shape", {}).get("depth"),
        bytes=entry.bytes(),
        used=f"{entry.used():%Y-%m-%d %H:%M}",
    )


def _readout(facts: dict[str, str]) -> str:
    """Return what a readout reads: the feature, its tap unless it is the block, and the final norm.

    >>> _readout({"feature": "cls", "tap": "block", "norm": "final"}), _readout({"feature": "mean", "tap": "norm1"})
    ('cls, final norm', 'mean of norm1')
    """
    tap = facts.get("tap", "block")
    of_tap = "" if tap == "block" else f" of {tap}"
    return facts.get("feature", "") + of_tap + (", final norm" if facts.get("norm") == "final" else "")


def _rows(entry: CacheEntry) -> Iterator[int]:
    """Yield the number of images of each shard, from its header."""
    for path in entry.files():
        if path.suffix == ".safetensors":
            try:
                with safe_open(path, framework="numpy") as file:
                    yield file.get_slice("ids").get_shape()[0]
            except (OSError, SafetensorError, IndexError):  # a damaged shard, which the next extraction deletes
                continue


def prune(root: Path, patterns: Sequence[str] = (), older_than: float | None = None) -> list[tuple[CacheEntry, int]]:
    """Delete entries; files that the cache did not write are kept.

    Args:
        root: the cache.
        patterns: names or patterns of models, data sets, kinds (``features`` or an analysis) or entries; empty: all.
        older_than: only delete entries that were not used for this many days.

    Returns:
        the deleted entries, with the bytes that each freed.

    Raises:
        TeachMattersError: a pattern matches no entry, or an entry cannot be deleted.
    """
    found = list(entries(root))
    for pattern in patterns:
        if not any(_matches(entry, pattern) for entry in found):
            names = sorted({name for entry in found for name in _names(entry)})
            raise UnknownNameError("cache entry", pattern, names, "'tm cache info' lists what is there.")
    since = None if older_than is None else datetime.now(UTC) - timedelta(days=older_than)
    dropped = []
    for entry in found:
        wanted = not patterns or any(_matches(entry, pattern) for pattern in patterns)
        if wanted and (since is None or entry.used() < since):
            dropped.append((entry, _removed(entry)))
    return dropped


def _removed(entry: CacheEntry) -> int:
    try:
        return entry.remove()
    except OSError as error:
        raise TeachMattersError(f"{entry.path} cannot be deleted: {error.strerror or error}") from error


def _matches(entry: CacheEntry, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in _names(entry))


def _names(entry: CacheEntry) -> tuple[str, ...]:
    return entry.kind, entry.facts.get("model", ""), entry.facts.get("dataset", ""), entry.path.name
