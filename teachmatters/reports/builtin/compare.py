"""Two models, or one model under two settings: the difference of their best layers on every task, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from teachmatters.errors import TeachMattersError, listing
from teachmatters.reports import significance
from teachmatters.reports.options import Options
from teachmatters.reports.tables import frames
from teachmatters.store.reader import Rows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row: TypeAlias = dict[str, Any]
# A model's label and setting; an empty setting stands for any, where two models are compared.
Side: TypeAlias = tuple[str, str]

COLOUR = "#0072B2"
COLUMNS = (
    "metric", "dataset", "split", "protocol", "unit", "higher_is_better", "first", "first_setting", "first_layer",
    "first_value", "second", "second_setting", "second_layer", "second_value", "difference", "low", "high", "units",
)  # fmt: skip
_TASK = ("analysis", "metric", "dataset", "split", "protocol")
NOTE = (
    "Score (layer). Bold: the 95 % interval does not contain 0. Intervals are computed from the scores of single "
    "units, not by the query; blank where the two sides have no scores of the same units"
)


def enrich(data: Rows, options: Options, ask: Callable[[str], Rows]) -> Rows:
    """Return one row per task of both sides: first minus second, and its 95 % interval if units have scores.

    Raises:
        TeachMattersError: there is only one side, more than two, or no common task.
    """
    every = [dict(zip(data.columns, values, strict=True)) for values in data.rows]
    pairs = _pairs(every, options)
    if not pairs:
        raise TeachMattersError(
            f"the models {listing(dict.fromkeys(row['model'] for row in every))} share no metric with a direction on "
            "the same data set; measure both on the same data, or name two others with --model"
        )
    rows = [row for pair in pairs for row in pair]
    scores = significance.unit_scores(rows, options, ask)
    compared = [_compared(*pair, scores.get(2 * nth), scores.get(2 * nth + 1)) for nth, pair in enumerate(pairs)]
    return Rows(list(COLUMNS), [tuple(row.get(name) for name in COLUMNS) for row in compared], truncated=False)


def _pairs(every: list[Row], options: Options) -> list[tuple[Row, Row]]:
    """Return the rows of both sides, task by task."""
    measured = dict.fromkeys(row["model"] for row in every)
    names = [name for name in options.models if name in measured]
    if len(names) > 2:
        raise TeachMattersError(f"report 'compare' takes two models, not {listing(names)}; name two with --model")
    if len(names) < 2 <= len(options.models):
        lacking = listing(repr(name) for name in options.models if name not in measured)
        raise TeachMattersError(
            f"{lacking} has no metric in common with {names[0]!r}; measure it on the same data, or name two "
            "other models with --model"
        )
    if len(names) == 1 or len(measured) == 1:
        return _settings(every)
    one, two = names or _newest(every)
    return _alike([row for row in every if row["model"] == one], [row for row in every if row["model"] == two])


def _alike(ones: list[Row], others: list[Row]) -> list[tuple[Row, Row]]:
    """Return each task's rows of two models: under a common setting if there is one, else the newest of each.

    The setting of the options is preferred, then the newest.
    """
    found = []
    for task in dict.fromkeys(map(_task, ones)):
        both = [(one, two) for one in ones for two in others if _task(one) == _task(two) == task]
        if both:
            found.append(max(both, key=_suits))
    return found


def _suits(pair: tuple[Row, Row]) -> tuple[Any, ...]:
    settings = {row["setting"] for row in pair}
    return len(settings) == 1, *(bool(row["asked"]) for row in pair), *sorted(row["finished_at"] for row in pair)


def _newest(every: list[Row]) -> list[str]:
    """Return the model measured last, and of the others the one measured last that shares a task with it."""
    tasks: dict[str, set[tuple[Any, ...]]] = {}
    for row in every:
        tasks.setdefault(row["model"], set()).add(_task(row))
    newest = sorted(tasks, key=lambda name: max(row["finished_at"] for row in every if row["model"] == name))[::-1]
    others = [name for name in newest[1:] if tasks[name] & tasks[newest[0]]]
    return [newest[0], *(others or newest[1:])[:1]]


def _settings(every: list[Row]) -> list[tuple[Row, Row]]:
    """Return each task's rows of one model: the selected, default or newest setting, and the newest other one."""
    found = []
    for task in dict.fromkeys(map(_task, every)):
        rows = sorted((row for row in every if _task(row) == task), key=lambda row: row["finished_at"])
        mine = ([row for row in rows if row["asked"]] or rows)[-1]
        others = [row for row in rows if row["setting"] != mine["setting"]]
        if others:
            found.append((mine, others[-1]))
    if not found:
        name = every[0]["model"]
        raise TeachMattersError(
            f"{name!r} was measured under one setting only, so there is nothing to compare; name two models with "
            "--model"
        )
    return found


def _task(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in _TASK)


def _compared(first: Row, second: Row, one: significance.Scores | None, two: significance.Scores | None) -> Row:
    row = {name: first[name] for name in ("metric", "dataset", "split", "protocol", "unit", "higher_is_better")}
    for side, own in (("first", first), ("second", second)):
        row |= {side: own["model"], f"{side}_setting": own["setting"]}
        row |= {f"{side}_layer": own["layer"], f"{side}_value": own["value"]}
    row["difference"] = first["value"] - second["value"]
    if one and two and one.names == two.names:
        row |= _interval(one.of(first["layer"]) - two.of(second["layer"]))
    return row


def _interval(gaps: significance.Floats) -> Row:
    """Return the interval of the mean of the per-unit differences."""
    import numpy as np

    from teachmatters.measures import bootstrap

    gaps = gaps[np.isfinite(gaps)]
    low, high = bootstrap.interval(bootstrap.resampled_means(gaps[:, None]))
    return {"low": float(low[0]), "high": float(high[0]), "units": len(gaps)}


def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return one row per task; a difference whose interval excludes 0 is bold."""
    import pandas as pd

    every = _marked(frames.records(rows))
    names = [_name(every, side) for side in ("first", "second")]
    lines = [
        [
            name,
            *(f"{_number(row, row[f'{side}_value'])} ({int(row[f'{side}_layer'])})" for side in ("first", "second")),
            _signed(row, row["difference"]),
            "" if row["low"] is None else f"{_signed(row, row['low'])} to {_signed(row, row['high'])}",
        ]
        for name, row in zip(frames.tasks(every), every, strict=True)
    ]
    shown = pd.DataFrame(lines, columns=["task", *names, "difference", "95 %"])
    shown.attrs.update(bold={(nth, 3) for nth, row in enumerate(every) if _is_clear(row)}, labels=1, notes=[NOTE])
    return shown


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """Draw differences with intervals, percentages apart from other scores; filled if the interval excludes 0."""
    from teachmatters.reports.figures import plots

    every = _marked(frames.records(rows))
    named = list(zip(frames.tasks(every), every, strict=True))
    groups = [part for part in ([(name, row) for name, row in named if (row["unit"] == "percent") == is_percent]
                                for is_percent in (True, False)) if part]  # fmt: skip
    longest = max(map(len, groups))
    figure, axes = plots.panels(len(groups), columns=2, size=(5.2, 2.0), share=False)
    figure.set_size_inches(5.6 * len(groups), 1.4 + 0.24 * longest)
    for ax, part in zip(axes, groups, strict=True):
        _forest(ax, part, longest)
        words = [f"{_name(every, 'first')} minus {_name(every, 'second')}", part[0][1]["unit"]]
        ax.set_xlabel(plots.label(", ".join(filter(None, words)), longest=70))
    _key(figure)
    return figure


def _key(figure: Figure) -> None:
    """Add a legend of bars and fillings."""
    from matplotlib.artist import Artist
    from matplotlib.lines import Line2D

    marks: list[Artist] = [
        Line2D([], [], color=COLOUR, marker="o"),
        Line2D([], [], color=COLOUR, marker="o", markerfacecolor="white"),
        Line2D([], [], color=COLOUR, marker="o", markerfacecolor="white", linestyle="none"),
    ]
    words = ("95 % interval excludes 0", "95 % interval includes 0", "no scores of the same units, no interval")
    figure.legend(marks, words, loc="outside lower center", ncols=3)


def _forest(ax: Axes, tasks: Sequence[tuple[str, Row]], longest: int) -> None:
    """Draw the tasks in rows, with the spacing of the longest panel."""
    from teachmatters.reports.figures import plots

    names, rows = zip(*tasks[::-1], strict=True)
    ax.axvline(0, color="#555555", linewidth=0.8)
    for height, row in enumerate(rows):
        if row["low"] is not None:
            ax.plot([row["low"], row["high"]], [height, height], color=COLOUR, linewidth=1.2)
        face = COLOUR if _is_clear(row) else "white"
        ax.plot([row["difference"]], [height], marker="o", color=COLOUR, markerfacecolor=face, linestyle="none")
    ax.set_yticks(range(len(rows)), [plots.label(name, longest=40) for name in names])
    ax.set_ylim(len(rows) - longest - 0.7, len(rows) - 0.3)


def _is_clear(row: Row) -> bool:
    return row["low"] is not None and not row["low"] <= 0 <= row["high"]


def _marked(every: list[Row]) -> list[Row]:
    """Return the rows with a ``setting`` that names both sides' settings, to distinguish tasks."""
    for row in every:
        both = dict.fromkeys((row["first_setting"] or "", row["second_setting"] or ""))
        row["setting"] = next(iter(both)) if len(both) == 1 else " against ".join(each or "defaults" for each in both)
    return every


def _name(every: Sequence[Row], side: str) -> str:
    """Return the model, with its setting if the sides differ in it and all tasks have the same."""
    first = every[0]
    mine, others = ({row[f"{each}_setting"] or "" for row in every} for each in (side, _other(side)))
    if len(mine) > 1 or len(others) > 1 or mine == others:
        return str(first[side])
    return f"{first[side]}, {first[f'{side}_setting'] or 'defaults'}"


def _other(side: str) -> str:
    return "second" if side == "first" else "first"


def _number(row: Row, value: float) -> str:
    return frames.number(value, row["unit"] or "")


def _signed(row: Row, value: float) -> str:
    """Format a difference with the precision of the scores, also near 0."""
    text = f"{value:+.{1 if row['unit'] == 'percent' else 4}f}"
    return text if float(text) else text[1:]
