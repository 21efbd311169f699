"""The report: a table of layers by models, and a panel for each model with its heads and the layer's mean."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

if TYPE_CHECKING:
    from teachmatters.reports.options import Options


# --8<-- [start:table]
def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Make a table of layers by models; ``--heads`` adds rows for these heads."""
    index = ["layer", "head"] if options.heads else ["layer"]
    shown = rows if options.heads else rows[rows["head"].isna()]
    texts = shown.assign(
        model=_names(shown),
        head=shown["head"].fillna(0).astype(int),
        value=shown["value"].map("{:.3f}".format),
    )
    wide = texts.pivot_table(index=index, columns="model", values="value", aggfunc="first", fill_value="")
    return wide.rename(index={0: "all"}, level="head").reset_index() if options.heads else wide.reset_index()


def _names(rows: pd.DataFrame) -> pd.Series[str]:
    """Return the names of the models, with the data set if there are several."""
    return rows["model"] if rows["dataset"].nunique() == 1 else rows["model"] + " on " + rows["dataset"]


# --8<-- [end:table]


# --8<-- [start:draw]
def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """Draw a panel for each model, with shared axes."""
    groups = list(rows.groupby(_names(rows), sort=False))
    columns = min(4, len(groups))
    lines = math.ceil(len(groups) / columns)
    figure = Figure(figsize=(1 + 2.7 * columns, 0.8 + 2.3 * lines), layout="constrained")
    panels = list(figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).flat)
    for axes, (name, model) in zip(panels, groups, strict=False):
        _panel(axes, model)
        axes.set_title(name)
    panels[0].set_ylim(0, 1.05 * rows["value"].max() or 1)  # shared by all panels; identical heads give 0
    for axes in panels[len(groups) - columns : len(groups)]:  # the lowest panel of each column
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("layer")
    for empty in panels[len(groups) :]:
        empty.remove()
    facts = options.of("head-specialisation")  # title and unit of the metric, from the store
    figure.supylabel(f"{facts.title} [{facts.unit}]", fontsize="medium")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame) -> None:
    means, heads = rows[rows["head"].isna()], rows[rows["head"].notna()]
    axes.plot(means["layer"], means["value"], color="#0072B2", label="mean of the layer")
    axes.scatter(heads["layer"], heads["value"], s=12, color="#D55E00", alpha=0.6, linewidths=0, label="one head")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


# --8<-- [end:draw]
