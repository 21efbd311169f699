"""Tests of the page without a browser: numbers, escaped texts, no network requests."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from teachmatters.api import Record, StoredMap
from teachmatters.errors import TeachMattersError
from teachmatters.reports.builtin.specs import REPORTS
from teachmatters.reports.options import Options
from teachmatters.reports.page import build as building
from teachmatters.reports.page import section
from teachmatters.reports.page.build import PageText, build, count
from teachmatters.reports.page.chart_data import content, kind_of
from teachmatters.reports.page.notes import to_html
from teachmatters.reports.page.runs import Runs
from teachmatters.reports.run import run_report
from teachmatters.store import Store
from teachmatters.store.reader import query
from tests.reports.stores import CKA, DISTANCE, MAP, PURITY, TOP1, heads, model, record, rising, typical, values
from tests.reports.test_significance import hits, put

EVIL = "<script>document.title='owned'</script>"


def page(path: Path, options: Options | None = None) -> str:
    return build(path, REPORTS, options or Options(), lambda: None)


def fill(path: Path, *labels: str) -> Path:
    """A store with lines, heads, a table of best layers and pairs of layers."""
    rows = [model(label, family="dino", depth=2) for label in sorted(labels)]
    for number, row in enumerate(rows):
        record(path, row, DISTANCE, heads(DISTANCE, rising(2)))
        record(path, row, TOP1, values(TOP1, [10.0 + number, 20.0]), data="digits")
        for other in rows[number:]:
            squares = [
                Record(metric="cka", layer=a, other_layer=b, value=1.0 if a == b else 0.25)
                for a in (1, 2)
                for b in (1, 2)
            ]
            record(path, row, CKA, squares, other=other)
    return path


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two models, which no test changes."""
    return fill(tmp_path_factory.mktemp("two") / "r.db", "dino-s16", "dino-b16")


@pytest.fixture(scope="module")
def shown(two: Path) -> str:
    """Its page, with all figures."""
    return page(two)


def sections(text: str) -> dict[str, str]:
    return dict(re.findall(r'<section id="([\w-]+)".*?>(.*?)</section>', text, re.DOTALL))


def data_of(section: str) -> list[dict[str, Any]]:
    (block,) = re.findall(r'<script type="application/json" id="data-[\w-]+">(.*?)</script>', section, re.DOTALL)
    read = json.loads(block)
    return [{**read["constant"], **dict(zip(read["columns"], row, strict=True))} for row in read["rows"]]


def sql_of(section: str) -> str:
    (shown,) = re.findall(r"<summary>The query</summary><pre>(.*?)</pre>", section, re.DOTALL)
    return html.unescape(shown)


def cells(section: str) -> list[list[str]]:
    (table,) = re.findall(r'<table class="sortable">(.*?)</table>', section, re.DOTALL)
    lines = re.findall(r"<tr>(<td.*?)</tr>", table)
    return [
        [html.unescape(re.sub("</?b>", "", cell)) for cell in re.findall(r"<td[^>]*>(.*?)</td>", line)]
        for line in lines
    ]


def test_every_number_equals_its_query(two: Path, shown: str) -> None:
    found = sections(shown)
    assert {"attention-distance", "knn", "cka", "best-layers", "summary"} <= set(found)
    compared = 0
    for text in found.values():
        asked = query(two, sql_of(text))
        rows = [dict(zip(asked.columns, row, strict=True)) for row in asked.rows]
        if "application/json" in text:
            assert [{name: row[name] for name in asked.columns} for row in data_of(text)] == rows
            compared += len(rows)
    assert compared > 30


def test_panels_follow_the_drawings_order_and_name_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    for metric in (TOP1, replace(TOP1, name="knn-top5", title="k-NN top-5")):
        for data in ("digits", "photos"):
            record(path, model("dino-s16", depth=2), metric, values(metric, [1.0, 2.0]), data=data, analysis="knn")
    (block,) = re.findall(r'id="data-knn">(.*?)</script>', page(path))
    read = json.loads(block)
    assert [key[0] for key in read["order"]] == ["knn-top1", "knn-top1", "knn-top5", "knn-top5"]
    assert [key[1:] for key in read["order"]][:2] == [[None, "digits", "all"], [None, "photos", "all"]]
    assert read["differ"] == ["dataset"]


def test_paths_of_the_machine_are_not_shown(tmp_path: Path) -> None:
    path = fill(tmp_path / "r.db", "dino-s16")
    text = page(path)
    assert "r.db holds" in text
    assert str(tmp_path) not in text


def test_values_computed_outside_the_query_are_marked(tmp_path: Path) -> None:
    put(tmp_path / "r.db", "dino-s16", hits(0, 0.3, 0.7))
    put(tmp_path / "r.db", "mae-s16", hits(1, 0.3, 0.5))
    found = sections(page(tmp_path / "r.db"))
    assert "The numbers" not in found["best-layers"], "the table is not folded away"
    for name in ("best-layers", "compare"):
        assert "from the scores of single units" in found[name].lower()


def test_the_tables_are_the_reports(two: Path, shown: str) -> None:
    found = sections(shown)
    for spec in REPORTS:
        if spec.name in found:
            report = run_report(spec, two, Options())
            assert cells(found[spec.name]) == [[str(cell) for cell in row] for row in report.table.to_numpy().tolist()]


def test_lines_squares_or_the_drawing(two: Path, shown: str) -> None:
    names = sections(shown)
    kinds = {spec.name: kind_of(run_report(spec, two, Options())) for spec in REPORTS if spec.name in names}
    assert (kinds["knn"], kinds["attention-distance"], kinds["cka"]) == ("lines", "lines", "pairs")
    assert (kinds["scatter"], kinds["best-layers"], kinds["layers-heads"]) == ("scatter", "dots", "heads")
    assert {kinds[name] for name in ("summary", "cka-last-layer", "compare")} == {"image"}


def test_names_stay_texts(tmp_path: Path) -> None:
    text = page(fill(tmp_path / "r.db", EVIL, "dino-s16"))
    assert EVIL not in text
    assert html.escape(EVIL) in text
    assert any(row["model"] == EVIL for row in data_of(sections(text)["knn"]))


def test_nothing_comes_from_elsewhere(shown: str) -> None:
    assert not re.findall(r"(?:src|href)=[\"'](?!#|data:)", shown)
    assert "default-src 'none'" in shown


def test_the_runs_behind_a_report(two: Path, shown: str) -> None:
    report = next(spec for spec in REPORTS if spec.name == "cka")
    runs = {row[0] for row in Runs(two).behind(run_report(report, two, Options()).data)}
    assert runs == {run for (run,) in query(two, "SELECT run_id FROM runs WHERE analysis = 'cka'").rows}
    section = sections(shown)["cka"]
    assert all(run in section for run in runs)


def test_a_cell_measured_twice_shows_its_newest_run(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    for number in (1.0, 2.0):
        record(path, model("dino-s16", depth=2), TOP1, values(TOP1, [number, number]))
    spec = next(spec for spec in REPORTS if spec.name == "knn")
    ((run, *_),) = Runs(path).behind(run_report(spec, path, Options()).data)
    assert [(run,)] == query(path, "SELECT DISTINCT run_id FROM results").rows


def test_each_metric_has_its_own_newest_run(tmp_path: Path) -> None:
    path, top5 = tmp_path / "r.db", replace(TOP1, name="knn-top5")
    for metric in (top5, TOP1):  # the later run measured one of the two, and takes nothing from the other
        record(path, model("dino-s16", depth=2), metric, values(metric, [1.0, 2.0]))
    for name in ("knn", "scatter", "summary"):
        spec = next(spec for spec in REPORTS if spec.name == name)
        metrics = ("knn-top1", "knn-top5")
        cited = {row[0] for row in Runs(path).behind(run_report(spec, path, Options(metrics=metrics)).data)}
        assert cited == {run for (run,) in query(path, "SELECT DISTINCT run_id FROM results").rows}, name
        assert len(cited) == 2


def test_both_sides_of_a_comparison_have_their_runs(two: Path) -> None:
    spec = next(spec for spec in REPORTS if spec.name == "compare")
    cited = {row[0] for row in Runs(two).behind(run_report(spec, two, Options()).data)}
    assert cited == {run for (run,) in query(two, "SELECT run_id FROM runs WHERE analysis = 'knn'").rows}


def test_oversized_tables_are_omitted_with_a_note(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(section, "MOST_LINES", 1)
    found = sections(page(two))
    assert len(cells(found["knn"])) == 1
    assert "1 more lines: 'tm report knn'" in found["knn"]


def test_too_many_models_are_omitted_with_a_note(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MOST_PAIRED", "MOST_MODELS"):
        monkeypatch.setattr(building, name, 1)
    text = page(two)
    found = sections(text)
    for name, what in (("cka", "pairs"), ("layers-heads", "panels")):
        assert name not in found
        assert f"<b>{name}</b>: 2 models make too many {what} for one page; select at most 1 of them" in text
    curves = data_of(found["attention-distance"])
    assert {row["head"] for row in curves} == {None}, "the curves are drawn without their heads"
    assert {row["model"] for row in curves} == {"dino-s16", "dino-b16"}
    assert {"cka", "layers-heads"} <= set(sections(page(two, Options(models=("dino-s16",)))))


def test_a_chart_of_heads_holds_the_data_set_that_it_draws(tmp_path: Path) -> None:
    for label, data in (("dino-s16", "photos"), ("dino-s16", "digits"), ("dino-b16", "digits")):
        record(tmp_path / "r.db", model(label, depth=2), DISTANCE, heads(DISTANCE, rising(2)), data=data)
    spec = next(spec for spec in REPORTS if spec.name == "layers-heads")
    read = content(run_report(spec, tmp_path / "r.db", Options()), "heads")
    assert read["constant"]["dataset"] == read["dataset"] == "digits"


def test_only_the_requested_metrics(two: Path) -> None:
    found = sections(page(two, Options(models=("dino-s16",))))
    assert {row["model"] for row in data_of(found["knn"])} == {"dino-s16"}


def test_missing_metrics_are_mentioned(store: Path) -> None:
    text = page(store)
    assert "Not in this store" in text
    assert re.search(r"<b>video</b>: .*nothing that report &#x27;video&#x27; shows", text)


def test_one_model_and_one_layer(tmp_path: Path) -> None:
    record(tmp_path / "r.db", model("a", depth=1), PURITY, values(PURITY, [0.5]))
    assert set(sections(page(tmp_path / "r.db"))) == {"best-layers", "summary", "clusters"}


def test_an_empty_page_shows_the_stores_message(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    Store.open(path).close()
    with pytest.raises(TeachMattersError, match=r"no numbers|no results"):
        page(path)
    typical(path)
    with pytest.raises(TeachMattersError, match="unknown model 'nobody'"):
        page(path, Options(models=("nobody",)))


def test_findings_are_sentences_from_the_numbers(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    put(path, "dino-s16", hits(0, 0.3, 0.9))
    put(path, "mae-s16", hits(1, 0.3, 0.5))
    put(path, "random-s16", hits(2, 0.3, 0.6))
    for label, distances in (("dino-s16", [0.5, 0.9]), ("mae-s16", [0.2, 0.6])):
        record(path, model(label, depth=2), DISTANCE, heads(DISTANCE, distances))
    text = html.unescape(page(path))
    best = max(
        value for (value,) in query(path, "SELECT value FROM results WHERE model = 'dino-s16' AND unit <> ''").rows
    )
    assert f"DINO S/16 (self-distillation) is best on 1 of 1 tasks: k-NN top-1 ({best:.1f} %, layer 2)." in text
    assert "Beyond noise (best in 95 % of resamples or more): k-NN top-1." in text
    assert "Below the untrained network: MAE S/16 on k-NN top-1." in text
    assert "Heads look nearest in MAE S/16 (layer 1, 0.2000) and farthest in DINO S/16 (layer 2, 0.9000)" in text
    assert text.index('class="findings"') < text.index("<section")


def test_title_notes_and_a_short_page(tmp_path: Path) -> None:
    path = fill(tmp_path / "r.db", "dino-s16", "dino-b16")
    words = PageText(title="My <models>", note=to_html("**Read** [this](https://example.org/a) <b>"), short=True)
    text = build(path, REPORTS, Options(), lambda: None, words)
    assert "<title>My &lt;models&gt;</title>" in text
    assert '<p><b>Read</b> <a href="https://example.org/a" rel="noreferrer">this</a> &lt;b&gt;</p>' in text
    assert "The query" not in text
    assert "The runs behind it" not in text
    assert set(sections(text)) == set(sections(page(path)))
    assert len(text) < len(page(path))


def test_maps_are_embedded_as_roots_of_their_share_of_the_largest(tmp_path: Path) -> None:
    array = np.array([[[0.0, 0.25], [0.5, 1.0]]], dtype=np.float32)
    maps = [StoredMap(name="attn-map-spatial-pure", layer=1, axes=("head", "y", "x"), array=array)]
    spec = replace(MAP, name="attn-map-spatial-pure")
    record(tmp_path / "r.db", model("a", depth=1), spec, [], analysis="attention", maps=maps)
    report = run_report(
        next(spec for spec in REPORTS if spec.name == "attention-maps"),
        tmp_path / "r.db",
        Options(metrics=(spec.name,)),
    )
    assert kind_of(report) == "maps"
    read = content(report, "maps")
    ((_, (only,)),) = read["strips"]
    assert read["top"] == 1.0
    assert (only["layer"], only["head"], only["columns"], only["centred"]) == (1, 1, 2, False)
    assert list(base64.b64decode(only["steps"])) == [0, 128, 180, 255]


def test_each_report_is_counted_once(store: Path) -> None:
    done: list[int] = []
    build(store, REPORTS, Options(), lambda: done.append(1))
    assert len(done) == count(_specs()) == len(REPORTS) - 1, "all but 'metric', which is about any"


def _specs() -> Iterable[Any]:
    return REPORTS
