"""Tables as text for people: plain, Markdown and LaTeX. Imports nothing heavy."""

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
    r"""Return a cell as one line of printable text, with control characters escaped.

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
    """Return a cell for people: as ``visible``, but a very long text as its beginning and its length.

    >>> shown("a" * 2001)[-26:]
    'aaaa... (2,001 characters)'
    """
    if isinstance(value, str) and len(value) > LONGEST:
        return f"{visible(value[:LONGEST])}... ({len(value):,} characters)"
    return visible(value)


def markdown(columns: Sequence[str], rows: Iterable[Sequence[object]], bold: Bold = ()) -> str:
    r"""Return a Markdown table in GitHub's style.

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
    r"""Return a LaTeX ``tabular`` in the style of booktabs.

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
    """Return a plain table. One wider than ``width`` is split into parts that each begin with the ``labels`` columns.

    ``strong`` surrounds bold cells and the heading, for example with a terminal's codes. A line whose first cell is
    blank belongs to the line above, and is left out of parts where it is empty.

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
    """Return narrower columns: those of prose if the table then fits, else those of row names, for a split table.

    Numbers and short names keep their width; ``least`` is the smallest width of each column.
    """
    narrow = _shrunk(sizes, [max(PROSE, size) for size in least], width)
    if _total(narrow) <= width:
        return narrow
    names = _shrunk(sizes[:labels], [max(NAME, size) for size in least[:labels]], int(NAMES * width))
    room = max(PROSE, width - _total(names) - 2)
    return names + [min(size, max(room, least[j])) for j, size in enumerate(sizes[labels:], start=labels)]


def _shrunk(sizes: Sequence[int], least: Sequence[int], width: int) -> list[int]:
    """Shrink columns, the widest first, each down to its smallest width, until the table fits."""
    narrow = list(sizes)
    for j in sorted(range(len(sizes)), key=lambda j: -sizes[j]):
        excess = _total(narrow) - width
        if excess > 0:
            narrow[j] = min(narrow[j], max(least[j], narrow[j] - excess))
    return narrow


def _folded(row: Sequence[str], part: Iterable[int], sizes: Sequence[int]) -> list[list[str]]:
    """Wrap a row into lines."""
    columns = {j: textwrap.wrap(row[j], sizes[j]) if cell_len(row[j]) > sizes[j] else [row[j]] for j in part}
    count = max(map(len, columns.values()))
    return [[columns[j][k] if j in columns and k < len(columns[j]) else "" for j in range(len(row))]
            for k in range(count)]  # fmt: skip


def _parts(sizes: Sequence[int], width: int | None, labels: int) -> list[list[int]]:
    """Return groups of columns, each with as many as fit, and at least one besides the labels."""
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
    """Return for each column whether to align it right, as columns of numbers are."""
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
        # An underscore inside a word does not mark emphasis, and many names have one.
        if letter != "_" or text[:1] == "_":
            text = text.replace(letter, "\\" + letter)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"**{text}**" if bold and text else text


def _latex_cell(text: str, bold: bool) -> str:
    escaped = "".join(_LATEX.get(letter, letter) for letter in visible(text))
    return rf"\textbf{{{escaped}}}" if bold and escaped else escaped


def _latex_row(cells: Sequence[str]) -> str:
    r"""Join the cells of a row; a leading [ or * is shielded from the \\ or \midrule before it."""
    row = " & ".join(cells)
    return "{}" + row if row.startswith(("[", "*")) else row
