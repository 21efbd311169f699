"""The seconds of a command's runs: shares of the time that it took, of which none is counted twice."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest
from torch import Tensor

from teachmatters.analyses.attention import AttentionAnalysis
from teachmatters.api import Item, Result, State
from teachmatters.models.timm_vit import TimmViT
from teachmatters.runner.seats import Feeding, seating
from teachmatters.runner.shares import divided, scaled
from tests.runner.test_analyze import Runs, run
from tests.toys import ToyData, ToyMotion

pytestmark = pytest.mark.usefixtures("toys")
__all__ = ["run"]  # a fixture

NAP = 0.2  # seconds; whoever sleeps takes at least that long


def feeding(*numbers: int) -> Feeding:
    """An analysis that wants these pictures."""
    analysis: Any = ToyMotion()
    feed = analysis.feed({}, frozenset())
    return Feeding(analysis, feed, ("pictures",), ToyData(9), {"all": [Item(f"picture {i}", 0) for i in numbers]})


def test_who_wants_one_picture_of_four_pays_for_half_of_it() -> None:
    every, one = feeding(0, 1, 2, 3), feeding(2)
    assert divided({every: 1.0, one: 3.0}, seating([every, one]), 12.0) == {every: 1 + 7.0, one: 3 + 1.0}


def test_nothing_is_lost_or_counted_twice() -> None:
    three = [feeding(*range(5)), feeding(1, 3, 7), feeding(7)]
    found = divided(dict.fromkeys(three, 0.25), seating(three), 2.0)
    assert sum(found.values()) == pytest.approx(2.0)
    assert sum(scaled(found, 0.5).values()) == pytest.approx(0.5)
    assert scaled(found, 4.0)[three[2]] == pytest.approx(2 * found[three[2]])


def test_a_pass_without_pictures_takes_nothing() -> None:
    assert divided({}, [], 1.0) == scaled({}, 1.0) == {}


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often was slept: while a model is built, in its forward passes, and in what attention computes alone."""
    slept: Counter[str] = Counter()

    def nap(why: str) -> None:
        slept[why] += 1
        time.sleep(NAP)

    stream, update, compute = TimmViT.stream, AttentionAnalysis.update, AttentionAnalysis.compute

    def slow_stream(self: TimmViT, pixels: Tensor, taps: Any, sink: Any) -> None:
        nap("build" if len(taps) == 8 else "pass")  # the gate asks for every tap
        stream(self, pixels, taps, sink)

    def slow_update(self: AttentionAnalysis, layer: int, *rest: Any) -> None:
        if layer == 1:
            nap("attention")
        update(self, layer, *rest)

    def slow_compute(self: AttentionAnalysis, state: State) -> Result:
        nap("attention")
        return compute(self, state)

    monkeypatch.setattr(TimmViT, "stream", slow_stream)
    monkeypatch.setattr(AttentionAnalysis, "update", slow_update)
    monkeypatch.setattr(AttentionAnalysis, "compute", slow_compute)
    return slept


def test_the_sum_over_a_commands_runs_is_the_time_that_it_took(run: Runs, naps: Counter[str]) -> None:
    begun = time.perf_counter()
    outcomes = run("toy-a toy-b", "attn-distance knn rank toy-similarity")
    wall = time.perf_counter() - begun
    shares = {(o.model, o.other, o.analysis): o.seconds for o in outcomes}
    assert len(shares) == 2 * 3 + 3
    assert NAP * naps.total() <= sum(shares.values()) <= wall
    assert run.rows("SELECT seconds FROM runs ORDER BY 1") == [(seconds,) for seconds in sorted(shares.values())]
    ((elapsed,),) = run.rows("SELECT sum(elapsed) FROM runs")
    assert elapsed > wall, "runs overlap: otherwise this shows nothing"


def test_what_an_analysis_computes_alone_is_its_own(run: Runs, naps: Counter[str]) -> None:
    shares = {o.analysis: o.seconds for o in run("toy-a", "attn-distance rank residual")}
    alone, together = naps["attention"] * NAP, (naps["pass"] + naps["build"]) * NAP
    for other in ("rank", "residual"):
        assert together / 3 <= shares[other] < shares["attention"] - alone / 2


def test_of_a_pair_each_model_gives_what_it_took_to_the_pairs_that_need_it(run: Runs, naps: Counter[str]) -> None:
    shares = {(o.model, o.other): o.seconds for o in run("toy-a toy-b", "toy-similarity")}
    one_model = NAP * naps.total() / 2
    assert min(shares["toy-a", "toy-a"], shares["toy-b", "toy-b"]) >= one_model / 2
    assert shares["toy-a", "toy-b"] >= one_model
    naps.clear()
    again = run("toy-a toy-b toy-c", "toy-similarity")
    known = {(o.model, o.other): o.seconds for o in again if o.status == "done"}
    assert sum(known.values()) >= NAP * naps.total(), "toy-c alone was passed over"


def test_features_are_paid_by_those_who_collect_them(run: Runs, naps: Counter[str]) -> None:
    shares = {o.analysis: o.seconds for o in run("toy-a", "knn rank", limit=5)}
    assert shares["knn"] >= NAP * (naps["pass"] + naps["build"]) / 2, "its gallery is larger than what rank looks at"
    assert sum(shares.values()) >= NAP * naps.total()
