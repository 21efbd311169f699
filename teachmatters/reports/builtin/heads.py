"""Heads by type: counts per layer, the offset heads, those near a threshold, and where each head attends."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from teachmatters.errors import TeachMattersError
from teachmatters.reports import supervisions
from teachmatters.reports.options import Options
from teachmatters.reports.tables import frames

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OFFSET = "offset-local"
LOOKS = {
    "self": ("#F0E442", "D"),
    "strict-local": ("#0072B2", "o"),
    "soft-local": ("#56B4E9", "s"),
    OFFSET: ("#D55E00", "^"),
    "axial-horizontal": ("#009E73", "_"),
    "axial-vertical": ("#CC79A7", "|"),
    "global": ("#8C8C8C", "."),
}
"""Colour and marker of each type, in the order of the columns."""

OTHER = ("#000000", "x")
DIRECTIONS = ("right", "down-right", "down", "down-left", "left", "up-left", "up", "up-right")
LEAST_LIMIT = 1.0  # patches, on the axes
PALE = 0.3  # the opacity of heads near a threshold
NEAR = 0.05  # a margin below which a little other data may give another type
COLUMNS = 3

Rows = list[dict[str, Any]]


def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return the number of heads of each type per model and layer; the offset heads, and those near a threshold."""
    import pandas as pd

    every = frames.records(rows)
    held = {row["type"] for row in every}
    types = [kind for kind in (*LOOKS, *sorted(held - set(LOOKS))) if kind in held]
    lines = []
    for name, panel in _models(every).items():
        layers = sorted({row["layer"] for row in panel})
        lines += [[name, str(y), *_line([row for row in panel if row["layer"] == y], types)] for y in layers]
        near = sum(map(is_near, panel))
        lines.append([name, "all", *_line(panel, types)[:-2], "", str(near or "")])
    found = pd.DataFrame(lines, columns=["model", "layer", *types, "offset heads", "near a threshold"])
    absent = [kind for kind in LOOKS if kind not in held]
    found = found if OFFSET in held else found.drop(columns="offset heads")
    found = found if any(map(is_near, every)) else found.drop(columns="near a threshold")
    notes = [f"No head is {' or '.join(absent)}"] if absent else []
    if any(row["x"] is not None for row in every):
        notes.append("Offsets are in patches")
    if "near a threshold" in found:
        notes.append(f"Near a threshold: attn-head-margin below {NEAR}, so that other data may give another type")
    found.attrs.update(labels=2, notes=notes)
    return found


def _line(heads: Rows, types: list[str]) -> list[str]:
    counts = Counter(row["type"] for row in heads)
    aside = [said(row) for row in heads if row["type"] == OFFSET]
    near = [f"{_place(row)} {row['type']}" for row in heads if is_near(row)]
    return [*(str(counts[kind] or "") for kind in types), "; ".join(aside), "; ".join(near)]


def is_near(row: dict[str, Any]) -> bool:
    """Return True if a head is so near a threshold that its type may change with the data."""
    return row["margin"] is not None and row["margin"] < NEAR


def _place(row: dict[str, Any]) -> str:
    return f"[{row['layer']}, {row['head']}]"


def said(row: dict[str, Any]) -> str:
    """Describe an offset head: [layer, head], direction, and distance in patches.

    >>> said({"layer": 3, "head": 4, "x": -1.5, "y": -1.5})
    '[3, 4] up-left 2.1'
    """
    if row["x"] is None or row["y"] is None:
        return _place(row)
    eighth = round(math.atan2(row["y"], row["x"]) / (math.pi / 4)) % 8
    return f"{_place(row)} {DIRECTIONS[eighth]} {math.hypot(row['x'], row['y']):.1f}"


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """Draw one panel per model: the centre of each head's region in image orientation, offset heads labelled.

    Heads near a threshold are pale.
    """
    from matplotlib.artist import Artist
    from matplotlib.lines import Line2D

    from teachmatters.reports.figures import plots

    every = [row for row in frames.records(rows) if row["x"] is not None and row["y"] is not None]
    if not every:
        raise TeachMattersError(
            f"the offsets of these heads are not in the store; 'tm analyze --model {rows['model'][0]} --metric "
            "attn-head-offset-x --metric attn-head-offset-y' measures them; without --plot the types are shown."
        )
    panels = _models(every)
    limit = 1.08 * max(LEAST_LIMIT, *(max(abs(row["x"]), abs(row["y"])) for row in every))
    columns = plots.across(every, COLUMNS)
    figure, axes = plots.panels(len(panels), columns=columns, size=(3.0, 3.1), share=False)
    if len(panels) == 1:
        figure.set_size_inches(3.6, 3.9)
    for ax, (name, panel) in zip(axes, panels.items(), strict=True):
        _panel(ax, panel, limit)
        ax.set_title(plots.label(name))
    for ax in axes[::columns]:
        ax.set_ylabel("Patches below the query")
    for ax in plots.bottom(axes, columns=columns):
        ax.set_xlabel("Patches to the right of the query")
    kinds = [kind for kind in LOOKS if any(row["type"] == kind for row in every)]
    handles: list[Artist] = [
        Line2D([], [], color=LOOKS[kind][0], marker=LOOKS[kind][1], linestyle="none") for kind in kinds
    ]
    figure.legend(handles, kinds, loc="outside lower center", ncols=3)
    return figure


def _panel(ax: Axes, panel: Rows, limit: float) -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.ticker import MaxNLocator

    for middle in (ax.axhline, ax.axvline):
        middle(0, color="#999999", linewidth=0.8, zorder=1)
    for kind in dict.fromkeys(row["type"] for row in panel):
        heads = [row for row in panel if row["type"] == kind]
        colour, marker = LOOKS.get(kind, OTHER)
        colours = [to_rgba(colour, PALE if is_near(row) else 0.8) for row in heads]
        ax.scatter(
            [row["x"] for row in heads], [row["y"] for row in heads],
            s=26, color=colours, marker=marker, linewidths=1.2 if marker in "_|" else 0, zorder=3,
        )  # fmt: skip
    for (x, y), names in _names(panel, limit / 15).items():
        ax.annotate("\n".join(names), (x, y), xytext=(3, 3), textcoords="offset points", fontsize=5.5, linespacing=0.9)
    ax.set_xlim(-limit, limit)
    ax.set_ylim(limit, -limit)  # downwards, as in the image
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    ax.set_box_aspect(1)


def _names(panel: Rows, near: float) -> dict[tuple[float, float], list[str]]:
    """Return the labels of the offset heads by position; heads at the same position share one."""
    found: dict[tuple[float, float], list[str]] = {}
    for row in panel:
        if row["type"] == OFFSET:
            place = row["x"], row["y"]
            shared = next((other for other in found if math.dist(other, place) < near), place)
            found.setdefault(shared, []).append(_place(row))
    return found


def _models(every: Rows) -> dict[str, Rows]:
    """Return the heads of each model and data set, in legend order."""
    named = sorted(
        zip(every, frames.column_labels(every), strict=True), key=lambda pair: supervisions.model_order(pair[0])
    )
    groups: dict[str, Rows] = {}
    for row, name in named:
        groups.setdefault(name, []).append(row)
    return groups
