"""Draw the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from teachmatters.reports.options import Options


# --8<-- [start:draw]
def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """Draw a bar for each model and data set."""
    figure = Figure(figsize=(5, 1 + 0.4 * len(rows)), layout="constrained")
    axes = figure.subplots()
    axes.barh(rows["model"] + " on " + rows["dataset"], rows["growth"])
    axes.set_xlabel("token norm, last layer over first")
    return figure


# --8<-- [end:draw]
