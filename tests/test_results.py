"""The results that are shipped: the store opens, is complete, and says what is measured again."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from teachmatters import registry
from teachmatters.api import ReportSpec
from teachmatters.errors import NothingToShowError
from teachmatters.registry.validate import SUITES
from teachmatters.reports import formats
from teachmatters.reports.engine import run_report
from teachmatters.reports.options import Options
from teachmatters.runner.analyze import analyze
from teachmatters.runner.request import AnalyzeRequest, Silence
from teachmatters.store.reader import query

SHIPPED = Path(__file__).parents[1] / "results.db"
MODELS = sorted(name for name in registry.load().models if name.startswith("mini-"))
REPORTS = registry.load().reports.values()


def rows(sql: str, path: Path = SHIPPED) -> list[tuple[object, ...]]:
    return query(path, sql).rows


def cells() -> Iterator[tuple[str, str]]:
    """Every analysis of the suites on scenes; how attention goes on photos too."""
    for spec in registry.load().analyses.values():
        if set(spec.suites) & set(SUITES):
            yield spec.name, "scenes"
    yield from (("attention", "photos"), ("artefacts", "photos"))


def test_it_is_one_small_file_in_the_package_too() -> None:
    assert SHIPPED.stat().st_size < 20e6
    assert (Path(registry.__file__).parents[1] / "results.db").read_bytes() == SHIPPED.read_bytes()
    with closing(sqlite3.connect(f"{SHIPPED.as_uri()}?mode=ro&immutable=1", uri=True)) as store:
        assert store.execute("PRAGMA journal_mode").fetchone() != ("wal",)
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert store.execute("PRAGMA freelist_count").fetchone() == (0,)


@pytest.mark.parametrize(("analysis", "data"), list(cells()))
def test_every_analysis_is_there_for_every_model(analysis: str, data: str) -> None:
    found = rows(f"SELECT DISTINCT model, setting FROM runs WHERE analysis = '{analysis}' AND dataset = '{data}'")
    assert sorted(found) == [(name, "") for name in MODELS]


@pytest.mark.parametrize("analysis", registry.load().analyses)
def test_its_numbers_are_of_the_analyses_as_they_are(analysis: str) -> None:
    version = registry.load().analyses[analysis].version
    assert rows(f"SELECT DISTINCT analysis_version FROM runs WHERE analysis = '{analysis}'") in ([], [(version,)])


def test_pairs_of_models_are_there() -> None:
    pairs = rows("SELECT DISTINCT model, other_model FROM results WHERE metric = 'cka'")
    assert len(pairs) == len(MODELS) ** 2


@pytest.mark.parametrize("spec", REPORTS, ids=lambda spec: spec.name)
def test_every_report_shows_something(spec: ReportSpec) -> None:
    try:
        report = run_report(spec, SHIPPED, Options())
    except NothingToShowError as error:  # pragma: no cover
        pytest.fail(str(error))
    assert len(report.table)


@pytest.mark.parametrize(("metric", "tolerance"), [("attn-distance", 1e-5), ("map-medium", 0.5), ("purity-cls", 0.02)])
def test_a_sample_is_measured_again_the_same(metric: str, tolerance: float, tmp_path: Path) -> None:
    # Another processor may round a float otherwise, which turns a neighbour or a cluster here and there.
    again = tmp_path / "results.db"
    name = "mini-supervised"
    analyze(AnalyzeRequest(models=[name], metrics=[metric], db=again, data=["scenes"]), Silence())
    sql = (
        "SELECT layer, head, value FROM results "
        f"WHERE model = '{name}' AND metric = '{metric}' AND dataset = 'scenes' ORDER BY layer, head"
    )
    shipped, measured = rows(sql), rows(sql, again)
    assert [row[:2] for row in measured] == [row[:2] for row in shipped]
    assert [row[2] for row in measured] == pytest.approx([row[2] for row in shipped], abs=tolerance)


PAGE = (Path(__file__).parents[1] / "docs" / "results.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("sql", re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL))
def test_every_table_of_the_page_is_what_its_query_gives(sql: str) -> None:
    found = query(SHIPPED, sql)
    assert f"```sql\n{sql}```\n\n{formats.markdown(found.columns, found.rows)}" in PAGE


@pytest.mark.parametrize("name", re.findall(r"\(images/results/(.*?)\.png\)", PAGE))
def test_every_drawing_of_the_page_is_one_that_make_results_draws(name: str) -> None:
    assert (Path(__file__).parents[1] / "docs" / "images" / "results" / f"{name}.png").stat().st_size
    makefile = (Path(__file__).parents[1] / "Makefile").read_text(encoding="utf-8")
    (drawn,) = re.findall(r"^DRAWN := (.*)$", makefile, re.MULTILINE)
    assert name in drawn.split()
