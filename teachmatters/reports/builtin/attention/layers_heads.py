"""Any metric of heads as a map: layers x heads, one panel per model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from teachmatters.reports import titles
from teachmatters.reports.options import Options
from teachmatters.reports.tables import captions, frames

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Rows = list[dict[str, Any]]
SORTED = "The heads of each layer are in the order of their values"


def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return models and layers by heads; with ``--sort`` each layer's values from the smallest to the largest."""
    import pandas as pd

    lines, most = [], 0
    for name, panel in _panels(frames.records(rows)).items():
        for layer, values in sorted(_layers(panel).items()):
            cells = _cells(values, options)
            lines.append([name, str(layer), *(frames.number(value, panel[0]["unit"] or "") for value in cells)])
            most = max(most, len(cells))
    padded = [line + [""] * (most + 2 - len(line)) for line in lines]
    found = pd.DataFrame(padded, columns=["model", "layer", *(str(head) for head in range(1, most + 1))])
    found.attrs.update(labels=2, notes=[SORTED] if options.sort else [])
    return found


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """Draw one panel per model and metric; the panels of a metric share one scale."""
    import numpy as np

    from teachmatters.reports.figures import layer_head_grid, plots

    every = frames.records(rows)
    panels, headings = _panels(every), titles.panel_titles(every)
    grids = {}
    for name, panel in panels.items():
        layers = _layers(panel)
        grids[name] = np.full((max(map(max, layers.values())), max(layers)), np.nan)
        for layer, values in layers.items():
            cells = _cells(values, options)
            grids[name][: len(cells), layer - 1] = cells
    figure, axes = layer_head_grid.panels({headings[name]: grid.shape for name, grid in grids.items()})
    metrics = {name: panel[0]["metric"] for name, panel in panels.items()}
    for metric in dict.fromkeys(metrics.values()):
        own = [(ax, grids[name]) for ax, name in zip(axes, grids, strict=True) if metrics[name] == metric]
        low, high = min(np.nanmin(grid) for _, grid in own), max(np.nanmax(grid) for _, grid in own)
        images = [layer_head_grid.cells(ax, grid, vmin=low, vmax=high) for ax, grid in own]
        label = plots.label(captions.named(options.of(metric)), longest=44)
        figure.colorbar(images[0], ax=[ax for ax, _ in own], label=label, shrink=0.8)
    if options.sort:
        for ax in axes[:: layer_head_grid.COLUMNS]:
            ax.set_ylabel("Heads by value")
    return figure


def _layers(panel: Rows) -> dict[int, dict[int, float]]:
    """Return the value of each head, by layer."""
    layers: dict[int, dict[int, float]] = {}
    for row in panel:
        layers.setdefault(row["layer"], {})[row["head"]] = row["value"]
    return layers


def _cells(values: dict[int, float], options: Options) -> list[float]:
    """Return the values of a layer's heads, in the order of the heads or of the values; NaN for a head without one."""
    if options.sort:
        return sorted(values.values())
    return [values.get(head, float("nan")) for head in range(1, max(values) + 1)]


def _panels(every: Rows) -> dict[str, Rows]:
    """Return the rows of each model, further divided where needed, by metric and in legend order."""
    return dict(sorted(frames.by_label(every).items(), key=lambda group: str(group[1][0]["metric"])))
