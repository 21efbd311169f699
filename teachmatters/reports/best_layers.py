"""Which layer is best at what: a table of models by tasks, and where in the network the best layers lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from teachmatters.reports import frames, style
from teachmatters.reports.options import Options

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
_TASK = ("metric", "protocol", "dataset", "split")


def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Models by tasks, cells ``score (layer)``; ``attrs["bold"]`` holds the positions of each column's best."""
    import pandas as pd

    every = frames.records(rows)
    models = sorted({row["model"]: row for row in every}.values(), key=style.model_order)
    tasks = _tasks(every, options)
    head = pd.DataFrame({
        "supervision": [row["supervision"] or row["family"] or "" for row in models],
        "model": [row["model"] for row in models],
    })  # fmt: skip
    body, bold = head.copy(), set()
    for place, (name, scores) in enumerate(tasks.items(), start=len(head.columns)):
        column = [scores.get(row["model"]) for row in models]
        body[name] = [_cell(row) for row in column]
        bold |= {(nth, place) for nth, row in enumerate(column) if row and row["value"] == _best(scores)}
    body.attrs.update(bold=bold, labels=len(head.columns))
    return body


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """A panel for each task: how deep in each model the best layer lies, with its score and number."""
    from teachmatters.reports import plots

    every = frames.records(rows)
    looks, tasks = style.looks(every), _tasks(every, options)
    names = list(looks)[::-1]
    height = 1.0 + 0.3 * len(names)
    figure, axes = plots.panels(len(tasks), columns=COLUMNS, size=(2.9, height))
    if len(tasks) == 1:
        figure.set_size_inches(6.0, 0.4 + height)
    for nth, (ax, (task, scores)) in enumerate(zip(axes, tasks.items(), strict=True)):
        ax.set_title(plots.label(task, longest=40))
        ax.set_yticks(
            range(len(names)), [plots.label(name) for name in names] if nth % COLUMNS == 0 else [""] * len(names)
        )
        ax.set_ylim(-0.6, len(names) - 0.4)
        for height_of, name in enumerate(names):
            if name in scores:
                _mark(ax, scores[name], height_of, looks[name])
        ax.set_xlim(0, 1.05)
    for ax in plots.bottom(axes, columns=COLUMNS):
        ax.set_xlabel("Relative depth of the best layer")
    return figure


def _mark(ax: Axes, row: dict[str, Any], height: int, look: style.Look) -> None:
    depth = row["layer"] / (row["depth"] or row["layer"])
    ax.plot([0, depth], [height, height], color=look.colour, linewidth=1.0, alpha=0.5)
    ax.plot([depth], [height], color=look.colour, marker=look.marker, markersize=6, linestyle="none")
    left = depth > 0.5
    ax.annotate(
        _cell(row), (depth, height), xytext=(-7 if left else 7, 0), textcoords="offset points",
        ha="right" if left else "left", va="center", fontsize=7.5,
        bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
    )  # fmt: skip


def _tasks(every: list[dict[str, Any]], options: Options) -> dict[str, dict[str, dict[str, Any]]]:
    """Each column's name with its rows by model: metrics in the order asked for, then data sets by name."""
    order = {name: place for place, name in enumerate(options.metrics)}
    several = [part for part in ("protocol", "split") if _differs(every, part)]
    tasks: dict[str, dict[str, dict[str, Any]]] = {}
    ranked = sorted(every, key=lambda row: (order.get(row["metric"], 0), *(str(row[part] or "") for part in _TASK)))
    for row in ranked:
        name = " / ".join([row["metric"], row["dataset"], *(row[part] for part in several if row[part])])
        tasks.setdefault(name, {})[row["model"]] = row
    return tasks


def _differs(every: list[dict[str, Any]], part: str) -> bool:
    """Whether one metric on one data set has several of them."""
    seen: dict[tuple[str, str], set[Any]] = {}
    for row in every:
        seen.setdefault((row["metric"], row["dataset"]), set()).add(row[part])
    return any(len(values) > 1 for values in seen.values())


def _best(scores: dict[str, dict[str, Any]]) -> float:
    best = max if all(row["higher_is_better"] for row in scores.values()) else min
    return best(float(row["value"]) for row in scores.values())


def _cell(row: dict[str, Any] | None) -> str:
    return f"{frames.number(row['value'], row['unit'] or '')} ({row['layer']})" if row else ""
