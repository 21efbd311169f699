"""The report of any metric: a table of layers by models, a line over the layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from teachmatters.reports.builtin import by_step, by_supervision, pooled
from teachmatters.reports.builtin.references import is_drawn_with
from teachmatters.reports.figures import style
from teachmatters.reports.figures.layer_lines import band_key, draw_panel, drawn_values, fit, reference_key, split
from teachmatters.reports.options import Options
from teachmatters.reports.tables import frames

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return layers (heads, categories) by models, or training steps by layers."""
    if options.by == "step":
        return by_step.table(rows, options)
    return frames.stacked(rows, options, ("layer", "other_layer", "head", "category"))


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """Draw one panel per metric and data set with one line per model; pairs of layers as squares."""
    every = frames.records(rows)
    if options.by == "step":
        return by_step.draw(every, options)
    if any(row.get("other_layer") is not None for row in every):
        from teachmatters.reports.figures import squares

        return squares.draw(every, options)
    if options.pool:
        return pooled.draw(every, options)
    if options.by:
        return by_supervision.draw(frames.models_by_setting(every), options)
    return _lines(frames.models_by_setting(every), options)


def _lines(every: list[dict[str, Any]], options: Options) -> Figure:
    from teachmatters.reports.figures import plots

    names = {row["metric"] for row in every}
    every = [row for row in every if not is_drawn_with(row["metric"], names)]
    groups = split(frames.in_order(every, options), ("metric", "protocol", "dataset", "split"))
    differ = [part for part in ("protocol", "dataset", "split") if part in frames.differing(every)]
    looks = style.looks(every)
    figure, axes = plots.panels(len(groups), columns=3)
    for ax, panel in zip(axes, groups, strict=True):
        draw_panel(ax, panel, looks, plots.same_depth(every))
        facts = options.of(panel[0]["metric"])
        fit(ax, drawn_values(panel), facts)
        title = " / ".join([facts.title or facts.name, *frames.parts(panel[0], differ)])
        ax.set_title(plots.wrapped(title, plots.TITLE))
        ax.set_ylabel(plots.label(panel[0]["unit"] or ""))
    plots.layer_axis(axes, every, plots.bottom(axes, columns=3))
    plots.legend(figure, looks, reference_key(every) | band_key(every))
    return figure
