"""Who gets which item: several analyses over one data set and transform share one pass over its images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from teachmatters.api import Analysis, Dataset, InputSpec, Item, Kind, Role

GroupId: TypeAlias = tuple[Role, int | str]


@dataclass(frozen=True, slots=True, eq=False)
class PassMember:
    """One analysis that takes part in a pass, with the items that are its own."""

    analysis: Analysis
    input_spec: InputSpec
    kinds: tuple[Kind, ...]
    dataset: Dataset
    items: Mapping[Role, Sequence[Item]]

    def group(self, role: Role, index: int) -> GroupId | None:
        """What the item may not be parted from."""
        if self.input_spec.group is None:
            return None
        if self.input_spec.group == "own":
            return role, self.items[role][index].group
        return role, index // self.input_spec.group


@dataclass(frozen=True, slots=True)
class Assignment:
    """The place of an item in one analysis's feed."""

    member: PassMember
    role: Role
    index: int
    group: GroupId | None


@dataclass(slots=True)
class ScheduledImage:
    """One image of a pass, and everybody who wants it."""

    dataset: Dataset
    item: Item
    assignments: list[Assignment] = field(default_factory=list)


def build_schedule(members: Iterable[PassMember]) -> list[ScheduledImage]:
    """The union of the feedings' items, each once, in the order of the first feeding that has it."""
    entries: dict[str, ScheduledImage] = {}
    for member in members:
        for role in member.input_spec.roles:
            for index, item in enumerate(member.items[role]):
                entry = entries.setdefault(item.key, ScheduledImage(member.dataset, item))
                entry.assignments.append(Assignment(member, role, index, member.group(role, index)))
    return list(entries.values())


def passes(members: Sequence[PassMember]) -> list[list[PassMember]]:
    """As few passes as keep every group together and in order. Nearly always one.

    Feedings with groups come first: their order is the one that matters.
    """
    shared: list[list[PassMember]] = []
    for member in sorted(members, key=lambda f: f.input_spec.group is None):
        home = next((together for together in shared if _keeps_order([*together, member])), None)
        if home is None:
            shared.append([member])
        else:
            home.append(member)
    return shared


def _keeps_order(members: list[PassMember]) -> bool:
    """Whether each grouped feeding meets its items in its own order, which keeps its groups together."""
    met: dict[int, list[tuple[Role, int]]] = {id(member): [] for member in members}
    for entry in build_schedule(members):
        for assignment in entry.assignments:
            met[id(assignment.member)].append((assignment.role, assignment.index))
    for member in members:
        own = [(role, index) for role in member.input_spec.roles for index in range(len(member.items[role]))]
        if member.input_spec.group is not None and met[id(member)] != own:
            return False
    return True


def split_schedule(entries: Sequence[ScheduledImage], parts: int) -> list[list[ScheduledImage]]:
    """The entries in at most so many parts of about equal size, no group parted.

    Each part may be passed over by itself, elsewhere or at another time; the analyses' ``merge`` joins what they saw.
    """
    cuts = cut_positions(entries, parts)
    return [list(entries[start:end]) for start, end in zip([0, *cuts], [*cuts, len(entries)], strict=True)]


def cut_positions(entries: Sequence[ScheduledImage], parts: int, batch: int = 1) -> list[int]:
    """The positions, ascending, at which ``split_schedule`` cuts; ``batch`` as for ``possible_cuts``."""
    allowed = possible_cuts(entries, batch)
    ideal = [len(entries) * part // parts for part in range(1, parts)]
    return sorted({min(allowed, key=lambda cut: abs(cut - wanted)) for wanted in ideal}) if allowed else []


def possible_cuts(entries: Sequence[ScheduledImage], batch: int = 1) -> list[int]:
    """The positions, ascending, at which no group is parted.

    Args:
        entries: of one pass.
        batch: inputs at a time. Where groups allow that anywhere, cuts are only where a batch ends, so that parts make
            the batches that the whole would.
    """
    spans: dict[tuple[PassMember, GroupId], list[int]] = {}
    for position, entry in enumerate(entries):
        for assignment in entry.assignments:
            if assignment.group is not None:
                spans.setdefault((assignment.member, assignment.group), []).append(position)
    inside = {cut for held in spans.values() for cut in range(held[0] + 1, held[-1] + 1)}
    allowed = [cut for cut in range(1, len(entries)) if cut not in inside]
    return [cut for cut in allowed if cut % batch == 0] or allowed
