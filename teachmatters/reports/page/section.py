"""One report of the page: figure, table, query and runs."""

from __future__ import annotations

import base64
import html
import io
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from teachmatters.reports.page.runs import COLUMNS, Runs
from teachmatters.reports.run import Report
from teachmatters.reports.tables import captions, frames

Kind = Literal["lines", "pairs", "image"]
LONG = 20
"""Lines of a table that is folded away at first, beside a figure that says the same."""
PANEL = ("metric", "protocol", "dataset", "split")
"""What has a panel of its own where lines are drawn."""

DPI = 110
MOST_MODELS, MOST_PAIRED = 40, 12
"""In a drawing, and in one with a square for each pair: with more it takes minutes and cannot be read."""

MOST_LINES = 2000
"""Of a table: a page of many models must still open."""


@dataclass(frozen=True, slots=True)
class Section:
    """The section of one report.

    Attributes:
        name: the report's.
        html: all of it.
        draws: whether its figure is drawn in the browser.
    """

    name: str
    html: str
    draws: bool

    @property
    def anchor(self) -> str:
        """Return the anchor for the table of contents."""
        return anchor(self.name)

    @classmethod
    def of(cls, report: Report, runs: Runs) -> Section:
        """Make the section of a report."""
        kind, name = kind_of(report), report.spec.name
        parts = [
            f'<section id="{anchor(name)}" aria-labelledby="{anchor(name)}-title">',
            f'<h3 id="{anchor(name)}-title">{html.escape(name)}</h3><p>{html.escape(report.spec.summary)}</p>',
            _figure(report, kind),
            _table(report, folded=kind is not None and _length(report) > LONG),
            "".join(
                f'<p class="caption">{html.escape(line)}</p>'
                for line in (*report.table.attrs.get("notes", ()), *report.caption)
            ),
            f"<details><summary>The query</summary><pre>{html.escape(report.sql)}</pre></details>",
            _runs(runs.behind(report.data)),
            "</section>",
        ]
        return cls(name, "".join(parts), kind in ("lines", "pairs"))


def anchor(name: str) -> str:
    """Return a name as an HTML id.

    >>> anchor("best-layers"), anchor('a"b c')
    ('best-layers', 'a-b-c')
    """
    return re.sub(r"[^\w-]+", "-", name)


def kind_of(report: Report) -> Kind | None:
    """Return the HTML of a figure: lines over the layers, squares of layer pairs, else the report's own figure."""
    columns, rows = report.data.columns, report.data.rows
    if not {"model", "metric", "dataset", "layer", "value"} <= set(columns) or "other_metric" in columns:
        return _drawn(report)

    def each(name: str) -> Sequence[Any]:
        place = columns.index(name) if name in columns else None
        return [None] * len(rows) if place is None else [row[place] for row in rows]

    if all(each("other_model")) and all(each("other_layer")):
        return "pairs" if len(set(each("layer"))) > 1 else _drawn(report)
    parts = ("head", "category", "model", "metric", "protocol", "dataset", "split")
    plain = [series for head, category, *series in zip(*map(each, parts), strict=True) if head is category is None]
    if len(plain) > len(set(map(tuple, plain))):
        return "lines"
    return _drawn(report)


def _drawn(report: Report) -> Kind | None:
    return "image" if report.spec.draw else None


def embedded(value: object) -> str:
    r"""Return JSON that is safe inside a script element.

    >>> embedded({"a": "</script>"})
    '{"a":"\\u003c/script>"}'
    """
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def content(report: Report) -> dict[str, Any]:
    """Return the rows for the browser: constant columns once, without the arrays of maps."""
    columns = dict(zip(report.data.columns, zip(*report.data.rows, strict=True), strict=True))
    columns.pop("data", None)
    same = {name: _plain(values[0]) for name, values in columns.items() if values.count(values[0]) == len(values)}
    kept = {name: [_plain(value) for value in values] for name, values in columns.items() if name not in same}
    return {
        "columns": list(kept),
        "rows": list(zip(*kept.values(), strict=True)) if kept else [[] for _ in report.data.rows],
        "constant": same,
        "titles": {name: captions.named(report.options.of(name)) for name in dict.fromkeys(columns.get("metric", ()))},
        **_panels(report),
    }


def _panels(report: Report) -> dict[str, Any]:
    """Return the order of the panels, and what besides the metric distinguishes them."""
    held = [name for name in PANEL if name in report.data.columns]
    each = [
        dict.fromkeys(PANEL) | dict(zip(held, values, strict=True)) for values in report.data.distinct(held)
    ]  # fmt: skip
    order = [[row[name] for name in PANEL] for row in frames.in_order(each, report.options)]
    return {"order": order, "differ": [name for name in frames.differing(each) if name != "metric"]}


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _figure(report: Report, kind: Kind | None) -> str:
    if kind is None:
        return ""
    name = anchor(report.spec.name)
    if kind == "image":
        return _image(report, MOST_MODELS)
    data = f'<script type="application/json" id="data-{name}">{embedded(content(report))}</script>'
    charts = f'{data}<div class="charts" data-kind="{kind}" data-of="data-{name}"></div>'
    return charts + (_image(report, MOST_PAIRED) if kind == "pairs" and report.spec.draw else "")


def _image(report: Report, most: int) -> str:
    """Return the report's own figure, for at most ``most`` models."""
    models = len(report.rows["model"].unique()) if "model" in report.rows else 0
    if models > most:
        return f"<p>{models} models are too many for one figure; --model chooses up to {most} of them.</p>"
    from teachmatters.reports.figures import plots

    file, figure = io.BytesIO(), report.figure()
    with plots.letters_told(f"figure of {report.spec.name}"):
        figure.savefig(file, format="png", dpi=DPI)
    image = base64.b64encode(file.getvalue()).decode()
    alt = html.escape(f"Figure of {report.spec.name}: {report.spec.summary}")
    return f'<figure><img alt="{alt}" src="data:image/png;base64,{image}"></figure>'


def _length(report: Report) -> int:
    """Of a table: its lines without those that belong to the line above."""
    return sum(str(line[0]) != "" for line in report.table.to_numpy()[:, :1])


def _table(report: Report, *, folded: bool) -> str:
    """A table whose columns can be sorted; lines that begin blank belong to the line above and go with it."""
    table = report.table
    bold, foot = table.attrs.get("bold", ()), table.attrs.get("foot", 0)
    lines = table.to_numpy().tolist()
    left_out = max(0, len(lines) - foot - MOST_LINES)
    del lines[MOST_LINES : MOST_LINES + left_out]
    head = "".join(
        f'<th scope="col" aria-sort="none"><button type="button">{html.escape(str(name))}</button></th>'
        for name in table.columns
    )
    bodies: list[str] = []
    for nth, line in enumerate(lines[: len(lines) - foot]):
        text = _line(line, nth, bold)
        if line and line[0] == "" and bodies:
            bodies[-1] += text
        else:
            bodies.append(text)
    ends = "".join(_line(line, nth, bold) for nth, line in enumerate(lines[len(lines) - foot :], len(table) - foot))
    body = "".join(f"<tbody>{text}</tbody>" for text in bodies) + (f"<tfoot>{ends}</tfoot>" if ends else "")
    labels = table.attrs.get("labels", 1)
    inside = f'<table class="sortable"><thead><tr>{head}</tr></thead>{body}</table>'
    whole = f'<div class="wide labels-{labels}" tabindex="0">{inside}</div>'
    if left_out:
        whole += f"<p>{left_out:,} more lines: 'tm report {html.escape(report.spec.name)}' prints them.</p>"
    return f"<details><summary>The numbers</summary>{whole}</details>" if folded else whole


def _line(line: Sequence[Any], nth: int, bold: Any) -> str:
    cells = [
        f"<td><b>{html.escape(str(cell))}</b></td>" if (nth, k) in bold else f"<td>{html.escape(str(cell))}</td>"
        for k, cell in enumerate(line)
    ]
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
