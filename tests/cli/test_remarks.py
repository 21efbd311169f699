"""Tests of remarks of data sets: printed once on standard error and stored in the notes of every run."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from teachmatters.cli.app import app
from tests.fixtures import image

pytestmark = pytest.mark.usefixtures("toys")

CLASS = "1 class: dataset; if the folders in it (cats, dogs) are meant, name dataset itself as the data set"
FILES = "files not read: 2 .txt"
DB = Path("results.db")


def tm(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def analyze(*words: str) -> Result:
    return tm("analyze", "--model", "toy-a", "--data", "folder", "--data-root", "in", *words)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One level too many, and files of something else."""
    monkeypatch.chdir(tmp_path)
    for name in ("cats/1.png", "cats/2.png", "dogs/1.png", "dogs/2.png"):
        path = Path("in") / "dataset" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image(name).save(path)
        path.with_suffix(".txt" if path.stem == "1" else ".png").touch()


def notes() -> list[list[str]]:
    with closing(sqlite3.connect(DB)) as store:
        return [json.loads(text)["data"] for (text,) in store.execute("SELECT notes FROM runs ORDER BY analysis")]


def test_a_run_prints_the_remark_once_and_stores_it() -> None:
    answer = analyze("--metric", "knn", "--metric", "attn-distance", "--param", "k=1")
    assert answer.exit_code == 0, answer.output
    said = [line for line in answer.stderr.splitlines() if line.startswith("folder: ")]
    assert sorted(said) == [f"folder: {CLASS}", f"folder: {FILES}"]
    assert "data:" not in answer.stderr
    assert notes() == [[FILES], [CLASS, FILES]], "attention has no use for classes"


def test_a_study_prints_the_remark_once_and_stores_it() -> None:
    Path("s.yaml").write_text(
        "models: [toy-a, toy-b]\ndata_root: in\nmeasure: [{metrics: knn, data: folder, params: {k: 1}}]\n"
    )
    answer = tm("study", "s.yaml")
    assert answer.exit_code == 0, answer.output
    assert answer.stderr.count(CLASS) == answer.stderr.count(FILES) == 1
    assert notes() == [[CLASS, FILES]] * 2


def test_the_list_of_data_sets_shows_the_remark() -> None:
    answer = tm("datasets", "folder", "--data-root", "in", "--format", "json")
    (shown,) = json.loads(answer.stdout)
    assert shown["remarks"] == [FILES, CLASS]
    assert shown["found"] == "4 for images; 4 for labels; 1 class"


def test_a_data_set_without_labels_gives_the_reason() -> None:
    image("stray").save("in/stray.png")
    answer = analyze("--metric", "knn")
    assert answer.exit_code == 1
    assert "no labels: images are directly in in, not in a folder per class" in answer.stderr
    assert answer.stderr.count("\n") == 1
