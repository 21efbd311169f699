"""A table as text for people: for terminals, Markdown and LaTeX. Nothing heavy is imported here."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Collection, Iterable, Sequence
from typing import Literal, TypeAlias

from rich.cells import cell_len

Format: TypeAlias = Literal["table", "markdown", "latex", "csv", "json"]
# Positions (row, column), from 0, of the cells to print in bold.
Bold: TypeAlias = Collection[tuple[int, int]]

# The smallest widths in characters to which a column of text, and a column of row names in a split table, is wrapped.
PROSE, NAME = 24, 12

# The largest number of characters of a cell in tables for people.
LONGEST = 2000

# The largest share of the width that row names take in each part of a split table.
NAMES = 0.4


_LATEX = {
    "\\": r"\textbackslash{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    **{letter: "\\" + letter for letter in "{}$&#_%"},
}


def visible(value: object) -> str:
    r"""A cell as one line of printable text, so that no name can steer the terminal.

    >>> visible(None), visible("a\n\x1b[1mb"), visible(b"1234")
    ('', 'a\\n\\x1b[1mb', '<4 bytes>')
    """
    if value is None:
        return ""
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(value: object) -> str:
    """A cell of a table that people read: as ``visible``, and of a very long text its beginning and its length.

    >>> shown("a" * 2001)[-23:]
    'aaaa... (2,001 letters)'
    """
    if isinstance(value, str) and len(value) > LONGEST:
        return f"{visible(value[:LONGEST])}... ({len(value):,} letters)"
    return visible(value)


def markdown(columns: Sequence[str], rows: Iterable[Sequence[object]], bold: Bold = ()) -> str:
    r"""A GitHub table.

    >>> print(markdown(["model", "best"], [["a|b", "0.5 (2)"]], bold={(0, 1)}), end="")
    | model | best |
    | :-- | --: |
    | a\|b | **0.5 (2)** |
    """
    cells = [[_markdown_cell(value, (i, j) in bold) for j, value in enumerate(row)] for i, row in enumerate(rows)]
    marks = ["--:" if right else ":--" for right in _right(columns, cells)]
    lines = [[_markdown_cell(name, False) for name in columns], marks, *cells]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def latex(columns: Sequence[str], rows: Iterable[Sequence[object]], bold: Bold = ()) -> str:
    r"""A ``tabular`` in the manner of the package booktabs.

    >>> print(latex(["model"], [["dino_s16"]], bold={(0, 0)}), end="")
    \begin{tabular}{l}
    \toprule
    model \\
    \midrule
    \textbf{dino\_s16} \\
    \bottomrule
    \end{tabular}
    """
    texts = [[shown(value) for value in row] for row in rows]
    shape = "".join("r" if right else "l" for right in _right(columns, texts))
    cells = [[_latex_cell(text, (i, j) in bold) for j, text in enumerate(row)] for i, row in enumerate(texts)]
    head = _latex_row([_latex_cell(name, False) for name in columns])
    body = "".join(_latex_row(row) + r" \\" + "\n" for row in cells)
    return f"\\begin{{tabular}}{{{shape}}}\n\\toprule\n{head} \\\\\n\\midrule\n{body}\\bottomrule\n\\end{{tabular}}\n"


def latex_float(tabular: str, caption: str, label: str) -> str:
    r"""Return a ``tabular`` as a floating table with a caption and a label.

    >>> print(latex_float("TABULAR\n", "50 % more", "tab:a"), end="")
    \begin{table}
    \centering
    \caption{50 \% more}
    \label{tab:a}
    TABULAR
    \end{table}
    """
    head = f"\\begin{{table}}\n\\centering\n\\caption{{{_latex_cell(caption, False)}}}\n\\label{{{label}}}\n"
    return f"{head}{tabular}\\end{{table}}\n"


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], bold: Bold = (), *, width: int | None = None,
    labels: int = 1, strong: tuple[str, str] = ("", ""),
) -> str:  # fmt: skip
    """A plain table; one wider than ``width`` comes in parts that each begin with the first ``labels`` columns.

    ``strong`` is what goes around a stressed cell (a terminal's codes), and around the heading. A line that begins
    blank goes with the one above it; a part in which it says nothing does without it.

    >>> print(table(["layer", "a"], [[1, 0.5], [12, 0.25]]), end="")
    layer     a
    -----  ----
        1   0.5
       12  0.25
    """
    cells = [[shown(value) for value in row] for row in rows]
    head = [shown(name) for name in columns]
    right = _right(columns, cells)
    sizes = [max([cell_len(name), *(cell_len(row[j]) for row in cells)]) for j, name in enumerate(head)]
    if width and _total(sizes) > width:
        words = [max([cell_len(name), *(_longest_word(row[j]) for row in cells)]) for j, name in enumerate(head)]
        sizes = _narrowed(sizes, [size if right[j] else words[j] for j, size in enumerate(sizes)], width, labels)
    parts = []
    for part in _parts(sizes, width, labels):
        lines = [_line(head, part, sizes, right, strong, set(part)), "  ".join("-" * sizes[j] for j in part)]
        for i, row in enumerate(cells):
            if row[0] == "" and not any(row[j] for j in part[labels:]):
                continue
            stressed = {j for j in part if (i, j) in bold}
            lines += [_line(one, part, sizes, right, strong, stressed) for one in _folded(row, part, sizes)]
        parts.append("".join(line.rstrip() + "\n" for line in lines))
    return "\n".join(parts)


def _total(sizes: Sequence[int]) -> int:
    return sum(size + 2 for size in sizes) - 2


def _longest_word(text: str) -> int:
    return max(map(cell_len, re.findall(r"[^ -]+-?", text)), default=0)


def _narrowed(sizes: Sequence[int], least: Sequence[int], width: int, labels: int) -> list[int]:
    """Columns of prose give way if the table then fits; else it comes in parts, and names of rows give way.

    Numbers and short names never do; ``least`` is what each column cannot do without.
    """
    narrow = _shrunk(sizes, [max(PROSE, size) for size in least], width)
    if _total(narrow) <= width:
        return narrow
    names = _shrunk(sizes[:labels], [max(NAME, size) for size in least[:labels]], int(NAMES * width))
    room = max(PROSE, width - _total(names) - 2)
    return names + [min(size, max(room, least[j])) for j, size in enumerate(sizes[labels:], start=labels)]


def _shrunk(sizes: Sequence[int], least: Sequence[int], width: int) -> list[int]:
    """The widest first gives way, down to what it needs at least, until all fit."""
    narrow = list(sizes)
    for j in sorted(range(len(sizes)), key=lambda j: -sizes[j]):
        excess = _total(narrow) - width
        if excess > 0:
            narrow[j] = min(narrow[j], max(least[j], narrow[j] - excess))
    return narrow


def _folded(row: Sequence[str], part: Iterable[int], sizes: Sequence[int]) -> list[list[str]]:
    """A row as the lines that it takes."""
    columns = {j: textwrap.wrap(row[j], sizes[j]) if cell_len(row[j]) > sizes[j] else [row[j]] for j in part}
    count = max(map(len, columns.values()))
    return [[columns[j][k] if j in columns and k < len(columns[j]) else "" for j in range(len(row))]
            for k in range(count)]  # fmt: skip


def _parts(sizes: Sequence[int], width: int | None, labels: int) -> list[list[int]]:
    """Return groups of columns, as many in each as fit, and at least one besides the labels."""
    if not sizes:
        return []
    first = list(range(min(labels, len(sizes))))
    room = (width or math.inf) - sum(sizes[j] + 2 for j in first) + 2
    parts, left = [list(first)], room
    for j in range(len(first), len(sizes)):
        if sizes[j] + 2 > left and len(parts[-1]) > len(first):
            parts.append(list(first))
            left = room
        parts[-1].append(j)
        left -= sizes[j] + 2
    return parts


def _line(
    cells: Sequence[str], part: Iterable[int], sizes: Sequence[int], right: Sequence[bool], strong: tuple[str, str],
    stressed: Collection[int],
) -> str:  # fmt: skip
    texts = []
    for j in part:
        space = " " * (sizes[j] - cell_len(cells[j]))
        text = f"{strong[0]}{cells[j]}{strong[1]}" if j in stressed and cells[j] else cells[j]
        texts.append(space + text if right[j] else text + space)
    return "  ".join(texts)


def _right(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[bool]:
    """Columns of numbers stand flush right."""
    return [all(_numeric(row[j]) for row in rows) for j in range(len(columns))]


def _numeric(text: str) -> bool:
    first = text.strip("*").split("±")[0].split(" (")[0].strip()
    try:
        float(first or 0)
    except ValueError:
        return False
    return True


def _markdown_cell(value: object, bold: bool) -> str:
    text = shown(value)
    for letter in "\\`*_[]|":
        # An underscore inside a word is no emphasis, and names are full of them.
        if letter != "_" or text[:1] == "_":
            text = text.replace(letter, "\\" + letter)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"**{text}**" if bold and text else text


def _latex_cell(text: str, bold: bool) -> str:
    escaped = "".join(_LATEX.get(letter, letter) for letter in visible(text))
    return rf"\textbf{{{escaped}}}" if bold and escaped else escaped


def _latex_row(cells: Sequence[str]) -> str:
    r"""Cells of a row; what \\ or \midrule before it would take for its own argument is kept from them."""
    row = " & ".join(cells)
    return "{}" + row if row.startswith(("[", "*")) else row
