"""Tests that the generated pages are current and that their queries return rows."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from teachmatters.api import Record, Result
from teachmatters.store import Store, query
from tests.pages import DOCS, ROOT
from tests.reports.stores import TOP1
from tests.store import samples
from tests.test_docs import spec_of

QUERIES = sorted((DOCS / "queries").glob("*.sql"))
SHIPPED = ROOT / "results.db"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    import importlib.util

    module = importlib.util.module_from_spec(spec := spec_of(DOCS / "generate.py"))
    spec.loader.exec_module(module)
    return module


def test_the_generated_pages_are_current(generate: ModuleType) -> None:
    for name, text in generate.pages().items():
        assert (DOCS / name).read_text("utf-8") == text, "'make docs' writes it anew"


def test_choices_defaults_and_required_options_are_shown(generate: ModuleType) -> None:
    option = generate._option
    assert option("-m, --model NAME", "Which one.  [required]") == ("`-m, --model NAME`", "required", "Which one.")
    told = ("`--format`", "`a`", "How. Allowed: `a`, `b`.")
    assert option("--format <a|b>", "How.  [default: a]") == told
    assert option("sql <str>", "A | B.") == ("`SQL`", "", "A \\| B.")
    assert option("--dtype <str>", "*") == ("`--dtype TEXT`", "", "\\*")


# ---------------------------------------------------------------- the queries
@pytest.fixture(scope="module")
def measured_twice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers of one model, of which the second run found 10 and 5 percent more."""
    path = tmp_path_factory.mktemp("twice") / "results.db"
    with Store.open(path) as store:
        for more in (0, 1):
            records = [Record(metric="knn-top1", layer=n, value=50.0 + n + more * 10 / n) for n in (1, 2)]
            store.record(samples.run(TOP1, of=samples.model("dino-b16"), analysis="knn"), Result(records=records))
    return path


def ask(number: int, store: Path = SHIPPED) -> list[dict[str, object]]:
    (path,) = (path for path in QUERIES if path.name.startswith(f"{number:02}-"))
    table = query(store, path.read_text("utf-8"))
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_there_are_twelve_queries() -> None:
    assert [int(path.name[:2]) for path in QUERIES] == list(range(1, 13))
    assert all(path.read_text("utf-8").startswith("/* ") for path in QUERIES)


@pytest.mark.parametrize("number", range(1, 12))
def test_every_query_returns_rows_from_the_shipped_store(number: int) -> None:
    assert ask(number)


def test_the_query_of_changes_finds_them(measured_twice: Path) -> None:
    found = ask(12, measured_twice)
    assert [(row["layer"], row["was"], row["is_now"]) for row in found] == [(1, 51.0, 61.0), (2, 52.0, 57.0)]
    assert {(row["other_weights"], row["other_data"], row["other_versions"]) for row in found} == {(0, 0, 0)}


def test_the_query_of_failed_images_equals_the_arrays() -> None:
    arrays = query(SHIPPED, "SELECT units, data FROM maps WHERE name = 'unit:knn-top1' AND layer = 12").rows
    scores = np.array([np.load(io.BytesIO(data), allow_pickle=False) for _, data in arrays])

    names = np.array(json.loads(str(arrays[0][0])))
    assert [row["image"] for row in ask(9)] == names[scores.max(axis=0) == 0].tolist()
    assert len(scores) == 7


def test_the_query_of_the_nearest_layer_equals_the_full_matrix() -> None:
    sql = "SELECT other_layer, value FROM results WHERE metric = 'cka' AND model = 'mini-mae' AND other_model = 'mini-dino' AND layer = 7"  # noqa: E501
    layer, value = max(query(SHIPPED, sql).rows, key=lambda row: row[1])
    (found,) = (
        row for row in ask(8) if (row["model"], row["other_model"], row["layer"]) == ("mini-mae", "mini-dino", 7)
    )
    assert (found["other_layer"], found["cka"]) == (layer, value)
    assert float(str(found["chance"])) < float(str(value))
