"""Skip connections and branches, in three columns: CKA, and the ratio of norms of class and spatial tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teachmatters.reports.figures import style
from teachmatters.reports.options import Options
from teachmatters.reports.tables import frames

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

BLOCKS = {"attn": "Attention", "mlp": "MLP"}
# Metrics without the name of the block, and their axes. The ratio of all tokens is nearly that of the spatial ones.
COLUMNS = {
    "residual-cka-{}": "{}:\nCKA of skip and branch",
    "residual-norm-{}-cls": "{}, class token:\nnorm of skip / branch",
    "residual-norm-{}-spatial": "{}, spatial tokens:\nnorm of skip / branch",
}
ALL = "residual-norm-{}-all"


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """Draw one row of panels for the attention blocks and one for the MLPs; other selections as for any metric.

    Ratios have a logarithmic axis with a line at 1, where skip and branch are equally long.
    """
    from teachmatters.reports.builtin import metric
    from teachmatters.reports.figures import layer_lines, plots

    every = frames.records(rows)
    held = {row["metric"] for row in every}
    names = [(block, name) for block in BLOCKS for name in COLUMNS]
    if held - {ALL.format(block) for block in BLOCKS} != {name.format(block) for block, name in names}:
        return metric.draw(rows, options)
    looks = style.looks(every)
    figure, axes = plots.panels(len(names), columns=len(COLUMNS), size=(2.7, 2.3))
    for ax, (block, name) in zip(axes, names, strict=True):
        panel = [row for row in every if row["metric"] == name.format(block)]
        layer_lines.draw_panel(ax, panel, looks, plots.same_depth(every))
        if "norm" in name:
            ax.set_yscale("log")
            ax.yaxis.set_major_formatter("{x:g}")
            layer_lines.reference(ax, 1.0)
        else:
            layer_lines.fit(ax, layer_lines.drawn_values(panel), options.of(panel[0]["metric"]))
        ax.set_ylabel(COLUMNS[name].format(BLOCKS[block]), fontsize=8)
    plots.layer_axis(axes, every, plots.bottom(axes, columns=len(COLUMNS)))
    plots.legend(figure, looks, layer_lines.band_key(every))
    return figure
