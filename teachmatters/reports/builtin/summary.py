"""All models, all tasks: every metric with a direction, each model's best layer, and the models' mean ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from teachmatters.reports import titles
from teachmatters.reports.figures import style
from teachmatters.reports.options import Options
from teachmatters.reports.tables import frames

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

MEAN, COUNT = "mean rank", "tasks measured"
# The size of a cell in inches.
WIDE, HIGH = 0.85, 0.24

Row = dict[str, Any]
# The rows of one metric on one data set, by model.
Task = Mapping[str, Row]


def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return tasks by models, cells ``score (layer)``, the best bold; at the end mean ranks, and counts of tasks.

    The mean rank is over the tasks that all models have. Otherwise a model measured on a few tasks, among few others,
    would rank first.
    """
    import pandas as pd

    models, tasks = _read(rows)
    lines = [[name, *(_cell(task.get(model)) for model in models)] for name, task in tasks.items()]
    bold = {
        (nth, column)
        for nth, task in enumerate(tasks.values())
        for column, model in enumerate(models, start=1)
        if model in task and task[model]["place"] == 1
    }
    foot = _foot(models, tasks)
    bold |= {(len(tasks), column) for column, is_first in enumerate(_firsts(models, tasks), start=1) if is_first}
    shown = pd.DataFrame([*lines, *foot], columns=["task", *models])
    tints = {
        (nth, column): _share(task[model])
        for nth, task in enumerate(tasks.values())
        for column, model in enumerate(models, start=1)
        if model in task
    }
    shown.attrs.update(bold=bold, labels=1, foot=len(foot), notes=_notes(models, tasks), tints=tints)
    return shown


def _foot(models: Sequence[str], tasks: Mapping[str, Task]) -> list[list[str]]:
    """Return the row of mean ranks, and the row of task counts if models lack tasks."""
    counts = [sum(model in task for task in tasks.values()) for model in models]
    counted = [[COUNT, *map(str, counts)]] if set(counts) != {len(tasks)} else []
    return [[MEAN, *map(_number, _mean_places(models, tasks))], *counted]


def _notes(models: Sequence[str], tasks: Mapping[str, Task]) -> list[str]:
    common = len(_common(models, tasks))
    if common == len(tasks):
        return []
    over = f"is over the {common} of {len(tasks)} tasks" if common else "needs tasks"
    return [f"The mean rank {over} that all {len(models)} models have; --model leaves models out"]


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """Draw a matrix of scores with their layers; darker cells have better ranks."""
    import numpy as np
    from matplotlib.figure import Figure

    from teachmatters.reports.figures import plots

    models, tasks = _read(rows)
    shown = titles.display_names(frames.records(rows))
    foot = _foot(models, tasks)
    none = [[float("nan")] * len(models)] * len(foot)
    share = np.array([[_share(task.get(model)) for model in models] for task in tasks.values()] + none)
    names = [*(plots.label(name, longest=40) for name in tasks), *(line[0] for line in foot)]
    room = 0.4 + 0.07 * max(map(len, names))
    figure = Figure(figsize=(room + WIDE * len(models) + 0.9, 0.9 + HIGH * len(names)), layout="constrained")
    ax = figure.subplots()
    image = ax.imshow(share, cmap="Blues", vmin=0, vmax=1.25, aspect="auto")
    ax.set_xticks(range(len(models)), [plots.narrow(shown[model], WIDE) for model in models], fontsize=8)
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
    firsts = _firsts(models, tasks)
    for nth, (_, *cells) in enumerate(foot, start=len(tasks)):
        for column, text in enumerate(cells):
            weight = "bold" if nth == len(tasks) and firsts[column] else "normal"
            ax.text(column, nth, text, ha="center", va="center", fontsize=7.5, weight=weight)
    bar = figure.colorbar(image, ax=ax, shrink=0.6, boundaries=np.linspace(0, 1, 101), ticks=[0, 1])
    bar.ax.set_yticklabels(["last", "first"])
    return figure


def _read(rows: pd.DataFrame) -> tuple[list[str], dict[str, Task]]:
    every = frames.records(rows)
    tasks: dict[str, dict[str, Row]] = {}
    for name, row in zip(frames.tasks(every), every, strict=True):
        tasks.setdefault(name, {})[row["model"]] = row
    return list(style.looks(every)), dict(tasks)


def _common(models: Sequence[str], tasks: Mapping[str, Task]) -> list[Task]:
    """Return the tasks that all models were measured on."""
    return [task for task in tasks.values() if all(model in task for model in models)]


def _mean_places(models: Sequence[str], tasks: Mapping[str, Task]) -> list[float | None]:
    """Return each model's mean rank over the tasks that all models have; None if there is none."""
    common = _common(models, tasks)
    return [fmean(task[model]["place"] for task in common) if common else None for model in models]


def _firsts(models: Sequence[str], tasks: Mapping[str, Task]) -> list[bool]:
    """Return which models have the lowest mean rank."""
    places = _mean_places(models, tasks)
    return [place is not None and place == min(each for each in places if each is not None) for place in places]


def _number(place: float | None) -> str:
    return "" if place is None else f"{place:.1f}"


def _share(row: Row | None) -> float:
    """Return 1 for the first place, 0 for the last; a single model is first."""
    if row is None:
        return float("nan")
    return 1.0 if row["models"] == 1 else 1 - (row["place"] - 1) / (row["models"] - 1)


def _cell(row: Row | None) -> str:
    return f"{frames.number(row['value'], row['unit'] or '')} ({row['layer']})" if row else ""
