"""Tests of intervals and ties of best layers against a loop over resamples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from teachmatters.api import Record, StoredMap
from teachmatters.reports.builtin.best_layers import STAYS, SURE, TIED
from teachmatters.reports.builtin.specs import REPORTS
from teachmatters.reports.options import Options
from teachmatters.reports.run import Report, run_report
from tests.reports.stores import LOSS, PURITY, TOP1, model, record, values

SPEC = next(spec for spec in REPORTS if spec.name == "best-layers")
UNITS = tuple(f"val/{number}" for number in range(40))
Scores = np.ndarray


def put(path: Path, label: str, scores: Scores, metric=TOP1, units=UNITS, headline=None, pseudo=None) -> None:  # type: ignore[no-untyped-def]
    """One run with the scores (units, layers) of its units; the headline is their mean unless given."""
    means = np.nanmean(scores, axis=0) if headline is None else headline
    rows = [Record(metric=metric.name, layer=layer, value=float(mean)) for layer, mean in enumerate(means, start=1)]
    maps = [
        StoredMap(
            name=f"{kind}:{metric.name}", layer=layer, axes=("unit",), array=column.astype(np.float32), units=units
        )
        for kind, numbers in (("unit", scores), ("pseudo", pseudo))
        if numbers is not None
        for layer, column in enumerate(numbers.T, start=1)
    ]
    record(path, model(label, depth=scores.shape[1]), metric, rows, data="digits", maps=maps)


def hits(seed: int, *shares: float) -> Scores:
    return 100.0 * (np.random.default_rng(seed).random((len(UNITS), len(shares))) < shares)


def found(report: Report) -> Mapping[str, Mapping[str, object]]:
    return {
        str(row["model"]): {str(name): value for name, value in row.items()} for row in report.rows.to_dict("records")
    }


@pytest.fixture
def scores() -> dict[str, Scores]:
    return {"dino-s16": hits(1, 0.2, 0.6, 0.65, 0.1), "mae-s16": hits(2, 0.1, 0.5, 0.3, 0.6)}


@pytest.fixture
def path(tmp_path: Path, scores: dict[str, Scores]) -> Path:
    for label, each in scores.items():
        put(tmp_path / "r.db", label, each)
    return tmp_path / "r.db"


def test_intervals_equal_a_loop(path: Path, scores: dict[str, Scores]) -> None:
    generator, means = np.random.default_rng(0), {label: [] for label in scores}  # type: ignore[var-annotated]
    for _ in range(1000):
        drawn = generator.integers(0, len(UNITS), len(UNITS))
        for label, each in scores.items():
            means[label].append([np.mean([each[unit, layer] for unit in drawn]) for layer in range(4)])
    won = [float(np.mean([max(a) > max(b) for a, b in zip(*pair, strict=True)]))
           for pair in (tuple(means.values()), tuple(means.values())[::-1])]  # fmt: skip
    even = 1 - sum(won)
    for (label, row), share in zip(found(run_report(SPEC, path, Options())).items(), won, strict=True):
        drawn_means = np.array(means[label])
        best = int(np.argmax(scores[label].mean(axis=0)))
        assert row["layer"] == best + 1
        assert (row["low"], row["high"]) == pytest.approx(tuple(np.percentile(drawn_means[:, best], [2.5, 97.5])))
        gaps = np.percentile(drawn_means - drawn_means[:, [best]], [2.5, 97.5], axis=0).T
        tied = [str(layer) for layer, (low, high) in enumerate(gaps, start=1) if low <= 0 <= high]
        assert row["tied_layers"] == ",".join(tied)
        assert row["wins"] == pytest.approx(share + even / 2)
        assert row["units"] == 40


def test_intervals_are_below_the_scores(path: Path) -> None:
    table = run_report(SPEC, path, Options()).table
    lines = table["knn-top1"].tolist()
    assert table["model"].tolist() == ["dino-s16", SURE, TIED, "mae-s16", SURE, TIED, STAYS]
    assert "Computed from the scores of single units" in table.attrs["notes"][0]
    rows = found(run_report(SPEC, path, Options()))
    dino, mae = rows["dino-s16"], rows["mae-s16"]
    assert lines[0] == f"{dino['value']:.1f} ({dino['layer']})"
    assert lines[1:3] == [f"{dino['low']:.1f} to {dino['high']:.1f}", "2-3"]
    assert lines[4] == f"{mae['low']:.1f} to {mae['high']:.1f}"
    ((line, column),) = table.attrs["bold"]
    assert (table["model"][line], column) == (max(rows, key=lambda label: float(str(rows[label]["value"]))), 2)
    assert lines[6] == f"{rows[table['model'][line]]['wins']:.2f}"


def test_units_without_a_score_are_not_resampled(tmp_path: Path) -> None:
    missing_metrics = hits(1, 0.4, 0.9)
    missing_metrics[:5] = np.nan
    put(tmp_path / "r.db", "dino-s16", missing_metrics)
    row = found(run_report(SPEC, tmp_path / "r.db", Options()))["dino-s16"]
    assert row["units"] == 35
    assert row["low"] <= row["value"] <= row["high"]  # type: ignore[operator]


def test_a_value_that_is_not_a_mean_of_units_has_no_interval(path: Path, tmp_path: Path) -> None:
    put(path, "beit-s16", hits(3, 0.9, 0.1, 0.1, 0.1), headline=[80.0, 5.0, 5.0, 5.0])
    rows = found(run_report(SPEC, path, Options()))
    assert rows["beit-s16"]["low"] is None or np.isnan(rows["beit-s16"]["low"])  # type: ignore[call-overload]
    assert {np.isnan(float(row["wins"] or "nan")) for row in rows.values()} == {True}, "one of the models is not known"  # type: ignore[arg-type]
    assert rows["dino-s16"]["units"] == 40


def test_pseudo_values_stand_in_for_units_whose_mean_is_not_the_headline(tmp_path: Path) -> None:
    pooled, path = hits(1, 0.2, 0.6, 0.65, 0.1), tmp_path / "r.db"
    put(path, "dino-s16", hits(3, 0.9, 0.9, 0.9, 0.9), headline=pooled.mean(axis=0), pseudo=pooled)
    put(tmp_path / "units.db", "dino-s16", pooled)
    row, alike = (found(run_report(SPEC, each, Options()))["dino-s16"] for each in (path, tmp_path / "units.db"))
    assert row == {**row, **{name: alike[name] for name in ("low", "high", "tied_layers", "units")}}
    assert row["units"] == 40


def test_models_with_different_units_are_not_compared(path: Path) -> None:
    put(path, "beit-s16", hits(3, 0.9, 0.1), units=tuple(reversed(UNITS)))
    rows = found(run_report(SPEC, path, Options()))
    assert {np.isnan(float(row["wins"] or "nan")) for row in rows.values()} == {True}  # type: ignore[arg-type]
    assert all(row["units"] == 40 for row in rows.values())


def test_two_models_that_are_equally_good_share_the_wins(tmp_path: Path) -> None:
    for label in ("a-s16", "b-s16"):
        put(tmp_path / "r.db", label, np.full((40, 2), 100.0))
    put(tmp_path / "r.db", "c-s16", hits(3, 0.1, 0.1))
    table = run_report(SPEC, tmp_path / "r.db", Options()).table
    assert table["knn-top1"].tolist()[-1] == "0.50 / 0.50"


def test_lower_can_be_better(tmp_path: Path) -> None:
    for label, level in (("a-s16", 0.1), ("b-s16", 0.8)):
        put(tmp_path / "r.db", label, hits(4, level, level), metric=LOSS)
    rows = found(run_report(SPEC, tmp_path / "r.db", Options(metrics=("toy-loss",))))
    assert (rows["a-s16"]["wins"], rows["b-s16"]["wins"]) == (1.0, 0.0)


def test_only_the_requested_layers(path: Path) -> None:
    row = found(run_report(SPEC, path, Options(layers=(1, 2))))["dino-s16"]
    assert row["layer"] == 2
    assert row["tied_layers"] == "2"


def test_without_unit_scores_the_table_is_the_papers(tmp_path: Path) -> None:
    record(tmp_path / "r.db", model("a"), PURITY, values(PURITY, [0.1, 0.2]))
    assert run_report(SPEC, tmp_path / "r.db", Options()).table.to_numpy().tolist() == [["a", "a", "0.2000 (2)"]]
