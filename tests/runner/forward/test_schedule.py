"""Tests of the order of items and of where a pass may be divided."""

from __future__ import annotations

from collections.abc import Sequence

from teachmatters.api import InputSpec, Item, Role
from teachmatters.api.analysis import Group
from teachmatters.runner.forward.schedule import PassMember, build_schedule, cut_positions, passes, split_schedule
from tests.toys import ToyData, ToyMotion

ITEMS = [Item(f"{i}", 0, group=f"video {i // 3}") for i in range(12)]


def member(items: Sequence[Item], group: Group = None, roles: tuple[Role, ...] = ("all",)) -> PassMember:
    by_role = {role: items[i :: len(roles)] for i, role in enumerate(roles)}
    return PassMember(
        ToyMotion(), InputSpec(taps=frozenset(), roles=roles, group=group), ("images",), ToyData(0), by_role
    )


def test_each_item_is_scheduled_once_for_all_members() -> None:
    one, two = member(ITEMS[:4]), member(ITEMS[2:], roles=("queries", "gallery"))
    entries = build_schedule([one, two])
    assert sorted(entry.item.key for entry in entries) == sorted(item.key for item in ITEMS)
    assignments = {
        entry.item.key: [(assignment.member, assignment.role, assignment.index) for assignment in entry.assignments]
        for entry in entries
    }
    assert assignments["0"] == [(one, "all", 0)]
    assert assignments["2"] == [(one, "all", 2), (two, "queries", 0)]
    assert assignments["3"] == [(one, "all", 3), (two, "gallery", 0)]


def test_groups_of_a_number_and_of_their_own() -> None:
    assert [member(ITEMS, 5).group("all", i) for i in (0, 4, 5, 11)] == [
        ("all", 0),
        ("all", 0),
        ("all", 1),
        ("all", 2),
    ]
    assert member(ITEMS, "own").group("all", 4) == ("all", "video 1")


def test_one_order_is_one_pass() -> None:
    plain, fours, videos = member(ITEMS), member(ITEMS, 4), member(ITEMS, "own")
    assert len(passes([plain, fours, videos])) == 1


def test_conflicting_groups_get_separate_passes() -> None:
    forward, backward = member(ITEMS, 4), member(ITEMS[::-1], 4)
    assert [len(together) for together in passes([forward, backward, member(ITEMS)])] == [2, 1]


def test_parts_hold_whole_groups() -> None:
    entries = build_schedule([member(ITEMS), member(ITEMS, 4)])
    assert [len(part) for part in split_schedule(entries, 2)] == [4, 8]
    assert [len(part) for part in split_schedule(entries, 3)] == [4, 4, 4]
    assert [len(part) for part in split_schedule(entries, 99)] == [4, 4, 4]
    assert [len(part) for part in split_schedule(build_schedule([member(ITEMS)]), 5)] == [2, 2, 3, 2, 3]
    assert [len(part) for part in split_schedule(build_schedule([member(ITEMS, 12)]), 4)] == [12]


def test_shards_end_at_batches_unless_groups_forbid_it() -> None:
    assert cut_positions(build_schedule([member(ITEMS)]), 2, batch=5) == [5]
    assert cut_positions(build_schedule([member(ITEMS)]), 3, batch=5) == [5, 10]
    assert cut_positions(build_schedule([member(ITEMS, 4)]), 3, batch=2) == [4, 8]
    assert cut_positions(build_schedule([member(ITEMS, 4)]), 3, batch=5) == [4, 8]


def test_a_group_of_all_items_keeps_the_order_of_the_roles_and_is_never_cut() -> None:
    whole = member(ITEMS, group="all", roles=("gallery", "queries"))
    order = [entry.assignments[0].role for entry in build_schedule([whole])]
    assert order == ["gallery"] * 6 + ["queries"] * 6
    assert cut_positions(build_schedule([whole]), 3) == []
    free = member(ITEMS[::-1])  # without groups: it takes whatever order there is
    assert passes([free, whole]) == [[whole, free]]
