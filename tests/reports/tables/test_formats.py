from __future__ import annotations

import csv
import io
import json
import math

import pytest

from teachmatters.reports.tables import data_formats, formats

COLUMNS = ["model", "value"]
ROWS: list[list[object]] = [['o\'brien, "x"', 0.1234567890123], ["two\nlines", None], ["<b>|*a*_`", -1e-300]]


def test_csv_round_trip() -> None:
    back = list(csv.reader(io.StringIO(data_formats.to_csv(COLUMNS, ROWS), newline="")))
    assert back == [COLUMNS, *[[str(name), "" if value is None else repr(value)] for name, value in ROWS]]


def test_json_round_trip() -> None:
    assert json.loads(data_formats.to_json(COLUMNS, ROWS)) == [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]


def test_values_that_json_lacks() -> None:
    text = data_formats.to_json(["a", "a", "b"], [[math.nan, b"\x00\x01", math.inf]])
    assert json.loads(text) == [{"a": None, "a_2": "AAE=", "b": None}]
    assert json.loads(data_formats.to_json(["a"], [])) == []


def test_markdown_has_one_line_per_row_and_separate_cells() -> None:
    lines = formats.markdown(COLUMNS, ROWS, bold={(2, 1)}).splitlines()
    assert len(lines) == 2 + len(ROWS)
    assert lines[2:] == [
        "| o'brien, \"x\" | 0.1234567890123 |", r"| two\\nlines |  |", r"| &lt;b&gt;\|\*a\*_\` | **-1e-300** |",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a_b", r"a\_b"),
        ("50% & {co} #1 $x$", r"50\% \& \{co\} \#1 \$x\$"),
        ("a\\b~^", r"a\textbackslash{}b\textasciitilde{}\textasciicircum{}"),
        ("<script>", r"\textless{}script\textgreater{}"),
    ],
)
def test_latex_escapes(given: str, expected: str) -> None:
    assert f"\n{expected} \\\\\n" in formats.latex(["model"], [[given]])


def test_latex_columns_and_bold() -> None:
    text = formats.latex(["model", "score"], [["a", "0.5 (3)"]], bold={(0, 1)})
    assert text.startswith("\\begin{tabular}{lr}\n\\toprule\n")
    assert r"a & \textbf{0.5 (3)} \\" in text


def test_a_table_cannot_send_control_characters() -> None:
    text = formats.table(["model"], [["a\x1b[31mb\r\nc\x07"]])
    assert set(text) - set("\n") == {letter for letter in text if letter.isprintable()}
    assert text.splitlines()[2] == r"a\x1b[31mb\r\nc\x07"


def test_a_wide_table_is_split_without_loss() -> None:
    columns = ["layer", *(f"model-{n:02d}" for n in range(20))]
    rows = [[layer, *(f"{layer + n / 100:.4f}" for n in range(20))] for layer in range(1, 4)]
    text = formats.table(columns, rows, width=60)
    assert max(map(len, text.splitlines())) <= 60
    words = text.split()
    assert all(words.count(name) == 1 for name in columns[1:])
    assert all(words.count(str(cell)) >= 1 for row in rows for cell in row[1:])
    parts = text.split("\n\n")
    assert len(parts) > 1
    assert all(part.split()[0] == "layer" for part in parts)
    assert len(formats.table(columns, rows).split("\n\n")) == 1, "without a terminal it stays in one piece"


def test_prose_is_wrapped_before_the_table_is_split() -> None:
    prose = "a long sentence that explains at some length what this thing is good for and for whom"
    text = formats.table(["name", "summary"], [["x", prose], ["y", "short"]], width=50)
    assert max(map(len, text.splitlines())) <= 50
    assert text.split("\n\n") == [text]
    assert " ".join(line.removeprefix("x").strip() for line in text.splitlines()[2:-1]) == prose


def test_row_names_are_shortened_in_a_split_table() -> None:
    columns = ["supervision", "model", *(f"metric-{n}" for n in range(6))]
    rows = [["masked token prediction", "mini-beit", *["41.2 to 49.0"] * 6], ["", "95 %", "1 to 2", *[""] * 5]]
    text = formats.table(columns, rows, width=60, labels=2)
    assert max(map(len, text.splitlines())) <= 60
    first, second, third = text.split("\n\n")
    assert first.splitlines()[2].split()[:3] == ["masked", "token", "mini-beit"]
    assert first.splitlines()[3].split() == ["prediction"]
    assert ("95 %" in first, "95 %" in second + third) == (True, False), "a line that says nothing there is left out"
    assert "masked token prediction  mini-beit  41.2" in formats.table(columns, rows, labels=2)


def test_bold_cells_stay_aligned() -> None:
    text = formats.table(["a", "b"], [["x", "0.5"], ["y", "0.25"]], bold={(0, 1)}, strong=("<", ">"))
    assert text.splitlines()[2:] == ["x   <0.5>", "y  0.25"]


def test_wide_letters_count_double() -> None:
    lines = formats.table(["名前", "x"], [["a", "b"]]).splitlines()
    assert lines[1:] == ["----  -", "a     b"]


def test_no_columns_and_no_rows() -> None:
    assert formats.table([], []) == ""
    assert formats.table(["a"], []) == "a\n-\n"


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "=1+1\n", "-", "@10 x"]
)
def test_csv_contains_no_spreadsheet_formula(text: str) -> None:
    (name,), (cell,) = csv.reader(io.StringIO(data_formats.to_csv([text], [[text]]), newline=""))
    assert (name, cell) == ("'" + text, "'" + text)


@pytest.mark.parametrize("value", [-0.5, -3, 1e-300, "@10", "-0.5", "+1e-5", "a=b", "k=20", "", " x", "2-3"])
def test_numbers_and_names_stay_as_they_are_in_csv(value: object) -> None:
    assert data_formats.to_csv(["a", "b"], [[value, 1]]) == f"a,b\n{value},1\n"


def test_line_breaks_do_not_split_a_row() -> None:
    rows = [["a\rb", "1"], ["c\nd", "2"], ["e\r\nf", "3"]]
    text = data_formats.to_csv(["x", "y"], rows)
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["x", "y"], *rows]
    assert text.startswith("x,y\n")


def test_csv_distinguishes_nan_from_missing() -> None:
    text = data_formats.to_csv(["a", "b", "c", "d"], [[math.inf, -math.inf, math.nan, None]])
    assert text.splitlines()[1] == "inf,-inf,nan,"


def test_csv_on_a_terminal_cannot_send_control_characters() -> None:
    file = io.StringIO()
    data_formats.write_csv(
        file,
        ["a\x1b[2J"],
        [
            [
                "b\x07\x9b31m",
            ],
            ["c\nd"],
        ],
        terminal=True,
    )
    assert file.getvalue() == "a\\x1b[2J\nb\\x07\\x9b31m\nc\\nd\n"


def test_a_very_long_text_is_cut() -> None:
    rows = [["x" * 5_000_000, 1], *[["short", 2]] * 1000]
    for style in (formats.table, formats.markdown, formats.latex):
        text = style(["a", "b"], rows)
        assert len(text) < 5_000_000
        assert "... (5,000,000 characters)" in text
    assert "x" * 5_000_000 in data_formats.to_csv(["a", "b"], rows)
