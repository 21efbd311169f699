"""The table of best layers as papers print it: one row per model, one column per task, the best of each bold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from teachmatters.reports import supervisions, titles
from teachmatters.reports.options import Options
from teachmatters.reports.tables import captions, frames

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]

INTERVAL = "95 % interval"


def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return models by tasks, cells ``score (layer)``; with ``options.intervals``, the intervals next to them.

    ``attrs["bold"]`` has the positions of each column's best scores, ``attrs["caption"]`` the caption of the table.
    """
    import pandas as pd

    every = frames.records(rows)
    tasks: dict[str, dict[str, Row]] = {}
    for heading, row in zip(_headings(every, options), every, strict=True):
        tasks.setdefault(heading, {})[row["model"]] = row
    models = sorted({row["model"]: row for row in every}.values(), key=supervisions.model_order)
    names = titles.display_names(every)
    columns, cells, bold = ["model"], [[names[row["model"]]] for row in models], set()
    for heading, scores in tasks.items():
        best, sure = _best(scores), options.intervals and any(map(_interval, scores.values()))
        for nth, model in enumerate(models):
            own = scores.get(model["model"])
            if own and own["value"] == best:
                bold.add((nth, len(columns)))
            cells[nth] += [_score(own), *([_interval(own)] if sure else [])]
        columns += [heading, *([INTERVAL] if sure else [])]
    body = pd.DataFrame(cells, columns=columns)
    body.attrs.update(bold=bold, labels=1, caption=_caption(options))
    return body


def _headings(every: list[Row], options: Options) -> list[str]:
    """Return the heading of each row's column: title and unit of the metric, and whatever distinguishes the columns."""
    parts = [part for part in ("dataset", "protocol", "split") if part in frames.differing(every)]
    marks = frames.setting_marks(every)
    return [
        ", ".join([captions.named(options.of(row["metric"])), *frames.parts(row, parts)]) + mark
        for row, mark in zip(every, marks, strict=True)
    ]


def _best(scores: dict[str, Row]) -> float:
    best = max if all(row["higher_is_better"] for row in scores.values()) else min
    return best(float(row["value"]) for row in scores.values())


def _score(row: Row | None) -> str:
    return f"{frames.number(row['value'], row['unit'] or '')} ({row['layer']})" if row else ""


def _interval(row: Row | None) -> str:
    if not row or row.get("low") is None:
        return ""
    return " to ".join(frames.number(row[name], row["unit"] or "") for name in ("low", "high"))


def _caption(options: Options) -> str:
    interval = f" {INTERVAL}: by the bootstrap over single units, where they have scores." if options.intervals else ""
    return f"The best layer of each model: score, and layer in parentheses. Bold: the best of each column.{interval}"
