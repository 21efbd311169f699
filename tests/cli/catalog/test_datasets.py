"""Tests of ``tm datasets --preview``; tests/runner/preview/test_preview.py checks the sheet itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from teachmatters.cli.app import app
from tests import annotated


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tm(line: str) -> Result:
    return CliRunner().invoke(app, ["datasets", *line.split()])


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize("name", ["digits", "photos", "toys"])
def test_a_sheet_of_any_data_set(here: Path, name: str) -> None:
    answer = tm(f"{name} --preview sheet.PNG")
    assert answer.exit_code == 0
    assert f"name        {name}\n" in answer.stdout
    assert answer.stderr == "Wrote sheet.PNG\n"
    with Image.open(here / "sheet.PNG") as sheet:
        assert sheet.format == "PNG"
        assert sheet.width == 1320


def test_a_sheet_of_a_folder(here: Path) -> None:
    (here / "cats").mkdir()
    Image.new("RGB", (8, 8)).save(here / "cats" / "1.png")
    assert tm("folder --data-root . --preview sheet.png").exit_code == 0
    assert (here / "sheet.png").is_file()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--preview sheet.png", "needs the name of a data set; 'tm datasets' lists them"),
        ("digits --preview sheet.jpg", "must end in .png"),
        ("digits --preview no/sheet.png", "there is no folder 'no'"),
        ("digts --preview sheet.png", "Did you mean 'digits'?"),
        ("imagenet --preview sheet.png", "give --data-root DIR"),
        ("folder --data-root . --preview sheet.png", "no images"),
    ],
)
def test_an_error_is_one_line_and_leaves_no_file(here: Path, line: str, words: str) -> None:
    answer = tm(line)
    assert answer.exit_code == 1
    assert answer.stdout == ""
    assert answer.stderr.startswith("Error: ")
    assert answer.stderr.count("\n") == 1
    assert words in answer.stderr
    assert not list(here.iterdir())


def test_an_unwritable_path_is_a_one_line_error(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    answer = tm("digits --preview sheet.png")
    assert (answer.exit_code, answer.stderr) == (1, "Error: cannot write 'sheet.png': No space left on device.\n")


@pytest.fixture
def tasks(here: Path) -> Path:
    """The data sets of the tasks, whole, in one folder."""
    annotated.retrieval(here, n=12, q=2)
    annotated.davis(here / "DAVIS", videos=1, frames=3)
    annotated.spair(here / "SPair-71k", cats=("cat",), pairs=2)
    annotated.voc(here, train=2, val=2)
    return here


def test_the_gallery_is_counted_too() -> None:
    shown = tm("scenes").stdout
    assert "; 600 for masks; " in shown
    assert "; 1,800 for labels (600 queries, 1,200 in the gallery); " in shown


HOLDS = {
    "roxford5k": "12 for images; 14 for retrieval (2 queries, 12 in the gallery)",
    "davis": "3 for images; 3 for videos (1 video)",
    "spair": "3 for images; 3 for pairs (2 pairs)",
    "voc": "2 for images; 4 for semantic (2 queries, 2 in the gallery)",
}


@pytest.mark.usefixtures("tasks")
@pytest.mark.parametrize("name", HOLDS)
def test_a_whole_data_set_lacks_nothing(name: str) -> None:
    answer = tm(f"{name} --data-root .")
    assert answer.stdout.splitlines()[-2:] == [f"found       {HOLDS[name]}", "missing     nothing"]


@pytest.mark.parametrize(
    ("name", "folder", "lost"),
    [
        ("roxford5k", "roxford5k", ["jpg/im_0003.jpg", "jpg/q_01.jpg"]),
        ("davis", "DAVIS", ["JPEGImages/480p/clip0/00001.jpg", "Annotations/480p/clip0/00001.png"]),
        ("spair", "SPair-71k", ["JPEGImages/cat/2008_000001.jpg"]),
        ("voc", "VOCdevkit/VOC2012", ["JPEGImages/2008_000000.jpg", "SegmentationClass/2007_000001.png"]),
    ],
)
def test_lost_and_empty_files_are_named(name: str, folder: str, lost: list[str], tasks: Path) -> None:
    for path in lost:
        # frames are listed from their folder: one that is not there is not known to be missing
        (tasks / folder / path).write_bytes(b"") if path.startswith("JPEG") else (tasks / folder / path).unlink()
    shown = tm(f"{name} --data-root .").stdout
    assert f"missing     {len(lost)} (absent or empty): " in shown
    assert all(path in shown for path in lost)


@pytest.mark.parametrize(
    ("name", "folder", "needed"),
    [
        ("roxford5k", "roxford5k", "gnd_roxford5k.pkl"),
        ("davis", "DAVIS", "ImageSets/2017/val.txt"),
        ("spair", "SPair-71k", "PairAnnotation/test"),
    ],
)
def test_missing_parts_of_a_data_set_are_listed(name: str, folder: str, needed: str, tasks: Path) -> None:
    (tasks / folder / needed).rename(tasks / "elsewhere")
    answer = tm(f"{name} --data-root .")
    assert answer.exit_code == 1
    assert answer.stderr.startswith(f"Error: no {name!r} at {folder}: expected layout: ")
    assert f"; missing: {needed}; found there: " in answer.stderr
