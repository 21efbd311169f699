"""Who gets which item: several analyses over one data set and preparation share one pass over its pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from teachmatters.api import Analysis, Dataset, Feed, Item, Kind, Role

GroupId: TypeAlias = tuple[Role, int | str]


@dataclass(frozen=True, slots=True, eq=False)
class Feeding:
    """One analysis that takes part in a pass, with the items that are its own."""

    analysis: Analysis
    feed: Feed
    kinds: tuple[Kind, ...]
    dataset: Dataset
    items: Mapping[Role, Sequence[Item]]

    def group(self, role: Role, index: int) -> GroupId | None:
        """What the item may not be parted from."""
        if self.feed.group is None:
            return None
        if self.feed.group == "own":
            return role, self.items[role][index].group
        return role, index // self.feed.group


@dataclass(frozen=True, slots=True)
class Seat:
    """The place of an item in one analysis's feed."""

    feeding: Feeding
    role: Role
    index: int
    group: GroupId | None


@dataclass(slots=True)
class Entry:
    """One picture of a pass, and everybody who wants it."""

    dataset: Dataset
    item: Item
    seats: list[Seat] = field(default_factory=list)


def seating(feedings: Iterable[Feeding]) -> list[Entry]:
    """The union of the feedings' items, each once, in the order of the first feeding that has it."""
    entries: dict[str, Entry] = {}
    for feeding in feedings:
        for role in feeding.feed.roles:
            for index, item in enumerate(feeding.items[role]):
                entry = entries.setdefault(item.key, Entry(feeding.dataset, item))
                entry.seats.append(Seat(feeding, role, index, feeding.group(role, index)))
    return list(entries.values())


def passes(feedings: Sequence[Feeding]) -> list[list[Feeding]]:
    """As few passes as keep every group together and in order. Nearly always one.

    Feedings with groups come first: their order is the one that matters.
    """
    shared: list[list[Feeding]] = []
    for feeding in sorted(feedings, key=lambda f: f.feed.group is None):
        home = next((together for together in shared if _orderly([*together, feeding])), None)
        if home is None:
            shared.append([feeding])
        else:
            home.append(feeding)
    return shared


def _orderly(feedings: list[Feeding]) -> bool:
    """Whether each grouped feeding meets its items in its own order, which keeps its groups together."""
    met: dict[int, list[tuple[Role, int]]] = {id(feeding): [] for feeding in feedings}
    for entry in seating(feedings):
        for seat in entry.seats:
            met[id(seat.feeding)].append((seat.role, seat.index))
    for feeding in feedings:
        own = [(role, index) for role in feeding.feed.roles for index in range(len(feeding.items[role]))]
        if feeding.feed.group is not None and met[id(feeding)] != own:
            return False
    return True


def split(entries: Sequence[Entry], parts: int) -> list[list[Entry]]:
    """The entries in at most so many parts of about equal size, no group parted.

    Each part may be passed over by itself, elsewhere or at another time; the analyses' ``merge`` joins what they saw.
    """
    cuts = cuts_of(entries, parts)
    return [list(entries[start:end]) for start, end in zip([0, *cuts], [*cuts, len(entries)], strict=True)]


def cuts_of(entries: Sequence[Entry], parts: int, batch: int = 1) -> list[int]:
    """The positions, ascending, at which ``split`` cuts; ``batch`` as for ``possible_cuts``."""
    allowed = possible_cuts(entries, batch)
    ideal = [len(entries) * part // parts for part in range(1, parts)]
    return sorted({min(allowed, key=lambda cut: abs(cut - wanted)) for wanted in ideal}) if allowed else []


def possible_cuts(entries: Sequence[Entry], batch: int = 1) -> list[int]:
    """The positions, ascending, at which no group is parted.

    Args:
        entries: of one pass.
        batch: inputs at a time. Where groups allow that anywhere, cuts are only where a batch ends, so that parts make
            the batches that the whole would.
    """
    spans: dict[tuple[Feeding, GroupId], list[int]] = {}
    for position, entry in enumerate(entries):
        for seat in entry.seats:
            if seat.group is not None:
                spans.setdefault((seat.feeding, seat.group), []).append(position)
    inside = {cut for held in spans.values() for cut in range(held[0] + 1, held[-1] + 1)}
    allowed = [cut for cut in range(1, len(entries)) if cut not in inside]
    return [cut for cut in allowed if cut % batch == 0] or allowed
