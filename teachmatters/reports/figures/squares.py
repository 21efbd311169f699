"""Squares of colour for pairs of layers."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from teachmatters.errors import TeachMattersError
from teachmatters.reports.figures import plots
from teachmatters.reports.options import Options
from teachmatters.reports.tables import captions, frames

MOST = 100  # squares in a figure


def draw(every: list[dict[str, Any]], options: Options) -> Figure:
    """Draw one square per metric and model or pair of models; layers of the first to the right, of the second upwards.

    Raises:
        TeachMattersError: there are more than MOST squares.
    """
    pairs = frames.in_order((row for row in every if row["other_layer"] is not None), options)
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row, name in zip(pairs, _names(pairs), strict=True):
        groups.setdefault(name, []).append(row)
    if len(groups) > MOST:
        raise TeachMattersError(
            f"{len(groups)} squares are too many for one figure; select at most {MOST} with --metric, --model or --data"
        )
    metrics = {row["metric"] for row in pairs}
    figure, axes = plots.panels(len(groups), columns=4, size=(2.3 if len(metrics) == 1 else 2.7, 2.5), share=False)
    image: AxesImage | None = None
    for ax, (names, rows) in zip(axes, groups.items(), strict=True):
        values = [row["value"] for row in pairs if row["metric"] == rows[0]["metric"]]
        image = _square(ax, rows, (min(values), max(values)))
        ax.set_title("\n".join(plots.label(name, longest=34) for name in names if name), fontsize=8)
        if len(metrics) > 1:
            figure.colorbar(image, ax=ax, shrink=0.8)
    for ax in axes[::4]:
        ax.set_ylabel("Layer of the second" if pairs[0]["other_model"] else "Other layer")
    for ax in plots.bottom(axes):
        ax.set_xlabel("Layer")
    if image is not None and len(metrics) == 1:
        figure.colorbar(image, ax=axes, shrink=0.8, label=plots.label(captions.named(options.of(*metrics))))
    return figure


def _names(pairs: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the title of a square: the models, and below them whatever else distinguishes it."""
    several = frames.differing(pairs)
    return [
        (
            " vs ".join(filter(None, (row["model"], row["other_model"]))),
            " / ".join(filter(None, (*frames.parts(row, several), row["category"]))) + mark,
        )
        for row, mark in zip(pairs, frames.setting_marks(pairs), strict=True)
    ]


def _square(ax: Axes, rows: list[dict[str, Any]], limits: tuple[float, float]) -> AxesImage:
    """Draw one square; pairs without a number stay blank."""
    right, up = max(row["layer"] for row in rows), max(row["other_layer"] for row in rows)
    grid = plots.blank(up, right)
    for row in rows:
        grid[row["other_layer"] - 1, row["layer"] - 1] = row["value"]
    image = ax.imshow(
        grid, origin="lower", extent=(0.5, right + 0.5, 0.5, up + 0.5), vmin=limits[0], vmax=limits[1], aspect="auto"
    )
    ax.set_box_aspect(1)
    ax.grid(visible=False)
    ax.set_xticks(plots.whole_ticks(1, right, most=6))
    ax.set_yticks(plots.whole_ticks(1, up, most=6))
    return image
