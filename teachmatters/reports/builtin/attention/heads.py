"""Heads by type: counts per layer, the offset heads, and those near a threshold."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from teachmatters.reports.options import Options
from teachmatters.reports.tables import frames

if TYPE_CHECKING:
    import pandas as pd

OFFSET = "offset-local"
# Colour and marker of each type, in the order of the columns.
LOOKS = {
    "self": ("#F0E442", "D"),
    "strict-local": ("#0072B2", "o"),
    "soft-local": ("#56B4E9", "s"),
    OFFSET: ("#D55E00", "^"),
    "axial-horizontal": ("#009E73", "_"),
    "axial-vertical": ("#CC79A7", "|"),
    "global": ("#8C8C8C", "."),
}

OTHER = ("#000000", "x")
DIRECTIONS = ("right", "down-right", "down", "down-left", "left", "up-left", "up", "up-right")
NEAR = 0.05  # below this margin, slightly different data may change the type

Rows = list[dict[str, Any]]


def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return the number of heads of each type per model and layer; the offset heads, and those near a threshold."""
    import pandas as pd

    every = frames.records(rows)
    held = {row["type"] for row in every}
    types = [kind for kind in (*LOOKS, *sorted(held - set(LOOKS))) if kind in held]
    lines = []
    for name, panel in frames.by_label(every).items():
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
        notes.append(f"Near a threshold: attn-head-margin below {NEAR}, where the type may change with the data")
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
