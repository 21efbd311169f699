"""Skip against branch over the layers: their CKA, and the ratios of their norms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teachmatters.reports import frames, metric
from teachmatters.reports.options import Options

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Metrics and layers by models."""
    # Eight metrics of several models side by side would be too wide to read.
    stacked = rows.assign(category=rows["metric"], metric="residual", other_layer=None)
    return frames.wide(stacked, options, ("category", "layer")).rename(columns={"category": "metric"})


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """A panel for each metric with a line for each model; the metrics stand in the report's order."""
    order = {name: place for place, name in enumerate(options.metrics)}
    ranked = rows.sort_values("metric", key=lambda names: names.map(order), kind="stable")
    return metric.draw(ranked.assign(other_layer=None), options)
