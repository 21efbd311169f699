"""The similarity of layers: one square per pair of models, or the grid of all pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from teachmatters.reports import supervisions, titles
from teachmatters.reports.options import Options
from teachmatters.reports.tables import frames

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

CELL = 1.35  # side of a square in the grid of all pairs, in inches
NAME = 1.2  # inches of it that a name may take
BAR = 2.5  # length of the colour bar, in its widths, for each of many models

EXACT = 9  # decimals: by rounding, the CKA of a layer with itself is a little below 1

Rows = list[dict[str, Any]]


def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return one row per layer of the first model, one column per layer of the second; each pair of models once."""
    import pandas as pd

    every = frames.records(rows)
    models = _models(every)
    asked = _asked(models, options) or [(a, b) for i, a in enumerate(models) for b in models[i:]]
    pairs = {pair: place for place, pair in enumerate(asked)}
    lines: dict[tuple[str, ...], dict[str, str]] = {}
    for row in every:
        if (row["model"], row["other_model"]) in pairs:
            mine, other = (f"{layer} ({norm})" if norm else str(layer) for layer, norm in _places(row))
            key = row["metric"], row["model"], row["other_model"], mine
            lines.setdefault(key, {})[other] = frames.number(round(row["value"], EXACT))
    wide = sorted({other for cells in lines.values() for other in cells}, key=_natural)
    order = sorted(lines, key=lambda key: (key[0], pairs[key[1], key[2]], _natural(key[3])))
    shown = [name for name in ("metric", "model", "other_model", "layer") if name != "metric" or _several(every)]
    body = [[*key[4 - len(shown) :], *(lines[key].get(other, "") for other in wide)] for key in order]
    frame = pd.DataFrame(body, columns=[*shown, *wide])
    frame.attrs["labels"] = len(shown)
    return frame


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """Draw one square per metric for two selected models, else all pairs for the first metric."""
    every = frames.records(rows)
    models = _models(every)
    pairs = _asked(models, options)
    if pairs or len(models) == 1:
        first, second = pairs[0] if pairs else (models[0], models[0])
        shown = titles.display_names(every)
        return _pair([row for row in every if (row["model"], row["other_model"]) == (first, second)], options, shown)
    shown = min({row["metric"] for row in every}, key=options.metrics.index)
    return _grid([row for row in every if row["metric"] == shown], models, options)


def _pair(every: Rows, options: Options, shown: Mapping[str, str]) -> Figure:
    from teachmatters.reports.figures import plots

    metrics = sorted({row["metric"] for row in every}, key=options.metrics.index)
    figure, axes = plots.panels(len(metrics), columns=3, size=(3.3, 3.0), share=False)
    for ax, name in zip(axes, metrics, strict=True):
        square = [row for row in every if row["metric"] == name]
        image = _square(ax, square, _limits(square))
        ax.set_title(_title(name, options))
        ax.set_xlabel(plots.label(f"Layer of {shown[square[0]['other_model']]}"))
        ax.set_ylabel(plots.label(f"Layer of {shown[square[0]['model']]}"))
        figure.colorbar(image, ax=ax, shrink=0.85)
    return figure


def _grid(every: Rows, models: list[str], options: Options) -> Figure:
    """Draw the grid of all pairs of models; pairs without numbers stay empty."""
    from matplotlib.figure import Figure as Canvas

    from teachmatters.reports.figures import plots

    shown, side = titles.display_names(every), CELL * len(models)
    figure = Canvas(figsize=(side + 1.5, side + 0.7), layout="constrained")
    axes = figure.subplots(len(models), len(models), squeeze=False)
    image, limits = None, _limits(every)
    for line, first in zip(axes, models, strict=True):
        for ax, second in zip(line, models, strict=True):
            square = [row for row in every if (row["model"], row["other_model"]) == (first, second)]
            if square:
                image = _square(ax, square, limits)
            else:
                ax.set_axis_off()
            ax.tick_params(labelbottom=first == models[-1], labelleft=second == models[0])
    for place, name in enumerate(models):
        axes[0, place].set_title(plots.narrow(shown[name], NAME))
        axes[place, 0].set_ylabel(plots.narrow(shown[name], NAME))
    figure.supxlabel("Layer", fontsize="medium")
    if image is not None:
        bar = figure.colorbar(image, ax=list(axes.flat), shrink=0.6, aspect=max(20, BAR * len(models)))
        bar.set_label(_title(every[0]["metric"], options))
    return figure


def _square(ax: Axes, rows: Rows, limits: tuple[float, float]) -> AxesImage:
    """Draw a square: layers of the first model upwards, of the second to the right; missing pairs stay blank."""
    from teachmatters.reports.figures import plots

    places = [_places(row) for row in rows]
    halves = 2 if places[0][0][1] else 1
    up, right = (max(pair[side][0] for pair in places) for side in (0, 1))
    grid = plots.blank(up * halves, right * halves)
    for row, pair in zip(rows, places, strict=True):
        y, x = ((layer - 1) * halves + max(0, norm - 1) for layer, norm in pair)
        grid[y, x] = row["value"]
    extent = (0.5, right + 0.5, 0.5, up + 0.5)
    image = ax.imshow(grid, origin="lower", extent=extent, vmin=limits[0], vmax=limits[1], aspect="auto")
    ax.set_box_aspect(1)
    ax.grid(visible=False)
    ax.set_xticks(plots.whole_ticks(1, right, most=4))
    ax.set_yticks(plots.whole_ticks(1, up, most=4))
    return image


def _limits(every: Rows) -> tuple[float, float]:
    """Return the colour limits: 0 to 1, so that figures are comparable, except for values near chance."""
    low, high = min(row["value"] for row in every), max(row["value"] for row in every)
    return min(0.0, low), 1.0 if high > 0.5 else high


def _places(row: dict[str, Any]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return (layer, norm) of both sides; the norm is 0 for outputs of blocks."""
    norms = [int(norm) for norm in (row["category"] or "0-0").split("-")]
    return (row["layer"], norms[0]), (row["other_layer"], norms[1])


def _models(every: Rows) -> list[str]:
    """Return all models of either side, grouped by supervision."""
    return [row["model"] for row in sorted({row["model"]: row for row in every}.values(), key=supervisions.model_order)]


def _asked(models: list[str], options: Options) -> list[tuple[str, str]]:
    """Return the selected pair; empty unless exactly two models are selected."""
    named = [name for name in options.models if name in models]
    return [(named[0], named[1])] if len(named) == len(options.models) == 2 else []


def _several(every: Rows) -> bool:
    return len({row["metric"] for row in every}) > 1


def _natural(text: str) -> tuple[int, str]:
    return int(text.partition(" ")[0]), text


def _title(metric: str, options: Options) -> str:
    from teachmatters.reports.figures import plots

    facts = options.of(metric)
    return plots.label(facts.title or facts.name, longest=40)
