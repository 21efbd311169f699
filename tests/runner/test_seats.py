"""Who gets which item, in which order, and where a pass may be cut."""

from __future__ import annotations

from collections.abc import Sequence

from teachmatters.api import Feed, Item, Role
from teachmatters.api.analysis import Group
from teachmatters.runner.seats import Feeding, cuts_of, passes, seating, split
from tests.toys import ToyData, ToyMotion

ITEMS = [Item(f"{i}", 0, group=f"video {i // 3}") for i in range(12)]


def feeding(items: Sequence[Item], group: Group = None, roles: tuple[Role, ...] = ("all",)) -> Feeding:
    by_role = {role: items[i :: len(roles)] for i, role in enumerate(roles)}
    return Feeding(ToyMotion(), Feed(taps=frozenset(), roles=roles, group=group), ("pictures",), ToyData(0), by_role)


def test_each_item_stands_once_with_a_seat_for_everybody() -> None:
    one, two = feeding(ITEMS[:4]), feeding(ITEMS[2:], roles=("queries", "gallery"))
    entries = seating([one, two])
    assert sorted(entry.item.key for entry in entries) == sorted(item.key for item in ITEMS)
    seats = {entry.item.key: [(seat.feeding, seat.role, seat.index) for seat in entry.seats] for entry in entries}
    assert seats["0"] == [(one, "all", 0)]
    assert seats["2"] == [(one, "all", 2), (two, "queries", 0)]
    assert seats["3"] == [(one, "all", 3), (two, "gallery", 0)]


def test_groups_of_a_number_and_of_their_own() -> None:
    assert [feeding(ITEMS, 5).group("all", i) for i in (0, 4, 5, 11)] == [
        ("all", 0),
        ("all", 0),
        ("all", 1),
        ("all", 2),
    ]
    assert feeding(ITEMS, "own").group("all", 4) == ("all", "video 1")


def test_one_order_is_one_pass() -> None:
    plain, fours, videos = feeding(ITEMS), feeding(ITEMS, 4), feeding(ITEMS, "own")
    assert len(passes([plain, fours, videos])) == 1


def test_groups_that_another_order_would_part_get_a_pass_of_their_own() -> None:
    forward, backward = feeding(ITEMS, 4), feeding(ITEMS[::-1], 4)
    assert [len(together) for together in passes([forward, backward, feeding(ITEMS)])] == [2, 1]


def test_parts_hold_whole_groups() -> None:
    entries = seating([feeding(ITEMS), feeding(ITEMS, 4)])
    assert [len(part) for part in split(entries, 2)] == [4, 8]
    assert [len(part) for part in split(entries, 3)] == [4, 4, 4]
    assert [len(part) for part in split(entries, 99)] == [4, 4, 4]
    assert [len(part) for part in split(seating([feeding(ITEMS)]), 5)] == [2, 2, 3, 2, 3]
    assert [len(part) for part in split(seating([feeding(ITEMS, 12)]), 4)] == [12]


def test_cuts_fall_where_a_batch_ends_unless_groups_forbid_it() -> None:
    assert cuts_of(seating([feeding(ITEMS)]), 2, batch=5) == [5]
    assert cuts_of(seating([feeding(ITEMS)]), 3, batch=5) == [5, 10]
    assert cuts_of(seating([feeding(ITEMS, 4)]), 3, batch=2) == [4, 8]
    assert cuts_of(seating([feeding(ITEMS, 4)]), 3, batch=5) == [4, 8]
