"""Tests of the features of all images: extracted once and reused unless anything changed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from teachmatters.analyses import feature_buffer
from teachmatters.api import Crop, InputSpec, Item, Readout, Role
from teachmatters.api.progress import NoProgress
from teachmatters.cache import features
from teachmatters.cache.entry import entries
from teachmatters.cache.features import FeatureShards
from teachmatters.errors import TeachMattersError
from teachmatters.models.timm.vit import TimmViT
from teachmatters.runner.features.plan import _key_fields
from teachmatters.runner.features.reader import CollectedFeatures
from teachmatters.runner.forward.settings import PassSettings
from tests import measuring
from tests.runner.session.test_analyze import Runs, forwards, run, statuses
from tests.toy_collect import ToyCollected

pytestmark = pytest.mark.usefixtures("toys")
__all__ = ["forwards", "run"]  # fixtures

VALUES = "SELECT metric, layer, category, value, std, n FROM results ORDER BY 1, 2, 3"


class Said(NoProgress):
    """Remembers what it is given."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four images each."""
    monkeypatch.setattr(features, "SHARD_BYTES", 4 * 3 * 24 * 2)


def shards(run: Runs) -> list[Path]:
    return sorted(run.path.with_name(run.path.name + ".cache").glob("features-*/*.safetensors"))


def test_one_extraction_and_one_pass_for_all_analyses(run: Runs, forwards: Counter[str]) -> None:
    assert statuses(run("toy-a", "knn toy-collected attention rank")) == ["done"] * 4
    assert forwards["3"] == 21
    assert len(list(run.path.with_name(run.path.name + ".cache").iterdir())) == 2  # cls and mean


def test_a_later_command_reads_cached_features(run: Runs, forwards: Counter[str]) -> None:
    run("toy-a", "knn-top1")
    assert statuses(run("again=toy-a", "knn", param=["k=1,3"])) == ["done"]
    assert forwards["3"] == 21
    run("toy-a", "toy-collected")  # the class tokens are there; the mean and what goes by are not
    assert forwards["3"] == 42


def test_collected_features_equal_the_streamed_ones(run: Runs) -> None:
    run("toy-a", "toy-collected")
    rows = {row[1:3]: row[3] for row in run.rows(VALUES)}
    for layer in (1, 2, 3):
        for tap in ("cls", "mean"):
            assert rows[layer, tap] == pytest.approx(rows[layer, f"{tap} seen"], rel=1e-3)


def test_another_limit_extracts_only_the_missing_images(run: Runs, forwards: Counter[str], tmp_path: Path) -> None:
    run("toy-a", "knn", limit=4, param=["k=1,3"])
    assert forwards["3"] == 4 + 11
    run("toy-a", "knn", param=["k=1,3"])
    assert forwards["3"] == 21
    fresh = Runs(tmp_path / "fresh.db")
    fresh("toy-a", "knn", param=["k=1,3"])
    where = VALUES.replace("FROM results", "FROM results WHERE setting = 'k=1,3'")
    assert run.rows(where) == fresh.rows(where)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("toy-c", {}),
        ("toy-a", {"seed": 1}),
        ("toy-a", {"dtype": "bfloat16"}),
        ("toy-a", {"param": ["k=1,3", "count=20"]}),
        ("toy-a", {"force": True}),
    ],
    ids=["weights", "seed", "dtype", "data", "force"],
)
def test_changed_settings_need_another_pass(
    run: Runs, forwards: Counter[str], tmp_path: Path, model: str, options: dict[str, Any]
) -> None:
    options.setdefault("param", ["k=1,3"])
    run("toy-a", "knn", param=["k=1,3"])
    run(model, "knn", **options)
    assert forwards["3"] == 21 + (20 if "count=20" in options["param"] else 21)
    fresh = Runs(tmp_path / "fresh.db")
    fresh(model, "knn", **options)
    last = "SELECT run_id FROM runs ORDER BY finished_at DESC LIMIT 1"
    newest = f"SELECT metric, layer, category, value FROM all_results WHERE run_id = ({last}) ORDER BY 1, 2, 3"
    assert run.rows(newest) == fresh.rows(newest)


@pytest.mark.usefixtures("small_shards")
def test_an_interrupted_extraction_resumes(
    run: Runs, forwards: Counter[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = TimmViT.stream

    def dying(self: TimmViT, pixels: torch.Tensor, taps: Any, sink: Any) -> None:
        if forwards["3"] >= 12:
            raise KeyboardInterrupt
        counting(self, pixels, taps, sink)

    with monkeypatch.context() as patch:
        patch.setattr(TimmViT, "stream", dying)
        with pytest.raises(KeyboardInterrupt):
            run("toy-a", "knn", batch_size=3, param=["k=1,3"])
    assert sum(map(len, _extraction(run).ids)) == 9  # the last batch was not known to be sound
    run("toy-a", "knn", batch_size=3, param=["k=1,3"])
    assert forwards["3"] == 12 + 21 - 9
    fresh = Runs(tmp_path / "fresh.db")
    fresh("toy-a", "knn", batch_size=3, param=["k=1,3"])
    assert run.rows(VALUES) == fresh.rows(VALUES)


def _extraction(run: Runs) -> FeatureShards:
    (entry,) = entries(run.path.with_name(run.path.name + ".cache"))
    return FeatureShards(entry, 3, 24, print)


@pytest.mark.usefixtures("small_shards")
def test_images_of_a_damaged_shard_are_extracted_again(
    run: Runs, forwards: Counter[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run("toy-a", "knn-top1", batch_size=4, param=["k=1,3"])
    path = shards(run)[2]
    path.write_bytes(path.read_bytes()[:-5])
    said = Said()
    monkeypatch.setattr("teachmatters.runner.session.analyze.NoProgress", lambda: said)
    run("toy-a", "knn", batch_size=4, param=["k=1,3"])
    assert forwards["3"] == 21 + 4
    assert said.lines == [
        f"{path} is damaged or belongs to another model and was deleted: its features are extracted again"
    ]
    fresh = Runs(tmp_path / "fresh.db")
    fresh("toy-a", "knn", batch_size=4, param=["k=1,3"])
    assert run.rows(VALUES) == fresh.rows(VALUES)


def test_a_batch_that_is_not_finite_is_not_kept(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the class token itself is: the next command would take it for sound."""
    whole = TimmViT.stream

    def breaking(self: TimmViT, pixels: torch.Tensor, taps: Any, sink: Any) -> None:
        def broken(layer: int, tap: Any, values: torch.Tensor) -> None:
            if layer == 3 and tap == "block" and len(taps) < 8:  # not what the gate looks at
                values = values.clone()
                values[0, -1] = torch.nan
            sink(layer, tap, values)

        whole(self, pixels, taps, broken)

    monkeypatch.setattr(TimmViT, "stream", breaking)
    assert "layer 3 is not finite" in run.fails("toy-a", "knn")
    assert shards(run) == []


@pytest.mark.parametrize(("size", "seed"), [(0, 5), (9, 0)])
def test_the_seed_matters_for_generated_images(size: int, seed: int, tmp_path: Path) -> None:
    task = measuring.task("knn", "toys")
    items: dict[Role, list[Item]] = {"queries": [Item("a", 9, 0)], "gallery": [Item("b", size, 1)]}
    settings = PassSettings(device=torch.device("cpu"), dtype=torch.float32, seed=5, cache=tmp_path)
    facts = _key_fields(settings, measuring.measured("toy-a"), replace(task, items=items), Crop(), Readout("cls"))
    assert facts["seed"] == seed


def test_bad_images_are_reported_again(run: Runs, forwards: Counter[str]) -> None:
    for label in ("toy-a", "again=toy-a"):
        (outcome,) = run(label, "knn", param=["bad=2,7", "k=1,3"])
        assert (outcome.items, outcome.skipped) == (19, 2)
        assert set(outcome.notes["skipped"]) == {"image 2", "image 7"}  # type: ignore[call-overload]
    assert forwards["3"] == 19


def test_a_command_keeps_its_features_and_then_obeys_the_limit(
    run: Runs, forwards: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def models() -> list[str]:
        return [entry.facts["model"] for entry in entries(run.path.with_name(run.path.name + ".cache"))]

    numbers = (
        "SELECT metric, layer, category, value FROM results WHERE model = 'toy-a' AND analysis = 'knn' ORDER BY 1, 2, 3"
    )
    run("toy-a", "knn")
    expected = run.rows(numbers)
    monkeypatch.setenv("TM_CACHE_LIMIT", "8kB")
    run("toy-c", "knn")
    assert models() == ["toy-c"], "toy-a was not used for longer"
    monkeypatch.setenv("TM_CACHE_LIMIT", "0")
    forwards.clear()
    run("toy-a", "knn toy-similarity", force=True)
    assert run.rows(numbers) == expected
    assert forwards == {"3": 21}
    assert models() == []


def test_an_invalid_cache_limit_is_an_error_before_any_pass(
    run: Runs, forwards: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TM_CACHE_LIMIT", "plenty")
    with pytest.raises(TeachMattersError, match="TM_CACHE_LIMIT='plenty' is not a size"):
        run("toy-a", "knn")
    assert not forwards


def test_too_little_disk_space_fails_before_any_pass(
    run: Runs, forwards: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=3000, total=10**9))
    folder = run.path.with_name(run.path.name + ".cache")
    assert run.fails("toy-a", "knn").startswith(
        f"features of toy-a need 3.0 kB, but only 3.0 kB are free on the disk of {folder}"
    )
    assert not forwards
    assert statuses(run("toy-a", "attn-distance knn")) == ["done", "failed"]
    assert forwards["3"] == 21
    assert not folder.exists()


def test_more_than_a_tenth_of_the_disk_is_reported(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    said = Said()
    monkeypatch.setattr("teachmatters.runner.session.analyze.NoProgress", lambda: said)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=30_000, total=10**9))
    run("toy-a", "knn")
    folder = run.path.with_name(run.path.name + ".cache")
    assert said.lines == [f"features of toy-a take 3.0 kB in {folder}, where 30.0 kB are free"]
    said.lines.clear()
    run("again=toy-a", "knn")
    assert said.lines == [], "nothing more is written"


def test_an_unwritable_cache_is_an_error_before_any_pass(
    run: Runs, forwards: Counter[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TM_CACHE", str(tmp_path / "file"))
    assert "set TM_CACHE to a writable folder" in run.fails("toy-a", "knn")
    assert not forwards
    monkeypatch.setenv("TM_CACHE", str(tmp_path / "elsewhere"))
    assert statuses(run("toy-a", "knn")) == ["done"]
    assert shards(run) == []
    assert len(list((tmp_path / "elsewhere").glob("features-*/*.safetensors"))) == 1


@pytest.mark.usefixtures("small_shards")
def test_neither_a_pass_nor_knn_holds_more_than_blocks(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting, asked = [0], []
    add, read = FeatureShards.add, CollectedFeatures.read

    def adding(self: FeatureShards, ids: Any, values: Any) -> None:
        waiting.append(sum(len(each) for each, _ in self.waiting) + len(ids))
        add(self, ids, values)

    def reading(self: CollectedFeatures, role: Any, *where: Any) -> Any:
        found = read(self, role, *where)
        asked.append((role, len(found)))
        return found

    monkeypatch.setattr(FeatureShards, "add", adding)
    monkeypatch.setattr(CollectedFeatures, "read", reading)
    monkeypatch.setattr(feature_buffer, "GALLERY_BLOCK", 4)
    run("toy-a", "knn", batch_size=3, param=["k=1,3"])
    assert max(waiting) <= 3 + 3
    assert [size for role, size in asked if role == "gallery"] == [4, 4, 3] * 3
    blocks = run.rows(VALUES)
    monkeypatch.setattr(feature_buffer, "GALLERY_BLOCK", 100)
    run("toy-a", "knn", force=True, param=["k=1,3"])
    assert run.rows(VALUES) == blocks


def test_only_vectors_of_images_can_be_collected(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = InputSpec(collect=frozenset({Readout("cls"), Readout("tokens")}))
    monkeypatch.setattr(ToyCollected, "input_spec", lambda *_: spec)
    assert "one vector per image" in run.fails("toy-a", "toy-collected")


def test_reading_uncollected_features_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"InputSpec\.collect"):
        CollectedFeatures({"all": []}, measuring.measured("toy-a").info).index("all")


def test_features_that_cannot_be_written_fail_only_their_analyses(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        from teachmatters.errors import TeachMattersError

        raise TeachMattersError("no space left")

    monkeypatch.setattr(features, "save_state", full)
    outcomes = run("toy-a", "attn-distance knn")
    assert [(o.status, o.reason) for o in outcomes] == [("done", ""), ("failed", "no space left")]


def test_knn_and_clusters_share_class_tokens(run: Runs, forwards: Counter[str]) -> None:
    run("toy-a", "knn")
    assert statuses(run("toy-a", "purity-cls")) == ["done"]
    assert forwards["3"] == 21


def test_a_model_without_a_class_token_has_only_the_mean(run: Runs) -> None:
    assert statuses(run("toy-bare", "clustering")) == ["done"]
    assert run.rows("SELECT DISTINCT metric FROM results ORDER BY 1") == [
        ("ari-spatial",),
        ("nmi-spatial",),
        ("purity-spatial",),
    ]
    assert len(list(run.path.with_name(run.path.name + ".cache").iterdir())) == 1
