"""Tests of choosing readouts: several settings from one pass."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch

from teachmatters.api import NORM, SHORT_SIDE, TAP, Readout
from teachmatters.models.timm.vit import TimmViT
from teachmatters.runner.features.reader import CollectedFeatures
from tests import measuring
from tests.models.timm.test_readouts import read
from tests.runner.session.test_analyze import Runs, forwards, run, statuses

pytestmark = pytest.mark.usefixtures("toys")
__all__ = ["forwards", "run"]  # fixtures

SETTINGS = "SELECT DISTINCT setting FROM results ORDER BY 1"


def test_a_list_gives_several_settings_from_one_pass(run: Runs, forwards: Counter[str]) -> None:
    outcomes = run("toy-a", "knn", param=["k=1", "feature=cls,mean,cls+mean", "norm=none,final"])
    assert statuses(outcomes) == ["done"] * 6
    assert forwards["3"] == 21
    features = ("feature=cls", "feature=cls+mean", "feature=mean")
    expected = sorted(f"{feature}, k=1{norm}" for feature in features for norm in ("", ", norm=final"))
    assert run.rows(SETTINGS) == [(setting,) for setting in expected]
    folder = run.path.with_name(run.path.name + ".cache")
    assert len(list(folder.iterdir())) == 4, "cls+mean is made of cls and mean"
    assert statuses(run("toy-a", "knn", param=["k=1", "feature=mean"])) == ["reused"]


def test_every_analysis_of_the_command_shares_the_pass(run: Runs, forwards: Counter[str]) -> None:
    outcomes = run("toy-a", "knn rank attn-distance", param=["k=1", "tap=norm2,mlp_hidden", "feature=auto,mean"])
    assert statuses(outcomes) == ["done"] * (4 + 2 + 1)
    assert forwards["3"] == 21


def test_a_new_parameter_at_its_default_keeps_the_cell() -> None:
    for name in ("knn", "rank", "attention"):
        task = measuring.task(name, "toys")
        assert not {"feature", "tap", "norm", "short_side"} & task.template.parameters.keys()
        assert task.setting == ""
        same = measuring.task(
            name, "toys", *(f"{p.name}={p.default}" for p in task.spec.parameters if p in (TAP, NORM))
        )
        assert same.template == task.template
    assert measuring.task("knn", "toys", "norm=final").template.parameters["norm"] == "final"
    assert SHORT_SIDE in measuring.task("knn", "toys").spec.parameters


def test_without_a_class_token_the_feature_is_the_mean(run: Runs) -> None:
    outcomes = run("toy-bare", "knn rank", param=["knn.feature=auto,mean,cls"])
    assert statuses(outcomes) == ["done"] * 4
    auto, mean, cls, rank = (outcome.notes for outcome in outcomes)
    pooled = {"the feature is the mean of the patch tokens, because the model has no class token": ["toy-bare"]}
    assert auto.items() >= pooled.items()
    assert not mean.keys() & pooled.keys()
    knn = ["knn-top1", "knn-top1-chance", "knn-top5", "knn-top5-chance"]
    assert cls == {"not applicable without a class token": knn}
    assert rank == {"not applicable without a class token": ["effective-rank-cls"]}
    where = (
        "SELECT metric, layer, category, value FROM results WHERE analysis = 'knn' AND setting = '{}' ORDER BY 1, 2, 3"
    )
    assert run.rows(where.format("")) == run.rows(where.format("feature=mean")) != []


def test_without_a_hidden_layer_the_metric_does_not_apply(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = TimmViT.__init__

    def bare(self: TimmViT, *how: Any, **named: Any) -> None:
        whole(self, *how, **named)
        self.info = replace(self.info, mlp_width=0)

    monkeypatch.setattr(TimmViT, "__init__", bare)
    (outcome,) = run("toy-a", "rank", param=["tap=mlp_hidden"])
    assert outcome.notes == {
        "not applicable without the tap mlp_hidden": ["effective-rank-cls", "effective-rank-spatial"]
    }


def test_an_impossible_readout_fails_only_its_own_runs(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = run("toy-a", "rank", param=["short_side=16,32,48"])
    assert statuses(outcomes) == ["failed", "done", "done"]
    assert outcomes[0].reason == "short_side=16 is less than the 32 pixels that the model takes; use 32 or more"
    values = "SELECT metric, layer, category, value FROM results WHERE setting = '{}' ORDER BY 1, 2, 3"
    run("toy-a", "rank")
    assert run.rows(values.format("")) == run.rows(values.format("short_side=32"))
    assert run.rows(values.format("")) != run.rows(values.format("short_side=48"))

    monkeypatch.setattr("teachmatters.models.layout._last_norm", lambda _: "")
    outcomes = run("toy-b", "knn rank", param=["k=1", "knn.norm=none,final"])
    assert statuses(outcomes) == ["done", "failed", "done"]
    assert "norm=final: this network" in outcomes[1].reason


def test_windows_and_crops_cannot_be_combined(run: Runs) -> None:
    from teachmatters.errors import TeachMattersError

    with pytest.raises(TeachMattersError, match="short_side with resolution=dense"):
        run("toy-a", "segment-clustering", param=["resolution=dense", "short_side=48"])


def test_collected_features_equal_those_of_the_network(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both halves of cls+mean, normed, in half precision."""
    readout, seen = Readout("cls+mean", norm="final"), {}
    original = CollectedFeatures.read

    def reading(self: CollectedFeatures, role: Any, asked: Readout, layer: int, *block: Any) -> Any:
        seen[role, layer] = original(self, role, asked, layer, *block)
        assert asked == readout
        return seen[role, layer]

    monkeypatch.setattr(CollectedFeatures, "read", reading)
    run("toy-a", "knn", param=["k=1", "feature=cls+mean", "norm=final"])
    task, adapter = measuring.task("knn", "toys"), measuring.adapter()
    assert isinstance(adapter, TimmViT)
    info = adapter.info
    every = [task.opened.dataset.image(item) for item in task.items["queries"]]
    inputs = [torch.from_numpy(task.inputs["knn-top1"].transform.apply(image, {}, info).inputs) for image in every]
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (info.mean, info.std))
    truth = read(adapter, (torch.cat(inputs).float() / 255 - mean) / std, readout)
    for layer, vectors in enumerate(truth, start=1):
        torch.testing.assert_close(torch.from_numpy(seen["queries", layer]), vectors, rtol=2e-3, atol=2e-3)
