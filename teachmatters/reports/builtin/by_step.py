"""Numbers over the steps of a training run, from models labelled ``RUN@STEP`` or ``RUN-seedN@STEP``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from teachmatters.errors import TeachMattersError
from teachmatters.reports.options import Options
from teachmatters.reports.tables import captions, frames

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = dict[str, Any]
LABEL = re.compile(r"(?P<run>.+?)(?:-seed(?P<seed>\d+))?@(?P<step>\d+)")
LOGARITHMIC = 50  # times the first step: from there on, early steps would share a few pixels of a linear axis


@dataclass(frozen=True, slots=True)
class Curve:
    """One layer's values over the steps of a run.

    Attributes:
        run: the label before the seed and the step.
        layer: from 1; None for the best layer of each step.
        values: the values of each step, one value per replicate.
    """

    run: str
    layer: int | None
    values: Mapping[int, Sequence[float]]


def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return steps by layers; a metric with a direction also gets the best layer. Replicates are averaged."""
    import pandas as pd

    lines = [line for panel in _panels(frames.records(rows), options) for line in _table_lines(panel, options)]
    made = pd.DataFrame(lines).fillna("")
    for name in ("metric", "data", "setting", "run"):
        if made[name].nunique() == 1:
            made = made.drop(columns=name)
    made.attrs["labels"] = list(made.columns).index("step") + 1
    return made


def _table_lines(panel: list[Row], options: Options) -> list[dict[str, str]]:
    """Return one line per run and step: the mean of the replicates at each layer, and at the best layer."""
    first, curves = panel[0], [*_curves(panel), *_best(panel, options.of(panel[0]["metric"]).higher_is_better)]
    lines: dict[tuple[str, int], dict[str, str]] = {}
    for curve in curves:
        name = "best" if curve.layer is None else f"layer {curve.layer}"
        for step in sorted(curve.values):
            start = {"metric": first["metric"], "data": first["dataset"], "setting": first["setting"]}
            start |= {"run": curve.run, "step": str(step)}
            line = lines.setdefault((curve.run, step), start)
            line[name] = frames.number(fmean(curve.values[step]), first["unit"] or "")
    return [lines[key] for key in sorted(lines)]


def draw(every: list[Row], options: Options) -> Figure:
    """Draw a line per layer over the steps; of several runs, the best layer or the layer that was selected.

    Replicates are averaged, and a band spans from the lowest to the highest.
    """
    from teachmatters.reports.figures import plots

    found = [(panel, lines) for panel in _panels(every, options) for lines in _lines(panel, options)]
    marks = frames.setting_marks([panel[0] for panel, _ in found])
    figure, axes = plots.panels(len(found), columns=3)
    for ax, (panel, lines), mark in zip(axes, found, marks, strict=True):
        facts = options.of(panel[0]["metric"])
        several = len({curve.run for curve in lines}) > 1
        for nth, curve in enumerate(lines):
            _line(ax, curve, _colour(nth, len(lines), several=several))
        steps = sorted({step for curve in lines for step in curve.values if step > 0})
        if steps and steps[-1] >= LOGARITHMIC * steps[0]:
            ax.set_xscale("symlog" if any(0 in curve.values for curve in lines) else "log", **_linear_part(lines))
        which = "best layer" if several and lines[0].layer is None else ("" if several else lines[0].run)
        title = " / ".join(part for part in (captions.named(facts), which) if part)
        ax.set_title(plots.wrapped(title + mark, plots.TITLE))
        ax.set_ylabel(plots.label(panel[0]["unit"] or ""))
        ax.legend(fontsize=6, ncols=1 if several else 2, title=None if several else "layer", title_fontsize=6)
    for ax in plots.bottom(axes, columns=3):
        ax.set_xlabel("Training step")
    return figure


def _linear_part(lines: Sequence[Curve]) -> dict[str, float]:
    """Return the keywords of a symmetric logarithmic axis, which is linear up to the first step after 0."""
    if not any(0 in curve.values for curve in lines):
        return {}
    return {"linthresh": min(step for curve in lines for step in curve.values if step > 0)}


def _lines(panel: list[Row], options: Options) -> list[list[Curve]]:
    """Return the curves of each panel of a metric: all layers of one run, or the best layer of several runs."""
    curves = _curves(panel)
    runs = list(dict.fromkeys(curve.run for curve in curves))
    if len(runs) > 1:
        best = _best(panel, options.of(panel[0]["metric"]).higher_is_better)
        if best or len({curve.layer for curve in curves}) == 1:
            return [best or curves]
    return [[curve for curve in curves if curve.run == run] for run in runs]


def _panels(every: list[Row], options: Options) -> list[list[Row]]:
    """Return the layers' headline rows of models with a step, one list per metric, protocol, data set and setting.

    Raises:
        TeachMattersError: no model has a step in its label.
    """
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in frames.in_order(every, options):
        pair = row.get("other_layer") is not None
        if pair or row["head"] is not None or row["category"] is not None or not LABEL.fullmatch(row["model"]):
            continue
        key = (row["metric"], row["protocol"], row["dataset"], row["split"], row["setting"])
        found.setdefault(key, []).append(row)
    if not found:
        raise TeachMattersError(
            "--by step: no model with values per layer is labelled RUN@STEP; measure the checkpoints of a run "
            "with tm analyze --model RUN=NAME --weights 'RUN=ckpt-*.pth'"
        )
    return list(found.values())


def _curves(panel: list[Row]) -> list[Curve]:
    """Return one curve per run and layer, by run and layer."""
    found: dict[tuple[str, int], dict[int, list[float]]] = {}
    for row in panel:
        run, step = _run_and_step(row)
        found.setdefault((run, row["layer"]), {}).setdefault(step, []).append(row["value"])
    return [Curve(run, layer, values) for (run, layer), values in sorted(found.items())]


def _best(panel: list[Row], higher_is_better: bool | None) -> list[Curve]:
    """Return the best layer of each run and step, chosen for each replicate; none for a metric without direction."""
    if higher_is_better is None:
        return []
    best = max if higher_is_better else min
    models: dict[str, list[Row]] = {}
    for row in panel:
        models.setdefault(row["model"], []).append(row)
    found: dict[str, dict[int, list[float]]] = {}
    for rows in models.values():
        run, step = _run_and_step(rows[0])
        found.setdefault(run, {}).setdefault(step, []).append(best(row["value"] for row in rows))
    return [Curve(run, None, values) for run, values in sorted(found.items())]


def _run_and_step(row: Row) -> tuple[str, int]:
    match = LABEL.fullmatch(row["model"])
    assert match is not None  # _panels keeps no others
    return match["run"], int(match["step"])


def _line(ax: Axes, curve: Curve, colour: Any) -> None:
    steps = sorted(curve.values)
    name = curve.run if curve.layer is None else str(curve.layer)
    ax.plot(steps, [fmean(curve.values[step]) for step in steps], color=colour, marker="o", markersize=2.5, label=name)
    if any(len(values) > 1 for values in curve.values.values()):
        low, high = ([bound(curve.values[step]) for step in steps] for bound in (min, max))
        ax.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)


def _colour(nth: int, count: int, *, several: bool) -> Any:
    """Return the colour of a run, or of a layer: from dark (the first) to light (the last)."""
    from matplotlib import colormaps

    if several:
        return colormaps["tab10"](nth % 10)
    return colormaps["viridis"](0.9 * nth / max(1, count - 1))
