"""Tests of comparing two models or settings: differences at the best layers, with intervals against a loop."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from teachmatters.api import Record
from teachmatters.errors import TeachMattersError
from teachmatters.measures import bootstrap
from teachmatters.reports.builtin import compare
from teachmatters.reports.builtin.specs import REPORTS
from teachmatters.reports.options import Options
from teachmatters.reports.run import run_report
from tests.reports.stores import DISTANCE, PURITY, heads, model, record, rising, values
from tests.reports.test_significance import UNITS, hits, put

SPEC = next(spec for spec in REPORTS if spec.name == "compare")


def rows(path: Path, **options: object) -> list[dict[str, object]]:
    found = run_report(SPEC, path, Options(**options)).rows  # type: ignore[arg-type]
    return [{str(name): value for name, value in row.items()} for row in found.to_dict("records")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    for number, label in enumerate(("dino-s16", "mae-s16", "clip-s16")):
        put(tmp_path / "r.db", label, hits(number, 0.3, 0.4 + 0.2 * number, 0.2))
        if label != "clip-s16":
            record(tmp_path / "r.db", model(label, depth=3), PURITY, values(PURITY, [0.1, 0.5 - 0.2 * number, 0.2]))
        record(tmp_path / "r.db", model(label, depth=3), DISTANCE, heads(DISTANCE, rising(3)))
    return tmp_path / "r.db"


def test_first_minus_second_at_the_best_layer_of_each(path: Path) -> None:
    purity, knn = sorted(rows(path, models=("mae-s16", "dino-s16")), key=lambda row: str(row["metric"]), reverse=True)
    assert (purity["first"], purity["second"]) == ("mae-s16", "dino-s16")
    assert (purity["first_layer"], purity["second_layer"]) == (2, 2)
    assert purity["difference"] == pytest.approx(-0.2)
    assert np.isnan(float(purity["low"]))  # type: ignore[arg-type]
    gaps = (
        hits(1, 0.3, 0.6, 0.2)[:, int(str(knn["first_layer"])) - 1]
        - hits(0, 0.3, 0.4, 0.2)[:, int(str(knn["second_layer"])) - 1]
    )
    assert knn["difference"] == pytest.approx(gaps.mean())
    generator = np.random.default_rng(0)
    drawn = [gaps[generator.integers(0, len(gaps), len(gaps))].mean() for _ in range(1000)]
    assert (knn["low"], knn["high"]) == pytest.approx(tuple(np.percentile(drawn, [2.5, 97.5])), abs=1e-3)
    assert knn["units"] == len(UNITS)


def test_each_task_is_drawn_again_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Mock(side_effect=bootstrap.resampled_means)
    monkeypatch.setattr(bootstrap, "resampled_means", drawn)
    assert len(rows(path, models=("mae-s16", "dino-s16"))) == 2
    assert drawn.call_count == 1, "purity has no scores of single units"


def test_without_models_the_two_measured_last_that_share_a_task(path: Path) -> None:
    record(path, model("beit-s16", depth=3), PURITY, values(PURITY, [0.9, 0.1, 0.1]))
    (row,) = rows(path)
    assert (row["metric"], row["first"], row["second"]) == ("purity-cls", "beit-s16", "mae-s16"), "not clip-s16"
    said = "Of 4 models, the two measured last that share a metric: beit-s16 and mae-s16; give --model twice for others"
    assert run_report(SPEC, path, Options()).caption[0] == said
    assert said not in run_report(SPEC, path, Options(models=("beit-s16", "mae-s16"))).caption


def test_a_common_setting_is_preferred_to_a_newer_one(path: Path) -> None:
    record(path, model("mae-s16", depth=3), PURITY, values(PURITY, [0.9, 0.2, 0.2]), setting="limit=2")
    purity = next(row for row in rows(path, models=("mae-s16", "dino-s16")) if row["metric"] == "purity-cls")
    assert (purity["first_setting"], purity["second_setting"]) == ("", "")
    assert purity["difference"] == pytest.approx(-0.2)


def test_unlike_settings_are_named_in_the_headings_or_with_the_task(path: Path) -> None:
    record(path, model("beit-s16", depth=3), PURITY, values(PURITY, [0.9, 0.2, 0.2]), setting="limit=2")
    table = run_report(SPEC, path, Options(models=("beit-s16", "dino-s16"))).table
    assert list(table.columns[:3]) == ["task", "beit-s16, limit=2", "dino-s16, defaults"]
    put(path, "beit-s16", hits(5, 0.1, 0.2, 0.3))
    table = run_report(SPEC, path, Options(models=("beit-s16", "dino-s16"))).table
    assert list(table.columns[:3]) == ["task", "beit-s16", "dino-s16"]
    assert table["task"].tolist() == ["knn-top1 / digits", "purity-cls / photos [limit=2 against defaults]"]


def test_one_model_under_two_settings(path: Path) -> None:
    record(path, model("dino-s16", depth=3), PURITY, values(PURITY, [0.9, 0.2, 0.2]), setting="limit=2")
    (row,) = rows(path, models=("dino-s16",))
    assert (row["first_setting"], row["second_setting"]) == ("", "limit=2")
    assert row["difference"] == pytest.approx(0.5 - 0.9)
    (row,) = rows(path, models=("dino-s16",), setting="limit=2")
    assert (row["first_setting"], row["second_setting"]) == ("limit=2", "")
    for setting, value in (("limit=3", 0.3), ("limit=4", 0.7)):
        record(path, model("moco-s16", depth=3), PURITY, values(PURITY, [value]), setting=setting)
    (row,) = rows(path, models=("moco-s16",))
    assert (row["first_setting"], row["second_setting"]) == ("limit=4", "limit=3"), "neither is the default"
    table = run_report(SPEC, path, Options(models=("dino-s16",))).table
    assert list(table.columns[1:3]) == ["dino-s16, defaults", "dino-s16, limit=2"]


def test_other_settings_are_mentioned(path: Path) -> None:
    for label in ("beit-s16", "moco-s16"):
        record(path, model(label, depth=3), PURITY, values(PURITY, [0.9, 0.2, 0.2]), setting="limit=2")
    caption = run_report(SPEC, path, Options(models=("beit-s16", "moco-s16"))).caption
    assert "Setting: limit=2" in caption
    caption = run_report(SPEC, path, Options(models=("beit-s16", "dino-s16"))).caption
    assert "Setting limit=2: beit-s16 photos" in caption


def test_only_the_requested_metrics_and_layers(path: Path) -> None:
    (row,) = rows(path, models=("mae-s16", "dino-s16"), metrics=("purity-cls",), layers=(1, 3))
    assert (row["first_layer"], row["second_layer"]) == (3, 3)


def test_clear_differences_are_bold(path: Path) -> None:
    put(path, "beit-s16", hits(9, 0.0, 0.01, 0.0))
    table = run_report(SPEC, path, Options(models=("clip-s16", "beit-s16"))).table
    assert table["task"].tolist() == ["knn-top1"]
    assert table["difference"][0].startswith("+")
    assert table.attrs["bold"] == {(0, 3)}
    assert "the 95 % interval does not contain 0" in table.attrs["notes"][0]


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [("percent", -0.04, "0.0"), ("percent", 2.25, "+2.2"), ("", -0.00004, "0.0000"), ("", -0.12345, "-0.1235")],
)
def test_a_difference_has_the_digits_of_the_scores(unit: str, value: float, text: str) -> None:
    assert compare._signed({"unit": unit}, value) == text


def test_percentages_have_their_own_panel(path: Path) -> None:
    figure = run_report(SPEC, path, Options(models=("mae-s16", "dino-s16"))).figure()
    assert [ax.get_xlabel() for ax in figure.axes] == ["mae-s16 minus dino-s16, percent", "mae-s16 minus dino-s16"]
    assert [[tick.get_text() for tick in ax.get_yticklabels()] for ax in figure.axes] == [
        ["knn-top1 / digits"], ["purity-cls / photos"],
    ]  # fmt: skip
    (key,) = figure.legends
    assert key.get_texts()[0].get_text() == "95 % interval excludes 0"


@pytest.mark.parametrize(
    ("models", "said"),
    [
        (("dino-s16", "mae-s16", "clip-s16"), "takes two models, not dino-s16, mae-s16, clip-s16"),
        (("dino-s16",), "'dino-s16' was measured under one setting"),
        (("dino-s16", "moco-s16"), "'moco-s16' has no metric in common with 'dino-s16'"),
        (("clip-s16", "beit-s16"), "share no metric with a direction on the same data set"),
    ],
)
def test_impossible_comparisons_are_errors(path: Path, models: tuple[str, ...], said: str) -> None:
    record(path, model("beit-s16", depth=1), PURITY, [Record(metric="purity-cls", layer=1, value=0.5)])
    record(path, model("moco-s16", depth=3), DISTANCE, heads(DISTANCE, rising(3)))
    with pytest.raises(TeachMattersError, match=said):
        run_report(SPEC, path, Options(models=models))
