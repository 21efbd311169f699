"""Our numbers next to those that the authors of the models publish."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from teachmatters.errors import NothingToShowError, listing
from teachmatters.reports import significance
from teachmatters.reports.figures import style
from teachmatters.reports.options import Options
from teachmatters.reports.published.figures import PUBLISHED
from teachmatters.reports.tables import frames
from teachmatters.store.reader import Rows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

COLUMNS = ("low", "high", "published", "difference", "protocol_differs", "source")
SETTING = "norm=final, short_side=256"  # the last layer as most authors read it
SIZE = 224
DATA = "imagenet"
LINEAR = "one layer by L-BFGS; the authors sweep heads with SGD and join several blocks"


def enrich(data: Rows, options: Options, ask: Callable[[str], Rows]) -> Rows:
    """Return the rows of models with a published number, with the columns COLUMNS.

    ``low`` and ``high`` are the ends of the 95 % interval of our number. ``protocol_differs`` describes how it was
    measured differently; it is empty where it was measured as published.

    Raises:
        NothingToShowError: there is no number on ImageNet, or no model has a published figure.
    """
    every = [dict(zip(data.columns, values, strict=True)) for values in data.rows]
    every = [row for row in every if row["dataset"] == DATA]
    if data.rows and not every:
        raise NothingToShowError(
            f"published figures are for {DATA}, and the store has no numbers on it; 'tm study published' measures them"
        )
    rows = [row for row in every if _key(row) in PUBLISHED]
    if every and not rows:
        known = sorted({model for model, _ in PUBLISHED})
        raise NothingToShowError(
            f"no figure of {listing(sorted({row['name'] for row in every}))} is known; published figures are known for "
            f"{listing(known, len(known))}"
        )
    scores = significance.unit_scores(rows, options, ask)
    for place, row in enumerate(rows):
        figure = PUBLISHED[_key(row)]
        row["low"], row["high"] = _interval(scores.get(place), row["layer"])
        row["published"], row["difference"] = figure.value, row["value"] - figure.value
        row["protocol_differs"], row["source"] = _differs(row), figure.source
    columns = [*data.columns, *COLUMNS]
    return Rows(columns, [tuple(row[name] for name in columns) for row in rows], data.truncated)


def _key(row: dict[str, Any]) -> tuple[str, str]:
    return row["name"].partition("@")[0], row["metric"]


def _interval(scores: significance.Scores | None, layer: int) -> tuple[float | None, float | None]:
    from teachmatters.measures import bootstrap

    if scores is None:
        return None, None
    low, high = bootstrap.interval(bootstrap.resampled_means(scores.of(layer)[:, None]))
    return float(low[0]), float(high[0])


def _differs(row: dict[str, Any]) -> str:
    """Return how a number was measured differently from the published one; empty where it was not."""
    found = [] if row["setting"] == SETTING else [f"setting {row['setting'] or 'default'!r}, not {SETTING!r}"]
    if row["image_size"] != SIZE:
        found.append(f"{row['image_size']} pixels, not {SIZE}")
    if row["metric"].startswith("linear"):
        found.append(LINEAR)
    return "; ".join(found)


def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return one line per model and metric: ours with its interval, the published figure and the difference."""
    import pandas as pd

    lines, notes = [], dict.fromkeys(["interval: 95 %, from the scores of single images"])
    for row in frames.records(rows):
        interval = "" if row["low"] is None else f"{row['low']:.1f} to {row['high']:.1f}"
        lines.append(
            {
                "model": row["model"],
                "metric": row["metric"],
                "ours": frames.number(row["value"], "percent"),
                "interval": interval,
                "published": frames.number(row["published"], "percent"),
                "difference": f"{row['difference']:+.1f}",
                "protocol": "differs" if row["protocol_differs"] else "as published",
            }
        )
        if row["protocol_differs"]:
            notes[f"{row['model']}, {row['metric']}: {row['protocol_differs']}"] = None
    sources = listing(sorted(set(rows["source"])))
    made = pd.DataFrame(lines)
    made.attrs.update(labels=2, notes=[*notes, f"Published figures: {sources}"])
    return made


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """Draw one panel per metric: ours with its interval, and the published figure as a vertical stroke."""
    from teachmatters.reports.figures import plots

    every = frames.records(rows)
    metrics = list(dict.fromkeys(row["metric"] for row in every))
    looks = style.looks(every)
    names = list(looks)[::-1]
    figure, axes = plots.panels(len(metrics), columns=2, size=(3.2, 1.0 + 0.3 * len(names)), share=False)
    for nth, (ax, metric) in enumerate(zip(axes, metrics, strict=True)):
        for row in (row for row in every if row["metric"] == metric):
            level, look = names.index(row["model"]), looks[row["model"]]
            ax.plot([row["published"]], [level], color="black", marker="|", markersize=14, linestyle="none")
            if row["low"] is not None:
                ax.plot([row["low"], row["high"]], [level, level], color=look.colour)
            ax.plot([row["value"]], [level], color=look.colour, marker=look.marker, linestyle="none")
        ax.set_ylim(-0.6, len(names) - 0.4)
        ax.set_yticks(range(len(names)), [plots.label(name) if nth == 0 else "" for name in names])
        ax.set_title(plots.wrapped(options.of(metric).title or metric, plots.TITLE))
        ax.set_xlabel("percent (|: published)")
    return figure
