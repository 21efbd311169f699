"""Tests of a forward pass: groups, memory, shares and errors."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from teachmatters import registry
from teachmatters.api import (
    Analysis,
    Batch,
    Context,
    Group,
    InputSpec,
    ModelRequest,
    Parameters,
    Readout,
    Result,
    Role,
    State,
    Tap,
)
from teachmatters.runner.forward.forward_pass import Pass
from teachmatters.runner.forward.schedule import PassMember
from teachmatters.runner.plan.tasks import plan
from teachmatters.runner.requests import AnalyzeRequest
from tests import toys

pytestmark = pytest.mark.usefixtures("toys")
CPU = torch.device("cpu")


class Diary(Analysis):
    """Writes down what it is handed."""

    def __init__(
        self, taps: Sequence[Tap | Readout] = (Readout("cls"),), group: Group = None, roles: tuple[Role, ...] = ("all",)
    ) -> None:
        self.wanted = InputSpec(taps=frozenset(taps), group=group, roles=roles)
        self.lines: list[tuple[Any, ...]] = []
        self.alive: list[weakref.ref[torch.Tensor]] = []
        self.most_alive = 0

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        return self.wanted

    def start(self, context: Context) -> None: ...

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        self.lines.append((layer, batch.readout or tap, batch.role, [row.index for row in batch.rows]))
        if tap == "attention":
            base = batch.values if batch.values._base is None else batch.values._base
            self.alive.append(weakref.ref(base))
            gc.collect()
            self.most_alive = max(self.most_alive, sum(ref() is not None for ref in self.alive))

    def end_group(self) -> None:
        self.lines.append(("end",))

    def state(self) -> State:
        return {}

    def merge(self, states: Sequence[State]) -> State:
        return {}

    def compute(self, state: State) -> Result:
        return Result()


def run(
    diaries: Sequence[Diary], batch_size: int = 4, count: int = 10, bad: Sequence[int] = (), model: str = "toy-b"
) -> Pass:
    spec = registry.load().models[model]
    adapter = toys.toy_source(ModelRequest(spec=spec)).build()
    data = toys.ToyData(count, bad)
    every = data.items("images", "all") or ()
    members = []
    for diary in diaries:
        roles = diary.wanted.roles
        items = {role: every[i :: len(roles)] for i, role in enumerate(roles)}
        members.append(PassMember(diary, diary.wanted, ("images",), data, items))
    one = Pass(adapter, CPU, torch.float32, members)
    one.run(diaries[0].wanted.transform, batch_size, lambda _: None)
    return one


def handed(diary: Diary, layer: int = 1) -> list[Any]:
    return [line if line == ("end",) else line[3] for line in diary.lines if line[0] in (layer, "end")]


def test_only_requested_taps_come_layer_by_layer() -> None:
    diary = Diary(("attention", "block", Readout("cls")))
    run([diary], batch_size=10)
    order = [line[:2] for line in diary.lines]
    assert order == [(layer, tap) for layer in (1, 2) for tap in ("attention", Readout("cls"), "block")]


def test_batches_are_full_where_possible() -> None:
    diary = Diary()
    one = run([diary])
    assert handed(diary) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert one.result.forwards == 10


def test_groups_are_never_mixed_and_always_ended() -> None:
    diary = Diary(group=3)
    run([diary], batch_size=2)
    end = ("end",)
    assert handed(diary) == [[0, 1], [2], end, [3, 4], [5], end, [6, 7], [8], end, [9], end]


def test_two_groupings_share_a_pass() -> None:
    threes, fives, free = Diary(group=3), Diary(group=5), Diary()
    one = run([threes, fives, free], batch_size=10)
    end = ("end",)
    assert handed(threes) == [[0, 1, 2], end, [3, 4], [5], end, [6, 7, 8], end, [9], end]
    assert handed(fives) == [[0, 1, 2], [3, 4], end, [5], [6, 7, 8], [9], end]
    assert [index for batch in handed(free) for index in batch] == list(range(10))
    assert one.result.forwards == 10


def test_each_role_gets_its_own_rows_and_indices() -> None:
    diary, other = Diary(roles=("queries", "gallery")), Diary()
    one = run([other, diary], batch_size=10)
    assert [line[2:] for line in diary.lines if line[0] == 1] == [
        ("queries", [0, 1, 2, 3, 4]),
        ("gallery", [0, 1, 2, 3, 4]),
    ]
    assert one.result.forwards == 10


def test_a_bad_image_is_removed_from_its_group() -> None:
    diary = Diary(group=3)
    one = run([diary], batch_size=8, bad=[1, 3, 4, 5, 9])
    end = ("end",)
    assert handed(diary) == [[0, 2], end, [6, 7, 8], end]
    assert set(one.result.skipped) == {f"image {i}" for i in (1, 3, 4, 5, 9)}
    assert one.result.skipped["image 1"] == "OSError: image file is truncated"
    assert one.result.forwards == 5


@pytest.mark.parametrize("model", ["toy-b", "toy-c"])
def test_one_layers_attention_exists_at_a_time(model: str) -> None:
    diary = Diary(("attention",))
    run([diary], model=model)
    assert diary.most_alive == 1


def test_shares_hold_the_right_values() -> None:
    """Rows picked out of a shared batch equal those of a pass alone."""

    class Keeper(Diary):
        def update(self, layer: int, tap: Tap, batch: Batch) -> None:
            for row, values in zip(batch.rows, batch.values, strict=True):
                self.lines.append((layer, batch.role, row.index, values.clone()))

    roles: tuple[Role, ...] = ("queries", "gallery")
    shared, alone = Keeper(roles=roles), Keeper(roles=roles)
    run([Diary(), shared], batch_size=7)
    run([alone], batch_size=1)
    one, two = ({line[:3]: line[3] for line in diary.lines} for diary in (shared, alone))
    assert one.keys() == two.keys()
    assert all(torch.allclose(one[key], two[key], atol=1e-5) for key in one)


def test_tasks_are_counted_by_their_images() -> None:
    request = AnalyzeRequest(models=["toy-a"], metrics=["knn"], db=Path("unused.db"), data=["toys"], limit=4)
    (task,), said = plan(registry.load(), request)
    assert (len(task.items["queries"]), len(task.items["gallery"]), len(task.keys), said) == (4, 11, 15, [])
