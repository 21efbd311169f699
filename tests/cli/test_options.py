from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import typer

from teachmatters.cli import options
from teachmatters.errors import TeachMattersError


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("3", (3,)), ("1-3", (1, 2, 3)), ("12,1,6", (1, 6, 12)), (" 2 - 3 , 3", (2, 3)), ("7-7", (7,)), (None, ())],
)
def test_lists_of_numbers(text: str | None, numbers: tuple[int, ...]) -> None:
    assert options.parse_numbers(text, "--layers") == numbers


@pytest.mark.parametrize("text", ["", "a", "1,", "1-", "-1", "1-2-3", "1.5", "²", "٣", "1;2", "9" * 30])
def test_invalid_lists_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a list of numbers such as '1,6,12' or '1-3'"):
        options.parse_numbers(text, "--layers")


@pytest.mark.parametrize("text", ["0", "0-3", "3-1", "1-1001", "999999999"])
def test_numbers_out_of_range(text: str) -> None:
    with pytest.raises(TeachMattersError, match=f"--layers {text}: numbers must be from 1 to 1000"):
        options.parse_numbers(text, "--layers")


@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_bounds(value: float) -> None:
    with pytest.raises(TeachMattersError, match=r"--limit .* must be at least 1"):
        options.at_least(value, 1, "--limit")
    with pytest.raises(TeachMattersError, match=r"--timeout .* must be above 0"):
        options.above(value, 0, "--timeout")
    options.at_least(1, 1, "--limit")
    options.above(0.1, 0, "--timeout")


def test_valid_and_invalid_output_paths(tmp_path: Path) -> None:
    options.check_target(None, "--out")
    options.check_target(tmp_path / "new.PNG", "--plot", (".png",))
    store = tmp_path / "store.txt"
    with sqlite3.connect(store) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    for path, message in (
        (tmp_path, "is a folder; name a file in it"),
        (tmp_path / "none" / "a.txt", "there is no folder .*; create it first"),
        (store, "is a database and would be overwritten"),
    ):
        with pytest.raises(TeachMattersError, match=f"--out .*{message}"):
            options.check_target(path, "--out")
    with pytest.raises(TeachMattersError, match=r"--plot 'a.gif': the name must end in .png or .pdf"):
        options.check_target(Path("a.gif"), "--plot", (".png", ".pdf"))
