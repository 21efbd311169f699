"""The figures of the paper's appendix: one panel per supervision, one line per model, one scale for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from teachmatters.reports import supervisions
from teachmatters.reports.figures import style
from teachmatters.reports.figures.layer_lines import band_key, draw_panel, reference_key, split
from teachmatters.reports.options import Options
from teachmatters.reports.tables import captions, frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = dict[str, Any]
TITLES = {"none": "no training", "noise": "no training", "": "training unknown"}
HIGH = 2.1  # of a panel, in inches
ROOM = 0.06  # above and below the numbers and their deviations, as a share of their range


def draw(every: list[Row], options: Options) -> Figure:
    """Draw one row of panels per metric and data set, one column per supervision."""
    from teachmatters.reports.figures import plots

    metrics = split(frames.in_order(every, options), ("metric", "protocol", "dataset", "split"))
    looks, found = style.looks(every), ways(every)
    differ = [part for part in ("protocol", "dataset", "split") if part in frames.differing(every)]
    figure, axes = plots.panels(len(metrics) * len(found), columns=len(found), size=(1.9, HIGH))
    for nth, metric in enumerate(metrics):
        facts = options.of(metric[0]["metric"])
        line = axes[nth * len(found) : (nth + 1) * len(found)]
        for ax, (key, title) in zip(line, found.items(), strict=True):
            draw_panel(ax, [row for row in metric if way(row) == key], looks, plots.same_depth(every))
            ax.set_title(plots.wrapped(title, 1.7) if nth == 0 else "")
        _share(line)
        name = " / ".join([captions.named(facts), *frames.parts(metric[0], differ)])
        line[0].set_ylabel(plots.wrapped(name, HIGH - 0.5))
    plots.layer_axis(axes, every, plots.bottom(axes, columns=len(found)))
    plots.legend(figure, looks, reference_key(every) | band_key(every))
    return figure


def _share(line: Sequence[Axes]) -> None:
    """Set one scale for all panels of a row, labelled once; panels without a line do not count."""
    limits = [ax.dataLim.intervaly for ax in line if ax.has_data()]
    low, high = min(low for low, _ in limits), max(high for _, high in limits)
    room = ROOM * (high - low) or 1.0
    for ax in line:
        ax.set_ylim(low - room, high + room)
        ax.tick_params(labelleft=ax is line[0])


def way(row: Row) -> str:
    """Return the standard term for a model's supervision."""
    return supervisions.training(row["family"], row["supervision"])


def ways(every: list[Row]) -> dict[str, str]:
    """Return the title of each supervision, in legend order."""
    found: dict[str, str] = {}
    for row in sorted({row["model"]: row for row in every}.values(), key=supervisions.model_order):
        found.setdefault(way(row), TITLES.get(way(row), way(row)))
    return found
