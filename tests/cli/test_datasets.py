"""``tm datasets NAME --preview FILE.png``; the sheet itself is looked at in tests/runner/test_preview.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from teachmatters.cli.app import app


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
        ("--preview sheet.png", "of which data set? 'tm datasets' lists them"),
        ("digits --preview sheet.jpg", "must end in .png"),
        ("digits --preview no/sheet.png", "there is no folder 'no'"),
        ("digts --preview sheet.png", "Did you mean 'digits'?"),
        ("imagenet --preview sheet.png", "give --data-root DIR"),
        ("folder --data-root . --preview sheet.png", "no picture"),
    ],
)
def test_what_is_wrong_is_one_line_and_leaves_nothing(here: Path, line: str, words: str) -> None:
    answer = tm(line)
    assert answer.exit_code == 1
    assert answer.stdout == ""
    assert answer.stderr.startswith("Error: ")
    assert answer.stderr.count("\n") == 1
    assert words in answer.stderr
    assert not list(here.iterdir())


def test_a_place_that_cannot_be_written_is_one_line(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    answer = tm("digits --preview sheet.png")
    assert (answer.exit_code, answer.stderr) == (1, "Error: cannot write 'sheet.png': No space left on device.\n")
