"""Skip connections and branches, in three panels: CKA, and the ratio of norms of class and spatial tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teachmatters.reports.figures import style
from teachmatters.reports.options import Options
from teachmatters.reports.tables import frames

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

BLOCKS = ("attn", "mlp")
# Metrics without the name of the block, and their axes. The ratio of all tokens is nearly that of the spatial ones.
PANELS = {
    "residual-cka-{}": "CKA of skip and branch",
    "residual-norm-{}-cls": "norm of skip / branch\nclass token",
    "residual-norm-{}-spatial": "norm of skip / branch\nspatial tokens",
}
ALL = "residual-norm-{}-all"


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """Draw one panel per measure, attention blocks as full and MLPs as hollow marks; other metrics as they are.

    Ratios have a logarithmic axis with a line at 1, where skip and branch are equally long.
    """
    from teachmatters.reports.builtin import metric
    from teachmatters.reports.figures import layer_lines, plots

    every = frames.records(rows)
    measured = {row["metric"] for row in every} - {ALL.format(block) for block in BLOCKS}
    if measured != {name.format(block) for block in BLOCKS for name in PANELS}:
        return metric.draw(rows, options)
    looks, places = style.looks(every), layer_lines.split(every, ("dataset", "split"))
    figure, axes = plots.panels(len(places) * len(PANELS), columns=len(PANELS), size=(3.0, 3.1))
    cells = [(place, name) for place in places for name in PANELS]
    for ax, (place, name) in zip(axes, cells, strict=True):
        blocks = [[row for row in place if row["metric"] == name.format(block)] for block in BLOCKS]
        for block, hollow in zip(blocks, (False, True), strict=True):
            for line in layer_lines.split(block, ("model",)):
                layer_lines.draw_line(
                    ax, line, looks[line[0]["model"]], plots.same_depth(every), shade=0.08, hollow=hollow
                )
        if "norm" in name:
            ax.set_yscale("log")
            ax.yaxis.set_major_formatter("{x:g}")
            layer_lines.reference(ax, 1.0)
        else:
            drawn = layer_lines.drawn_values(row for block in blocks for row in block)
            layer_lines.fit(ax, drawn, options.of(name.format("attn")))
        ax.set_ylabel(PANELS[name])
        ax.set_title(plots.label(place[0]["dataset"]) if len(places) > 1 else "")
    plots.layer_axis(axes, every, plots.bottom(axes, columns=len(PANELS)))
    plots.legend(figure, looks, _key() | layer_lines.band_key(every))
    return figure


def _key() -> dict[str, Artist]:
    """Return the legend entries of the two branches of a block."""
    from matplotlib.lines import Line2D

    grey = "#555555"
    return {
        "attention block": Line2D([], [], color=grey, marker="o"),
        "MLP": Line2D([], [], color=grey, marker="o", markerfacecolor="white", linewidth=0.8),
    }
