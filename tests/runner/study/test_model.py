"""Tests of running studies: shared passes, reuse, and failed cells that stop nothing."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch

from teachmatters import registry
from teachmatters.api.progress import NoProgress
from teachmatters.models.timm.vit import TimmViT
from teachmatters.runner.estimate.estimate import estimate_study
from teachmatters.runner.estimate.result import Estimate
from teachmatters.runner.estimate.throughput import throughput
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.pending import PendingTask
from teachmatters.runner.requests import Outcome
from teachmatters.runner.session.passes import PassPlan
from teachmatters.runner.study.resolve import open_study
from teachmatters.runner.study.run import run_study
from tests import measuring
from tests.runner.session.test_analyze import Runs, forwards, run, statuses

pytestmark = pytest.mark.usefixtures("toys", "two_starts")
__all__ = ["forwards", "run"]  # fixtures

NUMBERS = (
    "SELECT model, dataset, setting, analysis, protocol, metric, layer, head, other_model, other_layer, category, "
    "value, std, n FROM results ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11"
)


class Studies:
    """Studies on one store."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "store.db"
        self.told: list[Outcome] = []

    def _open(self, text: str) -> Any:
        file = self.folder / "study.yaml"
        file.write_text(text, encoding="utf-8")
        return open_study(registry.load(), file)

    def __call__(self, text: str) -> list[Outcome]:
        return run_study(self._open(text), self.path, NoProgress(), self.told.append)

    def plan(self, text: str) -> Estimate:
        return estimate_study(self._open(text), self.path, NoProgress())

    def rows(self, query: str = NUMBERS) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studies:
    monkeypatch.setattr("teachmatters.runner.estimate.throughput.SECONDS", 0.0)
    return Studies(tmp_path)


def cells(outcomes: Sequence[Outcome], status: str) -> set[tuple[str, ...]]:
    return {
        (o.model, *filter(None, [o.other]), o.analysis, *filter(None, [o.setting]))
        for o in outcomes
        if o.status == status
    }


APART = """
models: toy-a
data: toys
measure:
  - attn-distance
  - {metrics: [knn, attn-on-cls], limit: 5}
  - toy-pairs
  - metrics: knn
    params: {k: 1}
"""


def test_entries_with_different_parameters_share_a_pass(study: Studies, forwards: Counter[str]) -> None:
    outcomes = study(APART)
    assert statuses(outcomes) == ["done"] * 5
    assert forwards == {"3": 21}
    found = study.rows("SELECT analysis, setting, n_items FROM runs ORDER BY 1, 2")
    assert found == [
        ("attention", "", 21),
        ("attention", "limit=5", 5),
        ("knn", "k=1", 21),
        ("knn", "limit=5", 5 + 11),
        ("toy-pairs", "", 21),
    ]


def test_numbers_equal_those_of_separate_commands(study: Studies, run: Runs, tmp_path: Path) -> None:
    study(APART)
    apart = Runs(tmp_path / "apart.db")
    apart("toy-a", "attn-distance")
    apart("toy-a", "knn attn-on-cls", limit=5)
    apart("toy-a", "toy-pairs")
    apart("toy-a", "knn", param=["k=1"])
    for (*key, value, std, n), (*key2, value2, std2, n2) in zip(study.rows(), apart.rows(NUMBERS), strict=True):
        assert (key, n) == (key2, n2)
        assert value == pytest.approx(value2, rel=1e-5)
        assert std == (None if std2 is None else pytest.approx(std2, rel=1e-4, abs=1e-9))
    assert statuses(study(APART)) == ["reused"] * 5
    assert {run.status for run in study.told} == {"done", "reused"}


@pytest.mark.parametrize(("term", "cost"), [("seed: 1", 42), ("dtype: bfloat16", 42), ("params: {count: 20}", 41)])
def test_entries_with_other_images_or_networks_share_no_pass(
    study: Studies, forwards: Counter[str], term: str, cost: int
) -> None:
    study(f"models: toy-a\ndata: toys\nmeasure:\n- attn-distance\n- {{metrics: attn-on-cls, {term}}}\n")
    assert forwards == {"3": cost}


def test_an_entry_may_name_its_own_models(study: Studies, forwards: Counter[str]) -> None:
    outcomes = study(
        "models: [toy-a, toy-b, toy-c]\ndata: toys\nparams: {cka_batch: 7}\nmeasure:\n"
        "- {metrics: cka-cls, models: [toy-a, toy-b]}\n- {metrics: mknn, models: [toy-b, toy-c]}\n"
        "- {metrics: attn-distance, models: toy-c}\n- {metrics: [attn-on-cls, attn-distance], models: toy-a}\n"
    )
    assert set(statuses(outcomes)) == {"done"}
    assert cells(outcomes, "done") == {
        ("toy-a", "toy-a", "cka", "cka_batch=7"), ("toy-a", "toy-b", "cka", "cka_batch=7"),
        ("toy-b", "toy-b", "cka", "cka_batch=7"), ("toy-b", "toy-c", "cka", "cka_batch=7"),
        ("toy-c", "toy-c", "cka", "cka_batch=7"), ("toy-a", "attention"), ("toy-c", "attention"),
    }  # fmt: skip
    assert forwards == {"3": 42, "2": 21}
    metrics = "SELECT DISTINCT metric FROM results WHERE model = '{}' AND coalesce(other_model, '{}') = '{}' ORDER BY 1"
    told = {pair: [row[0] for row in study.rows(metrics.format(pair[0], pair[0], pair[1]))] for pair in PAIRS}
    assert told == {
        ("toy-a", "toy-a"): ["attn-distance", "attn-on-cls", "cka-cls"],
        ("toy-a", "toy-b"): ["cka-cls"],
        ("toy-b", "toy-b"): ["cka-cls", "mknn"],
        ("toy-b", "toy-c"): ["mknn"],
        ("toy-c", "toy-c"): ["attn-distance", "mknn"],
        ("toy-a", "toy-c"): [],
    }


PAIRS = [(f"toy-{one}", f"toy-{two}") for one, two in ("aa", "ab", "bb", "bc", "cc", "ac")]


MISSING = """
models: [toy-a, toy-broken, {name: toy-b, weights: nowhere.pth}, dino-b16]
measure:
  - {metrics: [attn-distance, toy-pairs], data: toys}
  - {metrics: attn-distance, data: coco, data_root: nowhere}
"""


def test_missing_models_and_data_do_not_stop_the_rest(
    study: Studies, forwards: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(study.folder))
    outcomes = study(MISSING.replace(", dino-b16", "").replace(", weights: nowhere.pth", ""))
    assert cells(outcomes, "done") == {
        ("toy-a", "attention"), ("toy-b", "attention"), ("toy-a", "toy-a", "toy-pairs"),
        ("toy-a", "toy-b", "toy-pairs"), ("toy-b", "toy-b", "toy-pairs"),
    }  # fmt: skip
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert {(o.model, o.dataset) for o in failed if not o.other} == {
        ("toy-broken", "toys"), ("toy-a", "coco"), ("toy-b", "coco"), ("toy-broken", "coco"),
    }  # fmt: skip
    assert {o.reason for o in failed if o.dataset == "toys"} == {"toy-broken is broken"}
    (reason,) = {o.reason for o in failed if o.dataset == "coco"}
    assert "nowhere is not a directory" in reason
    assert len([o for o in failed if o.other]) == 3, "pairs with the broken one"


def test_an_unwritable_store_stops_before_measuring(study: Studies, forwards: Counter[str]) -> None:
    study.path.write_text("hello, this is no database")
    with pytest.raises(Exception, match="is not a SQLite file"):
        study(APART)
    with pytest.raises(Exception, match="is not a SQLite file"):
        study.plan(APART)
    assert not forwards


# ---------------------------------------------------------------- --plan
def test_the_throughput_trial_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teachmatters.cache.features.SHARD_BYTES", 1)  # a file for each image
    monkeypatch.setattr("teachmatters.runner.estimate.throughput.SECONDS", 0.0)
    task = measuring.task("clustering", "toys")
    cpu = torch.device("cpu")
    settings = PassSettings(device=cpu, dtype=torch.float32, batch_size=4, seed=0, cache=tmp_path / "cache")
    pass_plan = PassPlan(settings, measuring.measured("toy-a"), [PendingTask(task, task.metrics)], print)
    pass_plan.features.create_jobs()
    (shared,) = pass_plan.groups
    (members,) = pass_plan.passes(shared)
    seen: list[int] = []
    stream = TimmViT.stream

    def seeing(self: TimmViT, pixels: torch.Tensor, taps: Any, sink: Any) -> None:
        seen.append(len(pixels))
        stream(self, pixels, taps, sink)

    monkeypatch.setattr(TimmViT, "stream", seeing)
    assert throughput(settings, measuring.adapter(), members) > 0
    assert seen == [4, 4], "the first does not count, and after the next the time is over"
    assert list(tmp_path.iterdir()) == []


PLANS = {
    "fused": APART,
    "windows and pairs": """
models: [toy-a, toy-b, {name: toy-b, label: again}]
measure:
  - {metrics: [attention, knn, toy-similarity, toy-video], data: toys}
  - {metrics: [cka, rank, clustering], data: toys, params: {cka_batch: 4, clusters: 2}, limit: 12}
  - {metrics: knn, data: toys, seed: 1}
""",
    "pairs of some": """
models: [toy-a, toy-b, toy-c]
data: toys
measure:
  - {metrics: toy-pairs, models: [toy-a, toy-b]}
  - {metrics: toy-similarity, models: [toy-b, toy-c], limit: 8}
""",
    "one network twice": "models: [toy-a, toy-b, again=toy-b]\ndata: toys\nmeasure: [toy-similarity, clustering]\n",
    "no class token": "models: [toy-bare, toy-a]\ndata: toys\nmeasure: [attn-on-cls, knn, rank]\n",
    "bad images in windows": "models: toy-a\nmeasure: [{metrics: toy-video, data: toys, limit: 2}]\n",
}


@pytest.mark.parametrize("text", PLANS.values(), ids=PLANS)
def test_the_plan_counts_what_the_run_measures(study: Studies, forwards: Counter[str], text: str) -> None:
    found = study.plan(text)
    assert not study.path.exists()
    assert [path.name for path in study.folder.iterdir()] == ["study.yaml"], "nothing is left behind"
    forwards.clear()
    outcomes = study(text)
    assert found.forward_passes == forwards.total() > 0
    assert (found.missing, found.cells) == (len(outcomes), len(outcomes))
    assert found.comparisons == sum(bool(outcome.other) for outcome in outcomes)
    assert all(each.seconds > 0 for each in found.passes if each.forward_passes)


@pytest.mark.parametrize("before", [["attention"], ["rank"], ["toy-pairs"], ["attention", "knn", "toy-similarity"]])
def test_after_a_partial_run_the_plan_counts_the_rest(
    study: Studies, run: Runs, forwards: Counter[str], before: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = PLANS["windows and pairs"]
    run("toy-b", " ".join(before))
    whole = study.plan(text.replace("again", "other"))
    forwards.clear()
    outcomes = study(text.replace("again", "other"))
    assert whole.forward_passes == forwards.total()
    assert whole.missing == sum(outcome.status == "done" for outcome in outcomes)
    monkeypatch.setattr(
        "teachmatters.runner.estimate.passes.build_model", None
    )  # where nothing is missing no model is built
    again = study.plan(text.replace("again", "other"))
    assert (again.missing, again.forward_passes, again.passes, again.problems) == (0, 0, [], [])


def test_the_plan_shows_the_bytes_of_features(study: Studies, forwards: Counter[str]) -> None:
    text = "models: toy-a\nmeasure: [{metrics: [clustering, attn-distance], data: toys}]\n"
    found = study.plan(text)
    # class tokens and means of 21 images at 3 layers, 24 channels of 2 bytes
    assert found.feature_bytes == 2 * 21 * 3 * 24 * 2
    assert found.comparisons == 0
    (one,) = found.passes
    assert (one.images, one.forward_passes, one.cells) == (21, 21, 2)
    assert (one.model, one.data, one.transform, one.analyses) == (
        "toy-a",
        "toys",
        "Crop",
        ("clustering", "attention"),
    )
    assert len(found.keys) == 21


def test_missing_models_and_data_are_listed_in_the_plan(
    study: Studies, monkeypatch: pytest.MonkeyPatch, forwards: Counter[str]
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(study.folder / "empty"))
    found = study.plan(MISSING.replace("dino-b16", "dino-s16") + "device: cpu\nbatch_size: 4\n")
    kinds = {(p.kind, p.name): (p.cells, p.reason) for p in found.problems}
    assert set(kinds) == {("model", "toy-broken"), ("weights", "dino-s16"), ("data", "coco")}
    assert kinds["model", "toy-broken"] == (1, "toy-broken is broken")
    assert kinds["data", "coco"][0] == 4
    assert kinds["weights", "dino-s16"] == (2, "not here; 'tm fetch' gets them")
    assert {each.model: each.forward_passes for each in found.passes}.keys() == {"toy-a", "toy-b@nowhere", "dino-s16"}
    assert {each.architecture for each in found.passes if each.model == "dino-s16"} == {"ViT-S/16"}
    assert found.comparisons == 6, "of three models, the broken one left out"
    assert (found.cells, found.missing) == (4 + 10 + 4, 4 + 10 + 4)
    assert not study.path.exists()
