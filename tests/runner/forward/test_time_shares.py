"""Tests of the seconds of runs: shares of the command's time, none counted twice."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from torch import Tensor

from teachmatters.analyses.attention.attention import AttentionAnalysis
from teachmatters.api import Item, Result, State
from teachmatters.models.timm.vit import TimmViT
from teachmatters.runner.forward.schedule import PassMember, build_schedule
from teachmatters.runner.forward.time_shares import scale_shares, shares_of_pass
from teachmatters.runner.requests import Outcome
from tests.runner.session.test_analyze import Runs, run
from tests.toys import ToyData, ToyMotion

pytestmark = pytest.mark.usefixtures("toys")
__all__ = ["run"]  # a fixture


def member(*numbers: int) -> PassMember:
    """An analysis that wants these images."""
    analysis: Any = ToyMotion()
    input_spec = analysis.input_spec({}, frozenset())
    return PassMember(analysis, input_spec, ("images",), ToyData(9), {"all": [Item(f"image {i}", 0) for i in numbers]})


def test_shared_images_are_charged_in_equal_parts() -> None:
    every, one = member(0, 1, 2, 3), member(2)
    assert shares_of_pass({every: 1.0, one: 3.0}, build_schedule([every, one]), 12.0) == {every: 1 + 7.0, one: 3 + 1.0}


def test_nothing_is_lost_or_counted_twice() -> None:
    three = [member(*range(5)), member(1, 3, 7), member(7)]
    found = shares_of_pass(dict.fromkeys(three, 0.25), build_schedule(three), 2.0)
    assert sum(found.values()) == pytest.approx(2.0)
    assert sum(scale_shares(found, 0.5).values()) == pytest.approx(0.5)
    assert scale_shares(found, 4.0)[three[2]] == pytest.approx(2 * found[three[2]])


def test_a_pass_without_images_takes_nothing() -> None:
    assert shares_of_pass({}, [], 1.0) == scale_shares({}, 1.0) == {}


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """A clock that stands still but in forward passes (a second each) and in what the attention analysis computes."""
    told: Counter[str] = Counter()
    stream, update, compute = TimmViT.stream, AttentionAnalysis.update, AttentionAnalysis.compute

    def slow_stream(self: TimmViT, pixels: Tensor, taps: Any, sink: Any) -> None:
        told["shared"] += 1  # trying the network on noise, too
        stream(self, pixels, taps, sink)

    def slow_update(self: AttentionAnalysis, layer: int, *rest: Any) -> None:
        told["attention"] += 1
        update(self, layer, *rest)

    def slow_compute(self: AttentionAnalysis, state: State) -> Result:
        told["attention"] += 10
        return compute(self, state)

    monkeypatch.setattr(time, "perf_counter", lambda: float(told.total()))
    monkeypatch.setattr(TimmViT, "stream", slow_stream)
    monkeypatch.setattr(AttentionAnalysis, "update", slow_update)
    monkeypatch.setattr(AttentionAnalysis, "compute", slow_compute)
    return told


def shares(outcomes: Sequence[Outcome]) -> dict[tuple[str, ...], float]:
    return {(o.model, *filter(None, [o.other]), o.analysis): o.seconds for o in outcomes if o.status == "done"}


def test_the_sum_over_a_commands_runs_is_the_time_that_it_took(run: Runs, ticks: Counter[str]) -> None:
    found = shares(run("toy-a toy-b", "attn-distance knn rank toy-similarity"))
    assert len(found) == 2 * 3 + 3
    assert sum(found.values()) == pytest.approx(ticks.total())
    assert run.rows("SELECT seconds FROM runs ORDER BY 1") == [(seconds,) for seconds in sorted(found.values())]


def test_by_a_real_clock_the_sum_is_at_most_the_total(run: Runs) -> None:
    begun = time.perf_counter()
    found = shares(run("toy-a toy-b", "attn-distance knn rank toy-similarity"))
    wall = time.perf_counter() - begun
    ((elapsed,),) = run.rows("SELECT sum(elapsed) FROM runs")
    assert 0 < sum(found.values()) <= wall
    assert sum(found.values()) < elapsed


def test_time_spent_by_one_analysis_is_charged_to_it(run: Runs, ticks: Counter[str]) -> None:
    found = shares(run("toy-a", "attn-distance rank residual"))
    third = ticks["shared"] / 3
    assert found == pytest.approx({
        ("toy-a", "attention"): third + ticks["attention"],
        ("toy-a", "rank"): third,
        ("toy-a", "residual"): third,
    })  # fmt: skip


def test_the_time_of_a_model_is_shared_by_its_pairs(run: Runs, ticks: Counter[str]) -> None:
    found = shares(run("toy-a toy-b", "toy-similarity"))
    each = ticks["shared"] / 2
    assert found == pytest.approx({
        ("toy-a", "toy-a", "toy-pairs"): each / 2,
        ("toy-a", "toy-b", "toy-pairs"): each / 2 + each / 2,
        ("toy-b", "toy-b", "toy-pairs"): each / 2,
    })  # fmt: skip
    ticks.clear()
    again = shares(run("toy-a toy-b toy-c", "toy-similarity"))
    assert again == pytest.approx(dict.fromkeys(again, ticks["shared"] / 3)), "toy-c alone was passed over, for three"


def test_the_time_of_features_is_charged_to_their_collectors(run: Runs, ticks: Counter[str]) -> None:
    """A few images are wanted by both, the others of the gallery by k-NN alone."""
    found = shares(run("toy-a", "knn rank", limit=5))
    assert sum(found.values()) == pytest.approx(ticks["shared"])
    tried = 1 / 2  # on noise, for both
    assert tried < found["toy-a", "rank"] < found["toy-a", "knn"]
