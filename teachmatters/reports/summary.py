"""All models, all tasks: every metric that has a better, each model's best layer, and who comes first how often."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import TYPE_CHECKING, Any

from teachmatters.reports import frames, style
from teachmatters.reports.options import Options

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

MEAN = "mean place"
WIDE, HIGH = 0.85, 0.24
"""Inches of a cell."""

Row = dict[str, Any]
Task = Mapping[str, Row]
"""The rows of one metric on one data set, by model."""


def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Tasks by models, cells ``score (layer)``, the best bold; at the end each model's mean place."""
    import pandas as pd

    models, tasks = _read(rows)
    lines = [[name, *(_cell(task.get(model)) for model in models)] for name, task in tasks.items()]
    bold = {
        (nth, column)
        for nth, task in enumerate(tasks.values())
        for column, model in enumerate(models, start=1)
        if model in task and task[model]["place"] == 1
    }
    places = [_mean_place(tasks, model) for model in models]
    lines.append([MEAN, *(f"{place:.1f}" for place in places)])
    bold |= {(len(tasks), column) for column, place in enumerate(places, start=1) if place == min(places)}
    shown = pd.DataFrame(lines, columns=["task", *models])
    shown.attrs.update(bold=bold, labels=1, foot=1)
    return shown


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """A chequered table: the darker, the nearer to the first place; each cell says its score and its layer."""
    import numpy as np
    from matplotlib.figure import Figure

    from teachmatters.reports import plots

    models, tasks = _read(rows)
    none = [[float("nan")] * len(models)]
    share = np.array([[_share(task.get(model)) for model in models] for task in tasks.values()] + none)
    names = [*(plots.label(name, longest=40) for name in tasks), MEAN]
    places = [_mean_place(tasks, model) for model in models]
    room = 0.4 + 0.07 * max(map(len, names))
    figure = Figure(figsize=(room + WIDE * len(models) + 0.9, 0.9 + HIGH * len(names)), layout="constrained")
    ax = figure.subplots()
    image = ax.imshow(share, cmap="Blues", vmin=0, vmax=1.25, aspect="auto")
    ax.set_xticks(range(len(models)), [plots.label(model) for model in models], fontsize=8)
    ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    ax.set_yticks(range(len(names)), names)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    for nth, task in enumerate(tasks.values()):
        for column, model in enumerate(models):
            first = model in task and task[model]["place"] == 1
            ax.text(
                column, nth, _cell(task.get(model)), ha="center", va="center", fontsize=7.5,
                weight="bold" if first else "normal", color="white" if share[nth, column] > 0.8 else "black",
                **plots.INSIDE,
            )  # fmt: skip
    for column, place in enumerate(places):
        weight = "bold" if place == min(places) else "normal"
        ax.text(column, len(tasks), f"{place:.1f}", ha="center", va="center", fontsize=7.5, weight=weight)
    bar = figure.colorbar(image, ax=ax, shrink=0.6, boundaries=np.linspace(0, 1, 101), ticks=[0, 1])
    bar.ax.set_yticklabels(["last", "first"])
    return figure


def _read(rows: pd.DataFrame) -> tuple[list[str], dict[str, Task]]:
    every = frames.records(rows)
    tasks: dict[str, dict[str, Row]] = {}
    for name, row in zip(frames.tasks(every), every, strict=True):
        tasks.setdefault(name, {})[row["model"]] = row
    return list(style.looks(every)), dict(tasks)


def _mean_place(tasks: Mapping[str, Task], model: str) -> float:
    """Over the tasks that the model was measured on."""
    return fmean(task[model]["place"] for task in tasks.values() if model in task)


def _share(row: Row | None) -> float:
    """1 for the first place, 0 for the last; a lone model is first."""
    if row is None:
        return float("nan")
    return 1.0 if row["models"] == 1 else 1 - (row["place"] - 1) / (row["models"] - 1)


def _cell(row: Row | None) -> str:
    return f"{frames.number(row['value'], row['unit'] or '')} ({row['layer']})" if row else ""
