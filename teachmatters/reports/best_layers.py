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
LABELS = 2
SURE, TIED, STAYS = "  95 %", "  tied layers", "P(best)"
NOTE = (
    "Beneath a score (layer): its 95 % interval, and the layers tied with it; P(best): how often the best model stays "
    "it. Computed beside the query, from the scores of single units"
)
_TASK = ("metric", "protocol", "dataset", "split")


def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Models by tasks, cells ``score (layer)``, beneath them the 95 % interval and the layers that are as good.

    The last line says how often the best of a column stays the best; ``attrs["bold"]`` holds the positions of each
    column's best, ``attrs["notes"]`` what the lines beneath mean.
    """
    import pandas as pd

    every = frames.records(rows)
    models = sorted({row["model"]: row for row in every}.values(), key=style.model_order)
    tasks = _tasks(every, options)
    bests = [_best(scores) for scores in tasks.values()]
    lines: list[list[str]] = []
    bold: set[tuple[int, int]] = set()
    for model in models:
        own = [scores.get(model["model"]) for scores in tasks.values()]
        for column, (row, best) in enumerate(zip(own, bests, strict=True), start=LABELS):
            if row and row["value"] == best:
                bold.add((len(lines), column))
        lines.append([model["supervision"] or model["family"] or "", model["model"], *map(_cell, own)])
        if any(_sure(row) for row in own):
            lines += [["", SURE, *map(_sure, own)], ["", TIED, *map(_tied, own)]]
    foot = int(any(_stays(scores) for scores in tasks.values()))
    if foot:
        lines.append(["", STAYS, *map(_stays, tasks.values())])
    body = pd.DataFrame(lines, columns=["supervision", "model", *tasks])
    body.attrs.update(bold=bold, labels=LABELS, foot=foot, notes=[NOTE] if foot or len(lines) > len(models) else [])
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
    tied = [int(layer) / (row["depth"] or row["layer"]) for layer in (row.get("tied_layers") or "").split(",") if layer]
    ax.plot(tied, [height] * len(tied), color=look.colour, marker="|", markersize=7, linestyle="none", alpha=0.7)
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
    tasks: dict[str, dict[str, dict[str, Any]]] = {}
    ranked = sorted(every, key=lambda row: (order.get(row["metric"], 0), *(str(row[part] or "") for part in _TASK)))
    for name, row in zip(frames.tasks(ranked), ranked, strict=True):
        tasks.setdefault(name, {})[row["model"]] = row
    return tasks


def _best(scores: dict[str, dict[str, Any]]) -> float:
    best = max if all(row["higher_is_better"] for row in scores.values()) else min
    return best(float(row["value"]) for row in scores.values())


def _cell(row: dict[str, Any] | None) -> str:
    return f"{frames.number(row['value'], row['unit'] or '')} ({row['layer']})" if row else ""


def _sure(row: dict[str, Any] | None) -> str:
    """The interval of the best layer; nothing where there are no unit scores."""
    if not row or row.get("low") is None:
        return ""
    return " to ".join(frames.number(row[name], row["unit"] or "") for name in ("low", "high"))


def _tied(row: dict[str, Any] | None) -> str:
    """The layers that are as good as the best, itself among them."""
    return "" if not row or row.get("low") is None else _ranges(row["tied_layers"])


def _ranges(layers: str) -> str:
    """Layers as people write them.

    >>> _ranges("1,2,3,7,9,10"), _ranges("4")
    ('1-3, 7, 9-10', '4')
    """
    numbers = [int(layer) for layer in layers.split(",")]
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))


def _stays(scores: dict[str, dict[str, Any]]) -> str:
    """How often the best model of a task stays the best; of several as good the sum."""
    best = _best(scores)
    shares = [row.get("wins") for row in scores.values() if row["value"] == best]
    known = [share for share in shares if share is not None]
    return f"{sum(known):.2f}" if known else ""
