"""The schedule of a pass: several analyses of one data set and transform share one pass over its images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from teachmatters.api import Analysis, Dataset, InputSpec, Item, Kind, Role

GroupId: TypeAlias = tuple[Role, int | str]


@dataclass(frozen=True, slots=True, eq=False)
class PassMember:
    """An analysis that takes part in a pass, with its items."""

    analysis: Analysis
    input_spec: InputSpec
    kinds: tuple[Kind, ...]
    dataset: Dataset
    items: Mapping[Role, Sequence[Item]]

    def group(self, role: Role, index: int) -> GroupId | None:
        """Return the group that must stay together with the item, None if there is none."""
        if self.input_spec.group is None:
            return None
        if self.input_spec.group == "all":
            return "all", 0
        if self.input_spec.group == "own":
            return role, self.items[role][index].group
        return role, index // self.input_spec.group


@dataclass(frozen=True, slots=True)
class Assignment:
    """The position of an item among the items of one member."""

    member: PassMember
    role: Role
    index: int
    group: GroupId | None


@dataclass(slots=True)
class ScheduledImage:
    """One image of a pass, and the members that receive it."""

    dataset: Dataset
    item: Item
    assignments: list[Assignment] = field(default_factory=list)


def build_schedule(members: Iterable[PassMember]) -> list[ScheduledImage]:
    """Return the images of all members, each once, in the order of the first member that has it."""
    entries: dict[str, ScheduledImage] = {}
    for member in members:
        for role in member.input_spec.roles:
            for index, item in enumerate(member.items[role]):
                entry = entries.setdefault(item.key, ScheduledImage(member.dataset, item))
                entry.assignments.append(Assignment(member, role, index, member.group(role, index)))
    return list(entries.values())


def passes(members: Sequence[PassMember]) -> list[list[PassMember]]:
    """Return the fewest passes that keep every group together and in order; nearly always one.

    Members with groups come first, because only their order matters.
    """
    shared: list[list[PassMember]] = []
    for member in sorted(members, key=lambda f: f.input_spec.group is None):
        suitable = next((together for together in shared if _keeps_order([*together, member])), None)
        if suitable is None:
            shared.append([member])
        else:
            suitable.append(member)
    return shared


def _keeps_order(members: list[PassMember]) -> bool:
    """Return whether each member with groups receives its items in its own order, which keeps its groups together."""
    received: dict[int, list[tuple[Role, int]]] = {id(member): [] for member in members}
    for entry in build_schedule(members):
        for assignment in entry.assignments:
            received[id(assignment.member)].append((assignment.role, assignment.index))
    for member in members:
        own = [(role, index) for role in member.input_spec.roles for index in range(len(member.items[role]))]
        if member.input_spec.group is not None and received[id(member)] != own:
            return False
    return True


def split_schedule(entries: Sequence[ScheduledImage], shards: int) -> list[list[ScheduledImage]]:
    """Split the entries into at most ``shards`` shards of about equal size without dividing a group.

    Each shard can run separately, elsewhere or at another time; the analyses' ``merge`` joins the states.
    """
    cuts = cut_positions(entries, shards)
    return [list(entries[start:end]) for start, end in zip([0, *cuts], [*cuts, len(entries)], strict=True)]


def cut_positions(entries: Sequence[ScheduledImage], shards: int, batch: int = 1) -> list[int]:
    """Return the positions, ascending, at which ``split_schedule`` cuts; ``batch`` as for ``possible_cuts``."""
    allowed = possible_cuts(entries, batch)
    ideal = [len(entries) * shard // shards for shard in range(1, shards)]
    return sorted({min(allowed, key=lambda cut: abs(cut - wanted)) for wanted in ideal}) if allowed else []


def possible_cuts(entries: Sequence[ScheduledImage], batch: int = 1) -> list[int]:
    """Return the positions, ascending, at which a cut divides no group.

    Args:
        entries: the entries of one pass.
        batch: inputs per forward pass. Cuts are at the ends of batches if the groups allow any such cut, so that
            shards have the same batches as the whole.
    """
    spans: dict[tuple[PassMember, GroupId], list[int]] = {}
    for position, entry in enumerate(entries):
        for assignment in entry.assignments:
            if assignment.group is not None:
                spans.setdefault((assignment.member, assignment.group), []).append(position)
    inside = {cut for held in spans.values() for cut in range(held[0] + 1, held[-1] + 1)}
    allowed = [cut for cut in range(1, len(entries)) if cut not in inside]
    return [cut for cut in allowed if cut % batch == 0] or allowed
