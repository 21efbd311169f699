"""One line per supervision: the mean of its models, interpolated over relative depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from teachmatters.reports.builtin.by_supervision import way, ways
from teachmatters.reports.figures import style
from teachmatters.reports.figures.layer_lines import draw_references, fit, reference_key, split
from teachmatters.reports.options import Options
from teachmatters.reports.tables import captions, frames

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

Line = list[dict[str, Any]]


def draw(every: list[dict[str, Any]], options: Options) -> Figure:
    """Draw one panel per metric and data set; thin lines are the models of which a thick line is the mean."""
    from teachmatters.reports.figures import plots

    plain = [row for row in every if row["head"] is None and row["category"] is None] or every
    panels = split(frames.in_order(plain, options), ("metric", "protocol", "dataset", "split", "setting"))
    marks = frames.setting_marks([panel[0] for panel in panels])
    differ = [part for part in ("protocol", "dataset", "split") if part in frames.differing(plain)]
    looks, found = style.looks(plain), ways(plain)
    means = {key: _first(plain, key, looks) for key in found}
    figure, axes = plots.panels(len(panels), columns=3)
    for ax, panel, mark in zip(axes, panels, marks, strict=True):
        for key, look in means.items():
            _lines(ax, split([row for row in panel if way(row) == key], ["model"]), look)
        facts = options.of(panel[0]["metric"])
        draw_references(ax, panel, looks, by_number=False)
        fit(ax, [row[name] for row in panel for name in ("value", "reference") if row.get(name) is not None], facts)
        title = " / ".join([captions.named(facts), *frames.parts(panel[0], differ)])
        ax.set_title(plots.wrapped(title + mark, plots.TITLE))
        ax.set_xlim(0, 1.03)
    for ax in plots.bottom(axes, columns=3):
        ax.set_xlabel("Relative depth")
    entries = {key: replace(look, marker="", title=_title(plain, key, found)) for key, look in means.items()}
    plots.legend(figure, entries, reference_key(plain))
    return figure


def _lines(ax: Axes, models: Sequence[Line], look: style.Look) -> None:
    for line in models if len(models) > 1 else ():
        ax.plot(*_curve(line), color=look.colour, linewidth=0.6, alpha=0.5)
    if models:
        ax.plot(*mean_line(models), color=look.colour, linestyle=look.line, linewidth=2)


def _title(every: Line, key: str, found: dict[str, str]) -> str:
    count = len({row["model"] for row in every if way(row) == key})
    return f"{found[key]} ({count} model{'s' * (count > 1)})"


def mean_line(models: Sequence[Line]) -> tuple[Floats, Floats]:
    """Return relative depths that all models reach, (n,), and the mean of the models' curves there, (n,).

    >>> shallow = [{"layer": 1, "depth": 2, "value": 1.0}, {"layer": 2, "depth": 2, "value": 3.0}]
    >>> deep = [{"layer": n, "depth": 4, "value": float(n)} for n in (1, 2, 3, 4)]
    >>> x, y = mean_line([shallow, deep])
    >>> x.tolist(), y.tolist()
    ([0.5, 0.75, 1.0], [1.5, 2.5, 3.5])
    """
    import numpy as np

    curves = [_curve(line) for line in models]
    low, high = max(x[0] for x, _ in curves), min(x[-1] for x, _ in curves)
    places = np.unique(np.concatenate([x[(x >= low) & (x <= high)] for x, _ in curves]))
    return places, np.mean([np.interp(places, x, y) for x, y in curves], axis=0)


def _curve(line: Line) -> tuple[Floats, Floats]:
    import numpy as np

    line = sorted(line, key=lambda row: row["layer"])
    return (
        np.array([row["layer"] / (row["depth"] or line[-1]["layer"]) for row in line]),
        np.array([row["value"] for row in line]),
    )


def _first(every: Line, key: str, looks: dict[str, style.Look]) -> style.Look:
    rows = {row["model"]: row for row in every}
    return next(
        look for name, look in looks.items()
        if way(rows[name]) == key
    )  # fmt: skip
