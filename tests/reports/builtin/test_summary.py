"""Tests of the summary: ranks with ties, metrics where lower is better, models that lack a task."""

from __future__ import annotations

from pathlib import Path

from teachmatters.reports.builtin.specs import REPORTS
from teachmatters.reports.options import Options
from teachmatters.reports.run import run_report
from tests.reports.stores import DISTANCE, LOSS, PCK, PURITY, heads, model, record, rising, typical, values

SUMMARY = next(spec for spec in REPORTS if spec.name == "summary")


def fill(path: Path) -> Path:
    for label, purities, losses in (
        ("dino-s16", [0.2, 0.7], [0.3, 0.5]),
        ("mae-s16", [0.7, 0.1], [0.1, 0.4]),
        ("beit-s16", [0.1, 0.6], None),
    ):
        record(path, model(label, depth=2), PURITY, values(PURITY, purities))
        record(path, model(label, depth=2), DISTANCE, heads(DISTANCE, rising(2)))  # has no better
        if losses:
            record(path, model(label, depth=2), LOSS, values(LOSS, losses))
    record(path, model("mae-s16", depth=2), PCK, values(PCK, [3.0, 4.0]))
    return path


def test_ranks_and_their_means(tmp_path: Path) -> None:
    report = run_report(SUMMARY, fill(tmp_path / "r.db"), Options())
    table = report.table
    assert list(table.columns) == ["task", "dino-s16", "mae-s16", "beit-s16"]
    assert table.to_numpy().tolist() == [
        ["pck-0.10", "", "4.0 (2)", ""],
        ["purity-cls", "0.7000 (2)", "0.7000 (1)", "0.6000 (2)"],
        ["toy-loss", "0.3000 (1)", "0.1000 (1)", ""],
        ["mean rank", "1.0", "1.0", "3.0"],
        ["tasks measured", "2", "3", "1"],
    ]
    assert table.attrs["notes"] == [
        "The mean rank is over the 1 of 3 tasks that all 3 models have; --model leaves models out"
    ]
    assert table.attrs["bold"] == {(0, 2), (1, 1), (1, 2), (2, 2), (3, 1), (3, 2)}
    rows = {(row["metric"], row["model"]): row for row in report.rows.to_dict("records")}
    assert {key: row["place"] for key, row in rows.items()} == {
        ("pck-0.10", "mae-s16"): 1, ("purity-cls", "beit-s16"): 3, ("purity-cls", "dino-s16"): 1,
        ("purity-cls", "mae-s16"): 1, ("toy-loss", "dino-s16"): 2, ("toy-loss", "mae-s16"): 1,
    }  # fmt: skip
    assert {row["protocol"] for row in rows.values() if row["metric"] == "pck-0.10"} == {"paper"}


def test_excluded_models_have_no_rank(tmp_path: Path) -> None:
    report = run_report(SUMMARY, fill(tmp_path / "r.db"), Options(models=("mae-s16", "beit-s16"), layers=(2,)))
    places = {(row["metric"], row["model"]): row["place"] for row in report.rows.to_dict("records")}
    assert places == {
        ("pck-0.10", "mae-s16"): 1, ("purity-cls", "beit-s16"): 1, ("purity-cls", "mae-s16"): 2,
        ("toy-loss", "mae-s16"): 1,
    }  # fmt: skip


def test_the_figure_shows_every_score_and_the_best_in_bold(tmp_path: Path) -> None:
    ax = run_report(SUMMARY, fill(tmp_path / "r.db"), Options()).figure().axes[0]
    texts = {text.get_text(): text.get_fontweight() for text in ax.texts if text.get_text()}
    assert texts == {
        "4.0 (2)": "bold", "0.7000 (2)": "bold", "0.7000 (1)": "bold", "0.6000 (2)": "normal",
        "0.3000 (1)": "normal", "0.1000 (1)": "bold", "1.0": "bold", "3.0": "normal",
        "1": "normal", "2": "normal", "3": "normal",
    }  # fmt: skip
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["DINO S/16", "MAE S/16", "BEiT S/16"]
    assert [tick.get_text() for tick in ax.get_yticklabels()][-2:] == ["mean rank", "tasks measured"]


def test_few_tasks_do_not_make_a_model_first(tmp_path: Path) -> None:
    """Second on each of its two tasks it would be better off than who is first, and third, among all."""
    path = tmp_path / "r.db"
    for label, scores in (("a", (0.9, 0.9, 0.1)), ("b", (0.1, 0.1, 0.9)), ("c", (0.5, 0.5))):
        for number, score in enumerate(scores):
            record(path, model(label), PURITY, values(PURITY, [score]), data=f"data-{number}")
    table = run_report(SUMMARY, path, Options()).table
    assert table.iloc[-2:].to_numpy().tolist() == [
        ["mean rank", "1.0", "3.0", "2.0"], ["tasks measured", "3", "3", "2"],
    ]  # fmt: skip
    without = run_report(SUMMARY, path, Options(models=("a", "b"))).table
    assert without.iloc[-1].tolist() == ["mean rank", "1.3", "1.7"]


def test_without_a_common_task_there_is_no_mean_rank(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    record(path, model("a"), PURITY, values(PURITY, [0.9]), data="one")
    record(path, model("b"), PURITY, values(PURITY, [0.9]), data="two")
    report = run_report(SUMMARY, path, Options())
    assert report.table.iloc[-2].tolist() == ["mean rank", "", ""]
    assert report.table.attrs["notes"] == [
        "The mean rank needs tasks that all 2 models have; --model leaves models out"
    ]
    report.figure()


def test_one_model(tmp_path: Path) -> None:
    report = run_report(SUMMARY, typical(tmp_path / "r.db"), Options(models=("dino-s16",)))
    assert report.table.iloc[-1].tolist() == ["mean rank", "1.0"]
    report.figure()
