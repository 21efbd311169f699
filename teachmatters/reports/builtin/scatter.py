"""Two metrics against each other: one point per layer, or per head, of each model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from teachmatters.reports.figures import style
from teachmatters.reports.options import Options
from teachmatters.reports.tables import captions, frames

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Points = list[dict[str, Any]]
SIDES = ("", "other_")
FEW = 8  # models; more get larger panels, and smaller points
# The marks of a model's first and last layer.
ENDS: dict[str, dict[str, Any]] = {
    "first": {"markersize": 5, "markerfacecolor": "white"},
    "last": {"markersize": 7, "markeredgecolor": "black", "markeredgewidth": 0.8},
}
_PANEL = ("other_metric", "dataset", "split", "other_dataset")


def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return layers (and heads) by models with both numbers in a cell, one block of rows per pair of metrics."""
    import pandas as pd

    every = frames.records(rows)
    panels, models = _panels(every), list(style.looks(every))
    several = len({_place(row, side) for row in every for side in SIDES}) > 1
    lines = []
    for points in panels:
        found = {(row["model"], row["layer"], row["head"]): row for row in reversed(points)}
        for layer, head in sorted({(row["layer"], row["head"]) for row in points}, key=lambda p: (p[0], p[1] or 0)):
            cells = (_cell(found.get((model, layer, head))) for model in models)
            lines.append([_title(points, several), str(layer), str(head or ""), *cells])
    shown = pd.DataFrame(lines, columns=["metrics", "layer", "head", *models])
    by_head = options.by == "head"
    shown = shown if by_head else shown.drop(columns="head")
    shown.attrs["labels"] = 2 + by_head
    return shown


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """Draw one panel per pair of metrics; a line joins a model's layers, marks tell the first and the last.

    With ``--by head``, a point is a head; points of deeper layers are larger.
    """
    from teachmatters.reports.figures import plots

    every = frames.records(rows)
    looks, panels = style.looks(every), _panels(every)
    several = len({_place(row, side) for row in every for side in SIDES}) > 1
    size = (3.4, 3.0) if len(looks) <= FEW else (4.4, 4.2)
    figure, axes = plots.panels(len(panels), columns=3, size=size, share=False)
    for ax, points in zip(axes, panels, strict=True):
        for model, look in looks.items():
            own = [row for row in points if row["model"] == model]
            if options.by == "head":
                _cloud(ax, own, look, scale=min(1, FEW / len(looks)))
            else:
                _path(ax, own, look)
        ax.set_xlabel(plots.wrapped(_axis(points[0], "", options, several), 2.6))
        ax.set_ylabel(plots.wrapped(_axis(points[0], "other_", options, several), 2.2))
        ax.margins(0.08)
    plots.legend(figure, looks, {} if options.by == "head" else _key())
    return figure


def _key() -> dict[str, Artist]:
    from matplotlib.lines import Line2D

    return {
        f"{name} layer": Line2D([], [], color="#555555", marker="o", linestyle="none", **ends)
        for name, ends in ENDS.items()
    }


def _path(ax: Axes, points: Points, look: style.Look) -> None:
    points = sorted(points, key=lambda row: row["layer"])
    x, y = ([row[name] for row in points] for name in ("value", "other_value"))
    mark: dict[str, Any] = {"color": look.colour, "marker": look.marker, "linestyle": "none"}
    ax.plot(x, y, color=look.colour, linestyle=look.line, linewidth=0.7, alpha=0.5)
    ax.plot(x[1:-1], y[1:-1], **mark, markersize=3, alpha=0.6)
    # Numbers of layers would cover each other.
    ax.plot(x[:1], y[:1], **mark, **ENDS["first"], zorder=3)
    ax.plot(x[-1:], y[-1:], **mark, **ENDS["last"], zorder=3)


def _cloud(ax: Axes, points: Points, look: style.Look, scale: float) -> None:
    """Draw one point per head; deeper layers are larger, and all are smaller by ``scale``."""
    depth = max((row["layer"] for row in points), default=1)
    sizes = [scale * (4 + 22 * row["layer"] / depth) for row in points]
    x, y = ([row[name] for row in points] for name in ("value", "other_value"))
    ax.scatter(x, y, s=sizes, color=look.colour, marker=look.marker, alpha=0.55, linewidths=0)


def _panels(every: Points) -> list[Points]:
    parts: dict[tuple[Any, ...], Points] = {}
    for row in every:
        parts.setdefault(tuple(row[key] for key in _PANEL), []).append(row)
    return list(parts.values())


def _title(points: Points, several: bool) -> str:
    first = points[0]
    where = ", ".join(dict.fromkeys(_place(first, side) for side in SIDES))
    return f"{first['metric']}, {first['other_metric']}" + (f" ({where})" if several else "")


def _place(row: dict[str, Any], side: str) -> str:
    return str(row[f"{side}dataset"])


def _axis(row: dict[str, Any], side: str, options: Options, several: bool) -> str:
    """Return an axis label: metric, unit, and the data set if there are several."""
    said = captions.named(options.of(row[f"{side}metric"]))
    return " / ".join([said, *([_place(row, side)] if several else [])])


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    return ", ".join(frames.number(row[f"{side}value"], row[f"{side}unit"] or "") for side in SIDES)
