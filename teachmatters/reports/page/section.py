"""One report of the page: figure, table, query and runs."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from teachmatters.reports.page.chart_data import Kind, content, embedded, kind_of
from teachmatters.reports.page.runs import COLUMNS, Runs
from teachmatters.reports.run import Report

SHOWN = ("best-layers", "compare")  # reports whose table is unfolded, since it says as much as the figure

DPI = 140
# In a figure with points or panels for each model; with more it takes minutes and cannot be read.
MOST_MODELS = 40
# Text and lines in a grey that is legible on white and on dark backgrounds.
ON_BOTH = dict.fromkeys(
    ("text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor", "xtick.color", "ytick.color"), "#757F89"
)

# The largest number of lines of a table, so that a page of many models still opens.
MOST_LINES = 2000


@dataclass(frozen=True, slots=True)
class Section:
    """The section of one report.

    Attributes:
        name: the report's.
        html: the section as HTML.
        kind: its chart, None if it has none.
    """

    name: str
    html: str
    kind: Kind | None = None

    @property
    def anchor(self) -> str:
        """Return the anchor for the table of contents."""
        return anchor(self.name)

    @classmethod
    def of(cls, report: Report, runs: Runs, *, short: bool = False) -> Section:
        """Make the section of a report; a short one has the figure, and the table only if it is unfolded."""
        kind, name = kind_of(report), report.spec.name
        is_table = "tints" in report.table.attrs
        parts = [
            f'<section id="{anchor(name)}" aria-labelledby="{anchor(name)}-title">',
            f'<h3 id="{anchor(name)}-title">{html.escape(name)}</h3><p>{html.escape(report.spec.summary)}</p>',
            "" if is_table else _figure(report, kind),
        ]
        if is_table or kind is None or not short:
            parts += [
                _table(report, folded=not is_table and kind is not None and name not in SHOWN),
                *_captions((*report.table.attrs.get("notes", ()), *report.caption)),
            ]
        if not short:
            parts += [
                f"<details><summary>The query</summary><pre>{html.escape(report.sql)}</pre></details>",
                _runs(runs.behind(report.data)),
            ]
        return cls(name, "".join([*parts, "</section>"]), kind)


def embedded_explorer(document: str) -> Section:
    """Return the section of an explorer, a document of its own that is drawn when it comes into view."""
    name = "explorer"
    return Section(
        name,
        f'<section id="{name}" aria-labelledby="{name}-title"><h3 id="{name}-title">{name}</h3>'
        "<p>single images, patch by patch: where it attends, in every layer and head</p>"
        f'<script type="application/json" id="data-{name}">{embedded(document)}</script>'
        f'<div class="explorer" data-of="data-{name}"></div></section>',
    )


def _captions(lines: Sequence[str]) -> list[str]:
    return [f'<p class="caption">{html.escape(line)}</p>' for line in lines]


def anchor(name: str) -> str:
    """Return a name as an HTML id.

    >>> anchor("best-layers"), anchor('a"b c')
    ('best-layers', 'a-b-c')
    """
    return re.sub(r"[^\w-]+", "-", name)


def _figure(report: Report, kind: Kind | None) -> str:
    if kind is None:
        return ""
    if kind == "image":
        return _image(report, MOST_MODELS)
    name = anchor(report.spec.name)
    data = f'<script type="application/json" id="data-{name}">{embedded(content(report, kind))}</script>'
    return f'{data}<div class="charts" data-kind="{kind}" data-of="data-{name}"></div>'


def _image(report: Report, most: int) -> str:
    """Return the report's own figure, for at most ``most`` models."""
    models = len(report.rows["model"].unique()) if "model" in report.rows else 0
    if models > most:
        return f"<p>{models} models are too many for one figure; select at most {most} of them with --model.</p>"
    from teachmatters.reports.figures import plots

    file, figure = io.BytesIO(), report.figure(ON_BOTH)
    with plots.letters_told(f"figure of {report.spec.name}"):
        figure.savefig(file, format="png", dpi=DPI, transparent=True)
    image = base64.b64encode(file.getvalue()).decode()
    alt = html.escape(f"Figure of {report.spec.name}: {report.spec.summary}")
    return f'<figure><img alt="{alt}" src="data:image/png;base64,{image}"></figure>'


def _table(report: Report, *, folded: bool) -> str:
    """Return a table with sortable columns; a line whose first cell is blank stays with the line above."""
    table = report.table
    marks, foot = _Marks(table.attrs.get("bold", ()), table.attrs.get("tints", {})), table.attrs.get("foot", 0)
    lines = table.to_numpy().tolist()
    left_out = max(0, len(lines) - foot - MOST_LINES)
    del lines[MOST_LINES : MOST_LINES + left_out]
    head = "".join(
        f'<th scope="col" aria-sort="none"><button type="button">{html.escape(str(name))}</button></th>'
        for name in table.columns
    )
    bodies: list[str] = []
    for nth, line in enumerate(lines[: len(lines) - foot]):
        text = _line(line, nth, marks)
        if line and line[0] == "" and bodies:
            bodies[-1] += text
        else:
            bodies.append(text)
    ends = "".join(_line(line, nth, marks) for nth, line in enumerate(lines[len(lines) - foot :], len(table) - foot))
    body = "".join(f"<tbody>{text}</tbody>" for text in bodies) + (f"<tfoot>{ends}</tfoot>" if ends else "")
    labels = table.attrs.get("labels", 1)
    inside = f'<table class="sortable"><thead><tr>{head}</tr></thead>{body}</table>'
    whole = f'<div class="wide labels-{labels}" tabindex="0">{inside}</div>'
    if left_out:
        whole += f"<p>{left_out:,} more lines: 'tm report {html.escape(report.spec.name)}' prints them.</p>"
    return f"<details><summary>The numbers</summary>{whole}</details>" if folded else whole


@dataclass(frozen=True, slots=True)
class _Marks:
    """The cells of a table, by row and column, that are bold, and the depth of their colour from 0 to 1."""

    bold: Collection[tuple[int, int]]
    tints: Mapping[tuple[int, int], float]


def _line(line: Sequence[Any], nth: int, marks: _Marks) -> str:
    cells = []
    for k, cell in enumerate(line):
        text, tint = html.escape(str(cell)), marks.tints.get((nth, k))
        text = f"<b>{text}</b>" if (nth, k) in marks.bold else text
        cells.append(f"<td>{text}</td>" if tint is None else f'<td style="--t:{tint:.2f}">{text}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _runs(runs: Sequence[Sequence[Any]]) -> str:
    if not runs:
        return ""
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape('' if cell is None else str(cell))}</td>" for cell in run) + "</tr>"
        for run in runs
    )
    table = f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    return f"<details><summary>The runs behind it ({len(runs)})</summary>{table}</details>"
