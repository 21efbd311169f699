"""The similarity of the last layers of all models: one matrix per kind of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from teachmatters.reports import supervisions, titles
from teachmatters.reports.builtin.cka import EXACT
from teachmatters.reports.options import Options
from teachmatters.reports.tables import frames

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

CELL = 0.5  # side of a cell, in inches; a number fits

LONGEST = 20  # characters of a model's name

Values = dict[tuple[str, str], float]


def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return models by models, one block of rows per metric; pairs without a number are blank."""
    import pandas as pd

    models, metrics = _read(rows, options)
    lines = [
        [metric, first, *(frames.number(values.get((first, second))) for second in models)]
        for metric, values in metrics.items()
        for first in models
    ]
    table = pd.DataFrame(lines, columns=["metric", "model", *models])
    cells = [values.get((first, second)) for values in metrics.values() for first in models for second in models]
    tints = {
        (place // len(models), 2 + place % len(models)): max(0.0, value)
        for place, value in enumerate(cells)
        if value is not None
    }
    table.attrs.update(labels=2, tints=tints)
    return table


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """Draw one matrix per metric, with its numbers."""
    from teachmatters.reports.figures import plots

    models, metrics = _read(rows, options)
    side = max(2.2, CELL * len(models)) + 0.4
    figure, axes = plots.panels(len(metrics), columns=3, size=(side, side), share=False)
    shown = titles.display_names(frames.records(rows))
    names = [plots.label(shown[name], longest=LONGEST) for name in models]
    room, lines = 0.07 * max(map(len, names)), -(-len(axes) // 3)
    figure.set_size_inches(len(axes[:3]) * side + room + 1.0, lines * (side + room) + 0.3)
    # Squares leave part of their panels empty; the plain layout would use it for labels.
    figure.set_layout_engine("compressed")
    image, low = None, min(0.0, *(value for values in metrics.values() for value in values.values()))
    for place, (ax, (metric, values)) in enumerate(zip(axes, metrics.items(), strict=True)):
        image = _matrix(ax, values, models, low)
        facts = options.of(metric)
        ax.set_title(plots.label(facts.title or facts.name))
        ax.set_xticks(range(len(models)), names, rotation=90 if len(models) > 2 else 0)
        ax.set_yticks(range(len(models)), names if place % 3 == 0 else [""] * len(models))
    if image is not None:
        figure.colorbar(image, ax=axes, shrink=0.7, label="Similarity of last layers")
    return figure


def _matrix(ax: Axes, values: Values, models: list[str], low: float) -> AxesImage:
    import numpy as np

    from teachmatters.reports.figures.plots import INSIDE

    grid = np.array([[values.get((first, second), np.nan) for second in models] for first in models])
    image = ax.imshow(grid, vmin=low, vmax=1.0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    for (row, column), value in np.ndenumerate(grid):
        if not np.isnan(value):
            # Dark text on viridis' yellow and green, light text on its blue.
            colour = "black" if (value - low) / (1 - low) > 0.6 else "white"
            ax.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=7.5, **INSIDE)
    return image


def _read(rows: pd.DataFrame, options: Options) -> tuple[list[str], dict[str, Values]]:
    """Return the models, grouped by supervision, and the numbers of each metric in the selected order."""
    every: list[dict[str, Any]] = frames.records(rows)
    models = [
        row["model"] for row in sorted({row["model"]: row for row in every}.values(), key=supervisions.model_order)
    ]
    names = sorted({row["metric"] for row in every}, key=options.metrics.index)
    found: dict[str, Values] = {name: {} for name in names}
    for row in every:
        found[row["metric"]][row["model"], row["other_model"]] = round(row["value"], EXACT)
    return models, found
