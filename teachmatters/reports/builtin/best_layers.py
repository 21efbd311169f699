"""The best layer of each model on each task: a table of models by tasks, and the depth of the best layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from teachmatters.reports import supervisions, titles
from teachmatters.reports.figures import style
from teachmatters.reports.options import Options
from teachmatters.reports.tables import captions, frames

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
LABELS = 2
SURE, TIED, STAYS = "  95 %", "  tied layers", "P(best)"
NOTE = (
    "Below a score (layer): its 95 % interval and the layers tied with it. P(best): how often the best model stays the "
    "best under resampling (for each, if several are equal). Computed from the scores of single units, not by the query"
)
_TASK = ("metric", "protocol", "dataset", "split", "setting")


def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return models by tasks: cells ``score (layer)``, below them the 95 % interval and the tied layers.

    The last line says how often the best of a column stays the best; ``attrs["bold"]`` holds the positions of each
    column's best, ``attrs["notes"]`` explains the lines below the scores.
    """
    import pandas as pd

    every = frames.records(rows)
    models = sorted({row["model"]: row for row in every}.values(), key=supervisions.model_order)
    tasks = _tasks(every, options)
    bests = [_best(scores) for scores in tasks.values()]
    lines: list[list[str]] = []
    bold: set[tuple[int, int]] = set()
    for model in models:
        own = [scores.get(model["model"]) for scores in tasks.values()]
        for column, (row, best) in enumerate(zip(own, bests, strict=True), start=LABELS):
            if row and row["value"] == best:
                bold.add((len(lines), column))
        lines.append([model["supervision"] or "", model["model"], *map(_cell, own)])
        if any(_sure(row) for row in own):
            lines += [["", SURE, *map(_sure, own)], ["", TIED, *map(_tied, own)]]
    foot = int(any(_stays(scores) for scores in tasks.values()))
    if foot:
        lines.append(["", STAYS, *map(_stays, tasks.values())])
    body = pd.DataFrame(lines, columns=["supervision", "model", *tasks])
    body.attrs.update(bold=bold, labels=LABELS, foot=foot, notes=[NOTE] if foot or len(lines) > len(models) else [])
    return body


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """Draw one panel per task: each model's best layer, the layers tied with it, and the score."""
    from teachmatters.reports.figures import plots

    every = frames.records(rows)
    looks, tasks = style.looks(every), _tasks(every, options)
    shown = titles.display_names(every)
    names = list(looks)[::-1]
    height = 1.0 + 0.3 * len(names)
    figure, axes = plots.panels(len(tasks), columns=COLUMNS, size=(3.2, height))
    if len(tasks) == 1:
        figure.set_size_inches(6.0, 0.6 + height)
    by_number = plots.same_depth(every)
    for nth, (ax, scores) in enumerate(zip(axes, tasks.values(), strict=True)):
        ax.set_title(plots.wrapped(_title(next(iter(scores.values())), every, options), plots.TITLE))
        ax.set_yticks(
            range(len(names)), [plots.label(shown[name]) for name in names] if nth % COLUMNS == 0 else [""] * len(names)
        )
        ax.set_ylim(-0.6, len(names) - 0.4)
        for level, name in enumerate(names):
            if name in scores:
                _mark(ax, scores[name], level, looks[name], by_number)
        _depth_axis(ax, every, by_number)
    for ax in plots.bottom(axes, columns=COLUMNS):
        ax.set_xlabel("Best layer" if by_number else "Relative depth of the best layer")
    if any(row.get("tied_layers") for row in every):
        _key(figure)
    return figure


def _title(row: dict[str, Any], every: list[dict[str, Any]], options: Options) -> str:
    """Return a panel's title: metric and unit, and the data set, protocol, split and setting that distinguish it."""
    several = [part for part in ("dataset", "protocol", "split") if part in frames.differing(every)]
    (mark, *_) = frames.setting_marks([row, *every])
    return " / ".join([captions.named(options.of(row["metric"])), *frames.parts(row, several)]) + mark


def _depth_axis(ax: Axes, every: list[dict[str, Any]], by_number: bool) -> None:
    from teachmatters.reports.figures.plots import whole_ticks

    deepest = max(row["depth"] or row["layer"] for row in every)
    ax.set_xlim(0, 1.04 * (deepest if by_number else 1))
    if by_number:
        ax.set_xticks(whole_ticks(1, deepest, most=6))


def _mark(ax: Axes, row: dict[str, Any], level: int, look: style.Look, by_number: bool) -> None:
    from teachmatters.reports.figures.plots import position

    place = position(row, by_number)
    ax.plot([0, place], [level, level], color=look.colour, linewidth=1.0, alpha=0.5)
    tied = [int(layer) for layer in (row.get("tied_layers") or "").split(",") if layer]
    where = [position({**row, "layer": layer}, by_number) for layer in tied]
    ax.plot(where, [level] * len(tied), color=look.colour, marker="|", markersize=7, linestyle="none", alpha=0.8)
    ax.plot([place], [level], color=look.colour, marker=look.marker, markersize=6, linestyle="none")
    # Inside the panel it would hide tied layers.
    beside = ("axes fraction", "data")
    ax.annotate(_cell(row), (1.02, level), xycoords=beside, va="center", fontsize=7.5, annotation_clip=False)


def _key(figure: Figure) -> None:
    """Add a legend of the marks."""
    from matplotlib.artist import Artist
    from matplotlib.lines import Line2D

    marks: list[Artist] = [
        Line2D([], [], color="#555555", marker=marker, linestyle="none", markersize=size)
        for marker, size in (("o", 6), ("|", 7))
    ]
    words = ("best layer, with its score and number", "layer tied with the best")
    figure.legend(marks, words, loc="outside lower center", ncols=2)


def _tasks(every: list[dict[str, Any]], options: Options) -> dict[str, dict[str, dict[str, Any]]]:
    """Return each column's name with its rows by model: metrics in the selected order, then data sets by name."""
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
    """Return the interval of the best layer; empty without unit scores."""
    if not row or row.get("low") is None:
        return ""
    return " to ".join(frames.number(row[name], row["unit"] or "") for name in ("low", "high"))


def _tied(row: dict[str, Any] | None) -> str:
    """Return the layers tied with the best, itself included."""
    return "" if not row or row.get("low") is None else _ranges(row["tied_layers"])


def _ranges(layers: str) -> str:
    """Return layers as ranges.

    >>> _ranges("1,2,3,7,9,10"), _ranges("4")
    ('1-3, 7, 9-10', '4')
    """
    numbers = [int(layer) for layer in layers.split(",")]
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))


def _stays(scores: dict[str, dict[str, Any]]) -> str:
    """Return how often the best model of a task stays the best; of several equal ones, each one's share.

    Together they may always win, and still none of them is known to be the best.
    """
    best = _best(scores)
    shares = [row.get("wins") for row in scores.values() if row["value"] == best]
    return " / ".join(f"{share:.2f}" for share in shares if share is not None)
