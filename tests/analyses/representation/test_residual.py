"""Tests of the residual analysis on generated skip connections and branches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from teachmatters.analyses.representation.similarity_specs import RESIDUAL
from teachmatters.api import Result, Tap
from teachmatters.errors import TeachMattersError
from tests.driving import Taps, info, run_updates, started
from tests.measures.representation.test_cka import expected

TAPS: tuple[Tap, ...] = ("attn_skip", "attn_branch", "mlp_skip", "mlp_branch")
TOKENS = {"all": slice(None), "cls": slice(0, 1), "spatial": slice(3, None)}
MODEL = info(2, width=5, registers=2)


def taps(images: int = 10) -> Taps:
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(images, MODEL.tokens, 5, generator=generator)
    return {
        tap: [common + scale * torch.randn(images, MODEL.tokens, 5, generator=generator) for _ in range(2)]
        for scale, tap in enumerate(TAPS, start=1)
    }


def result(features: Taps, *, bad: tuple[int, ...] = (), metrics: tuple[str, ...] = ()) -> Result:
    analysis = started(RESIDUAL, MODEL, len(features["attn_skip"][0]), metrics, cka_batch=5)
    run_updates(analysis, features, 5, bad=bad)
    return analysis.compute(analysis.state())


@pytest.mark.parametrize("block", ["attn", "mlp"])
def test_the_skip_of_a_layer_against_the_branch_of_every_layer(block: str) -> None:
    features = taps()
    skips, branches = features[f"{block}_skip"], features[f"{block}_branch"]  # type: ignore[index]
    cuts = [list(range(5)), list(range(5, 10))]
    for record in [r for r in result(features).records if r.metric == f"residual-cka-{block}"]:
        x, y = (
            [each[cut].flatten(1).double().numpy() for cut in cuts]
            for each in (skips[record.layer - 1], branches[record.other_layer - 1])
        )
        assert record.value == pytest.approx(expected(x, y), abs=1e-5)
        assert record.n == 2


@pytest.mark.parametrize("tokens", TOKENS)
@pytest.mark.parametrize("block", ["attn", "mlp"])
def test_norm_ratios_are_means_over_images(block: str, tokens: str) -> None:
    features = taps()
    found = [r for r in result(features, bad=(3,)).records if r.metric == f"residual-norm-{block}-{tokens}"]
    assert [r.layer for r in found] == [1, 2]
    for record in found:
        skip, branch = (
            features[f"{block}_{part}"][record.layer - 1][:, TOKENS[tokens]].numpy()  # type: ignore[index]
            for part in ("skip", "branch")
        )
        ratios = [np.linalg.norm(skip[i]) / np.linalg.norm(branch[i]) for i in range(10) if i != 3]
        assert record.value == pytest.approx(np.mean(ratios), rel=1e-5)
        assert record.std == pytest.approx(np.std(ratios, ddof=1), rel=1e-4)
        assert record.n == 9


def test_images_with_a_zero_branch_are_excluded_and_noted() -> None:
    features = taps()
    features["mlp_branch"][0][2] = 0
    features["attn_branch"][1][:] = 0
    answer = result(features)
    ns = {(r.metric, r.layer): r.n for r in answer.records if "norm" in r.metric}
    assert (ns["residual-norm-mlp-all", 1], ns["residual-norm-mlp-all", 2]) == (9, 10)
    assert ("residual-norm-attn-cls", 2) not in ns
    note = answer.notes["images whose branch is 0, left out"]
    assert (note["residual-norm-mlp-all, layer 1"], note["residual-norm-attn-cls, layer 2"]) == (1, 10)
    gone = answer.notes["no number where nothing varies from image to image"]
    assert gone == {"residual-cka-attn": {"other layers": "2"}}


@pytest.mark.parametrize("metric", [metric.name for metric in RESIDUAL.metrics])
def test_every_metric_can_be_requested_alone(metric: str) -> None:
    assert {r.metric for r in result(taps(), metrics=(metric,)).records} == {metric}


def test_fewer_than_four_images() -> None:
    with pytest.raises(TeachMattersError, match="CKA needs at least 4 images"):
        result(taps(3))
    assert len(result(taps(3), metrics=("residual-norm-mlp-all",)).records) == 2
