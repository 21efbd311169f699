"""Tests of every analysis: neither batches nor parts change its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from teachmatters import registry
from teachmatters.analyses import specs
from teachmatters.api import Analysis, ModelRequest, Result, State
from teachmatters.cache.states import load_state, save_state
from teachmatters.runner.features.extractor import writing_features
from teachmatters.runner.features.members import start_member
from teachmatters.runner.features.plan import FeaturePlan
from teachmatters.runner.forward.forward_pass import Pass
from teachmatters.runner.forward.schedule import PassMember, build_schedule, split_schedule
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.pending import PendingTask
from teachmatters.runner.plan.tasks import Task, plan
from teachmatters.runner.requests import AnalyzeRequest
from tests import toys as toy
from tests.measuring import measured

CPU = torch.device("cpu")
ANALYSES = [spec.name for spec in [*specs.register_analyses(), *toy.register_analyses()]]
LIMITS = {"attention": 7, "knn": 9, "segment-clustering": 7}
DATA = {  # the bundled digits would do for knn too, at ten times the price
    "artefacts": "toys",
    "attention-iou": "toys",
    "knn": "toys",
    "retrieval": "toy-tasks",
    "keypoints": "toy-tasks",
    "video": "toy-tasks",
}
DATA |= dict.fromkeys(("cka", "residual", "rank", "clustering", "linear", "position", "similarity"), "toys")
PARAMETERS = {"cka": ["cka_batch=4"], "residual": ["cka_batch=4"]}  # several mini-batches, the last incomplete
PARAMETERS |= {"dense": ["train=9", "val=5", "size=32", "bank=90"]}  # a part of the 16 patches of each image
PARAMETERS |= {"artefacts": ["factor=1.05"]}  # of three times the median is no token of a toy


def task_of(name: str, *parameters: str) -> Task:
    data = [DATA[name]] if name in DATA else []
    parameters = parameters or tuple(PARAMETERS.get(name, ()))
    request = AnalyzeRequest(
        models=["toy-a"],
        metrics=[name],
        db=Path("unused.db"),
        data=data,
        limit=LIMITS.get(name),
        parameters=parameters,
    )
    (task,), _ = plan(registry.load(), request)
    return task


def settings_of(batch_size: int, cache: Path) -> PassSettings:
    return PassSettings(
        device=CPU, dtype=torch.float32, batch_size=batch_size, seed=0, cache=cache
    )  # fmt: skip


def started(task: Task, model: str, settings: PassSettings) -> tuple[Analysis, list[PassMember]]:
    """The analysis, and who takes part in its pass: itself, and what brings the features that the cache lacks."""
    about = measured(model)
    member, context = start_member(PendingTask(task, task.metrics), about.info, settings)
    features = FeaturePlan(settings, about, print)
    if member.input_spec.collect:
        features.want(member, task, context)
        features.begin()
    return member.analysis, [each for each in (member, *features.members([member])) if each.input_spec.taps]


def gathered(task: Task, model: str, batch_size: int, folder: Path, parts: int = 1) -> tuple[Analysis, State]:
    """The state after a pass in so many parts, each saved, loaded and merged; features go into one cache."""
    settings = settings_of(batch_size, folder / f"{model}-{batch_size}-{parts}.cache")
    adapter = toy.toy_source(ModelRequest(spec=registry.load().models[model])).build()
    states: list[State] = []
    beginnings = [started(task, model, settings) for _ in range(parts)]  # as if side by side
    for number, (analysis, members) in enumerate(beginnings):
        divided = split_schedule(build_schedule(members), parts)
        if number < len(divided):
            with writing_features(members):
                one = Pass(adapter, CPU, torch.float32, members, divided[number])
                one.run(members[0].input_spec.transform, batch_size, lambda _: None)
        path = folder / f"{model}-{batch_size}-{number}.safetensors"
        save_state(path, analysis.state())
        states.append(load_state(path))
    analysis, missing = started(task, model, settings)
    assert not [member for member in missing if member.analysis is not analysis], "all features are in the cache"
    # Joined last to first: the order of arrival must not matter.
    return analysis, analysis.merge(states[::-1]) if parts > 1 else states[0]


def result(task: Task, batch_size: int, folder: Path, parts: int = 1) -> Result:
    analysis, state = gathered(task, "toy-a", batch_size, folder, parts)
    if not task.spec.pairs:
        return analysis.compute(state)
    return analysis.compare(state, gathered(task, "toy-b", batch_size, folder, parts)[1])


def assert_same(one: Result, other: Result) -> None:
    def rows(r: Result) -> dict[tuple[object, ...], tuple[float, float | None, int | None]]:
        return {
            (x.metric, x.protocol, x.layer, x.head, x.other_layer, x.category): (x.value, x.std, x.n) for x in r.records
        }

    assert rows(one).keys() == rows(other).keys()
    assert rows(one)
    for key, (value, std, n) in rows(one).items():
        value2, std2, n2 = rows(other)[key]
        assert value2 == pytest.approx(value, rel=1e-5, abs=1e-9), key
        assert n2 == n
        assert std2 == (None if std is None else pytest.approx(std, rel=1e-4, abs=1e-9)), key
    assert_same_maps(one, other)
    assert one.notes == other.notes


def assert_same_maps(one: Result, other: Result) -> None:
    def maps(r: Result) -> Sequence[tuple[object, ...]]:
        return [(m.name, m.layer, m.axes, m.units) for m in r.maps]

    assert maps(one) == maps(other)
    for first, second in zip(one.maps, other.maps, strict=True):
        assert torch.allclose(torch.tensor(first.array), torch.tensor(second.array), rtol=1e-5)


@pytest.mark.usefixtures("toys", "two_starts")
@pytest.mark.parametrize("name", ANALYSES)
def test_neither_batches_nor_parts_change_the_numbers(name: str, tmp_path: Path) -> None:
    task = task_of(name)
    whole = result(task, 16, tmp_path)
    assert_same(whole, result(task, 1, tmp_path))
    assert_same(whole, result(task, 5, tmp_path, parts=2))
    assert_same(whole, result(task, 16, tmp_path, parts=3))


@pytest.mark.usefixtures("toys", "two_starts")
@pytest.mark.parametrize("name", ANALYSES)
def test_an_empty_state_can_be_saved_and_merged(name: str, tmp_path: Path) -> None:
    task = task_of(name)
    analysis, state = gathered(task, "toy-a", 16, tmp_path)
    adapter = toy.toy_source(ModelRequest(spec=registry.load().models["toy-a"])).build()
    empty = start_member(PendingTask(task, task.metrics), adapter.info, settings_of(4, tmp_path))[0].analysis.state()
    save_state(tmp_path / "empty.safetensors", empty)
    empty = load_state(tmp_path / "empty.safetensors")
    finish = (lambda s: analysis.compare(s, s)) if task.spec.pairs else analysis.compute
    assert_same(finish(state), finish(analysis.merge([empty, state])))
    assert_same(finish(state), finish(analysis.merge([state, empty])))
