"""Tests of the page that repeats the paper: its commands run on small data in the official layouts.

The published weights cannot be had everywhere, so a mini model stands in for them; that each name is one of ours is
checked first.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from teachmatters import registry
from teachmatters.datasets.imagenet50 import fifty_classes
from teachmatters.store import query
from tests import annotated, fixtures
from tests.pages import DOCS, commands
from tests.test_examples import check, run

PAGE = DOCS / "paper.md"
LINES = [" ".join(line.split()) for line in commands(PAGE)]
ANALYZE = [line for line in LINES if line.startswith("tm analyze")]
TASKS = {"knn-top1", "map-medium", "davis-jf", "pck-0.10", "purity-cls", "purity-object", "purity-part", "cka"}
HEADS = {"attn-distance", "attn-iou-cls", "residual-cka-attn"}


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and nothing in its TM_DATA."""
    monkeypatch.setenv("TM_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TM_DB", str(tmp_path / "results.db"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_data(folder: Path) -> None:
    """A few images of every data set in its TM_DATA."""
    data = folder / "data"
    fixtures.imagenet50(data / "imagenet", 1, list(fifty_classes()))
    fixtures.imagenet(data / "imagenet", classes=3, train=4, val=2)
    for name, write in (("coco", annotated.coco), ("PartImageNet", annotated.partimagenet), ("DAVIS", annotated.davis)):
        write(data / name)
    annotated.spair(data / "SPair-71k")
    for name in ("roxford5k", "rparis6k"):
        annotated.retrieval(data, name, n=12, q=3)
    fixtures.image("any").save(folder / "image.jpg")


def small(line: str) -> str:
    """The line for one mini model, on few clusters: the small data sets have few objects."""
    line = re.sub(r"(?: --model \S+)+", " --model mini-random", line)
    return f"{line} --param clusters=3" if "clustering" in line else line


def test_every_model_of_the_page_exists() -> None:
    named = {name for line in LINES for name in re.findall(r"--model (\S+)", line)}
    assert len(named) >= 7
    assert all(registry.load().match_models(name) for name in named)
    (fetched,) = (line.split()[2:] for line in LINES if line.startswith("tm fetch"))
    assert set(fetched) == named - {"noise-b16"}


def test_the_commands_measure_and_show_the_whole_paper(reader: Path) -> None:
    write_data(reader)
    for line in LINES:
        if not line.startswith("tm fetch"):
            check(small(line))
    found = {row[0] for row in query(reader / "results.db", "SELECT DISTINCT metric FROM results", limit=1000).rows}
    assert found >= TASKS | HEADS


def test_the_commands_cover_the_whole_paper() -> None:
    paper = [spec for spec in registry.load().analyses.values() if "paper" in spec.suites]
    analyses = {name for line in ANALYZE for name in re.findall(r"--metric (\S+)", line)}
    data = {name for line in ANALYZE for name in re.findall(r"--data (\S+)", line)}
    assert analyses == {spec.name for spec in paper}
    assert data == {name for spec in paper for name in spec.paper_data}


def test_the_reports_of_the_page_exist() -> None:
    text = PAGE.read_text("utf-8")
    named = set(re.findall(r"`tm report ([a-z-]+)", text))
    assert named >= {"attention-maps", "cka-last-layer", "residual", "clusters", "parts", "knn"}
    assert named <= set(registry.load().reports)
    metrics = {metric.name for spec in registry.load().analyses.values() for metric in spec.metrics}
    shown = set(re.findall(r"--metric ((?:attn|cka)-[a-z-]+)", text))
    assert "cka-norm" in shown, "the paper's CKA of all layers is of both norms of every block"
    assert shown <= metrics


def test_missing_models_and_data_are_errors(reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TM_DATA", str(reader / "elsewhere"))
    for line in ANALYZE:
        code, _, error = run(small(line))
        assert code == 1, line
        assert "elsewhere" in error
