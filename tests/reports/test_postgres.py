"""Tests of every report and query on PostgreSQL: the same rows in the same order as from a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachmatters
from teachmatters import registry
from teachmatters.api.progress import NoProgress
from teachmatters.errors import NothingToShowError, TeachMattersError
from teachmatters.reports.options import Options
from teachmatters.reports.page.runs import Runs
from teachmatters.reports.run import run_report
from teachmatters.reports.tables.export import export
from teachmatters.store import public, query
from teachmatters.store.location import Server
from teachmatters.store.merge.merge import merge
from tests.pages import DOCS, ROOT
from tests.postgres import Cluster

SHIPPED = ROOT / "results.db"
TWO = ("mini-dino", "mini-mae")
# The options of reports that need some.
ASKED: dict[str, list[Options]] = {
    "metric": [Options(), Options(metrics=("attn-distance", "pck-0.10"), models=TWO, heads=(1,))],
    "compare": [Options(models=TWO)],
    "scatter": [Options(metrics=("pck-0.10", "knn-top1", "attn-distance"))],
    "cka": [Options(models=TWO, layers=(1, 6))],
    "attention-maps": [Options(models=TWO, layers=(12,), heads=(2,))],
    "heads": [Options(models=TWO)],
}
REPORTS = sorted(set(registry.load().reports) - {"published"})  # needs ImageNet, which the shipped store lacks
# Queries that use JSON functions.
JSON = {"09", "11"}


@pytest.fixture(scope="module")
def shipped(cluster: Cluster) -> Server:
    """What comes with the package, on a server."""
    found = cluster.new()
    merge([SHIPPED], found, NoProgress())
    return found


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_gives_the_same_rows(shipped: Server, name: str) -> None:
    spec = registry.load().reports[name]
    for asked in ASKED.get(name, [Options()]):
        here, there = (run_report(spec, place, asked) for place in (SHIPPED, shipped))
        assert here.data.columns == there.data.columns
        assert here.data.rows == there.data.rows
        assert [list(map(type, row)) for row in here.data.rows] == [list(map(type, row)) for row in there.data.rows]
        assert here.caption == there.caption
        assert len(here.data.rows) > 3


def test_the_report_of_published_figures_reads_a_server(shipped: Server) -> None:
    with pytest.raises(NothingToShowError, match="are for imagenet, and the store has no numbers"):
        run_report(registry.load().reports["published"], shipped, Options())


def test_the_options_are_of_existing_reports() -> None:
    assert set(ASKED) <= set(REPORTS)


@pytest.mark.parametrize("path", sorted((DOCS / "queries").glob("*.sql")), ids=lambda path: path.stem)
def test_a_query_of_the_reference_gives_the_same_rows(shipped: Server, path: Path) -> None:
    sql = path.read_text("utf-8")
    if path.name[:2] in JSON:
        with pytest.raises(TeachMattersError, match="The views are"):
            query(shipped, sql)
        return
    assert query(shipped, sql) == query(SHIPPED, sql)


@pytest.mark.parametrize("view", ["runs", "maps", "results"])
def test_the_views_hold_the_same(shipped: Server, view: str) -> None:
    """A store of an older revision lacks the columns that came later; merged, its rows have NULL in them."""
    here, there = (query(place, f"SELECT * FROM {view} WHERE model = 'mini-mae'") for place in (SHIPPED, shipped))
    later = there.columns[len(here.columns) :]
    assert here.columns + later == there.columns == list(public.VIEWS[view])
    assert sorted((row + (None,) * len(later) for row in here.rows), key=repr) == sorted(there.rows, key=repr)


def test_the_runs_behind_a_report_are_the_same(shipped: Server) -> None:
    data = run_report(registry.load().reports["knn"], SHIPPED, Options()).data
    assert Runs(shipped).behind(data) == Runs(SHIPPED).behind(data)


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
def test_an_export_is_the_same_file(shipped: Server, tmp_path: Path, suffix: str) -> None:
    sql = "SELECT * FROM results WHERE metric = 'cka' ORDER BY model, other_model, layer, other_layer"
    for name, place in (("here", SHIPPED), ("there", shipped)):
        assert export(place, sql, tmp_path / f"{name}{suffix}", 600, lambda *_: None) > 5000
    assert (tmp_path / f"here{suffix}").read_bytes() == (tmp_path / f"there{suffix}").read_bytes()


def test_a_notebook_reads_the_same(shipped: Server) -> None:
    here, there = teachmatters.open(SHIPPED), teachmatters.open(shipped.url)
    for asked in ({"metric": "attn-distance", "model": "mini-mae"}, {"metric": "pck-0.10", "headline": True}):
        one: Any = here.frame(**asked)
        assert one.equals(there.frame(**asked))
    assert here.models.equals(there.models)
    assert here.metrics.equals(there.metrics)
    assert here.runs.equals(there.runs[list(here.runs)])
    wanted: Any = {"name": "attn-map-cls", "layer": 3, "model": "mini-mae", "data": "scenes"}
    np.testing.assert_array_equal(here.map(**wanted), there.map(**wanted))
    assert repr(there).startswith(f"results in {shipped}\n  models: ")


def test_sql_that_a_server_refuses_gets_advice(shipped: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from teachmatters.reports import run

    monkeypatch.setattr(run, "read_sql", lambda _: "SELECT model FROM results WHERE metric IN (:metrics) GROUP BY 2")
    spec = replace(registry.load().reports["knn"], name="mine", enrich="", table="", draw="")
    with pytest.raises(TeachMattersError, match=r"report 'mine' does not run on PostgreSQL: .*'tm db merge postgresql"):
        run_report(spec, shipped, Options())
