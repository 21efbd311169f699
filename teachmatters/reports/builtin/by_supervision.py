"""The figures of the paper's appendix: one panel per supervision, one line per model, one scale for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from teachmatters.reports import supervisions
from teachmatters.reports.figures import style
from teachmatters.reports.figures.layer_lines import draw_panel, split
from teachmatters.reports.options import Options
from teachmatters.reports.tables import captions, frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = dict[str, Any]
TITLES = {"none": "no training", "noise": "no training", "": "training unknown"}
ROOM = 0.06  # above and below the numbers and their deviations, as a share of their range


def draw(every: list[Row], options: Options) -> Figure:
    """Draw one row of panels per metric and data set, one column per supervision."""
    from teachmatters.reports.figures import plots

    metrics = split(frames.in_order(every, options), ("metric", "protocol", "dataset", "split"))
    looks, ways = style.looks(every), _ways(every)
    differ = [part for part in ("protocol", "dataset", "split") if part in frames.differing(every)]
    figure, axes = plots.panels(len(metrics) * len(ways), columns=len(ways), size=(2.5, 2.3))
    for nth, metric in enumerate(metrics):
        facts = options.of(metric[0]["metric"])
        line = axes[nth * len(ways) : (nth + 1) * len(ways)]
        for ax, (key, title) in zip(line, ways.items(), strict=True):
            draw_panel(ax, [row for row in metric if _way(row) == key], looks, plots.same_depth(every))
            ax.set_title(plots.label(title) if nth == 0 else "")
        _share(line)
        name = " / ".join([captions.named(facts), *frames.parts(metric[0], differ)])
        line[0].set_ylabel(plots.label(name, longest=44))
    plots.layer_axis(axes, every, plots.bottom(axes, columns=len(ways)))
    plots.legend(figure, looks)
    return figure


def _share(line: Sequence[Axes]) -> None:
    """Give all panels of a row one scale, labelled once; panels without a line do not count."""
    limits = [ax.dataLim.intervaly for ax in line if ax.has_data()]
    low, high = min(low for low, _ in limits), max(high for _, high in limits)
    room = ROOM * (high - low) or 1.0
    for ax in line:
        ax.set_ylim(low - room, high + room)
        ax.tick_params(labelleft=ax is line[0])


def _way(row: Row) -> str:
    return supervisions.training(row["family"], row["supervision"])


def _ways(every: list[Row]) -> dict[str, str]:
    """Return the title of each supervision, in legend order."""
    found: dict[str, str] = {}
    for row in sorted({row["model"]: row for row in every}.values(), key=supervisions.model_order):
        found.setdefault(_way(row), TITLES.get(_way(row), _way(row)))
    return found
