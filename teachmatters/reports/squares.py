"""Numbers of pairs of layers, as squares of colour."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from teachmatters.reports import plots
from teachmatters.reports.frames import column_labels
from teachmatters.reports.options import Options


def draw(every: list[dict[str, Any]], options: Options) -> Figure:
    """A square for each model or pair of models; layers of the first to the right, of the second upwards."""
    pairs = [row for row in every if row["other_layer"] is not None]
    groups: dict[str, list[dict[str, Any]]] = {}
    for row, name in zip(pairs, column_labels(pairs), strict=True):
        groups.setdefault(" / ".join(filter(None, (name, row["category"]))), []).append(row)
    figure, axes = plots.panels(len(groups), columns=4, size=(2.3, 2.5), share=False)
    values = [row["value"] for row in pairs]
    image: AxesImage | None = None
    for ax, (name, rows) in zip(axes, groups.items(), strict=True):
        image = _square(ax, rows, (min(values), max(values)))
        ax.set_title(plots.label(name))
    first = pairs[0]
    for ax in axes[::4]:
        ax.set_ylabel("Layer of the second" if first["other_model"] else "Other layer")
    for ax in plots.bottom(axes):
        ax.set_xlabel("Layer")
    facts = options.of(first["metric"])
    if image is not None:
        figure.colorbar(image, ax=axes, shrink=0.8, label=plots.label(facts.title or facts.name))
    return figure


def _square(ax: Axes, rows: list[dict[str, Any]], limits: tuple[float, float]) -> AxesImage:
    """One image; pairs without a number stay blank."""
    right, up = max(row["layer"] for row in rows), max(row["other_layer"] for row in rows)
    grid = np.full((up, right), np.nan)
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
