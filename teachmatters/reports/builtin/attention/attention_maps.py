"""Averaged attention maps of the heads as in the paper, labelled [layer, head]."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from teachmatters.errors import TeachMattersError
from teachmatters.reports import supervisions, titles
from teachmatters.reports.binding import literal
from teachmatters.reports.options import Options
from teachmatters.reports.tables import frames
from teachmatters.reports.tables.arrays import stored
from teachmatters.store.reader import Rows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from teachmatters.reports.figures.map_strips import HeadMap

ALIGNED = "attn-map-aligned"
# The largest number of prefix tokens for which a square grid is inferred: a class token and four registers.
MOST_PREFIX = 5

OFFSET = "offset-local"
ZOOM = 5  # patches around the query that a figure of aligned maps shows
SHOWN = 3  # heads of a layer in a figure, unless --heads chooses
FEW, MOST_LAYERS = 2, 12  # models that are drawn with all their layers, and how many layers these are

_TYPES = """
SELECT model, dataset, split, layer, head, metric, category, value
FROM results
WHERE metric IN ('attn-head-type', 'attn-head-offset-x', 'attn-head-offset-y') AND head IS NOT NULL
    AND model IN ({models})
ORDER BY setting DESC
"""


@dataclass(frozen=True, slots=True)
class Tile:
    """The map of one head.

    Attributes:
        model: the panel that it belongs to.
        metric, layer, head: the map's metric, layer and head.
        values: (h, w), or (2h-1, 2w-1) of an aligned map.
        prefix: attention on the tokens before the patches, None if the map has none.
        kind, evidence: the type of the head and the evidence for it; empty if it was not measured.
        offset: patches right and down from the query to the centre of its attention; None if it was not measured.
    """

    model: str
    metric: str
    layer: int
    head: int
    values: NDArray[np.float64]
    prefix: float | None
    kind: str = ""
    evidence: float = 0.0
    offset: tuple[float, float] | None = None


def enrich(data: Rows, options: Options, ask: Callable[[str], Rows]) -> Rows:
    """Return the rows with a column ``types``, as JSON: each head's type, evidence and offset in patches."""
    models = tuple(model for (model,) in data.distinct(["model"]))
    found: dict[tuple[object, ...], dict[int, dict[str, object]]] = {}
    for *place, head, metric, kind, value in ask(_TYPES.format(models=literal(models))).rows:
        own = found.setdefault(tuple(place), {}).setdefault(head, {})
        own |= {"kind": kind, "evidence": value} if metric == "attn-head-type" else {metric[-1]: value}
    at = [data.columns.index(name) for name in ("model", "dataset", "split", "layer")]
    rows = [(*row, json.dumps(found.get(tuple(row[place] for place in at), {}), sort_keys=True)) for row in data.rows]
    return Rows([*data.columns, "types"], rows, data.truncated)


def table(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return the position and the value of each map's maximum."""
    import pandas as pd

    lines = [
        [tile.model, str(tile.layer), str(tile.head), frames.number(float(tile.values.max())), _where(tile),
         "" if tile.prefix is None else frames.number(tile.prefix)]
        for tile in tiles(rows, options)
    ]  # fmt: skip
    found = pd.DataFrame(lines, columns=["model", "layer", "head", "largest", "at", "on class token and registers"])
    found = found if any(line[-1] for line in lines) else found.drop(columns="on class token and registers")
    found.attrs["labels"] = 3
    return found


def _where(tile: Tile) -> str:
    y, x = (int(place) for place in np.unravel_index(int(tile.values.argmax()), tile.values.shape))
    if tile.metric != ALIGNED:
        return f"row {y + 1}, column {x + 1}"
    down, right = y - tile.values.shape[0] // 2, x - tile.values.shape[1] // 2
    steps = [f"{abs(down)} {'down' if down > 0 else 'up'}"] * bool(down)
    steps += [f"{abs(right)} {'right' if right > 0 else 'left'}"] * bool(right)
    return ", ".join(steps) or "the patch itself"


def tiles(rows: pd.DataFrame, options: Options) -> list[Tile]:
    """Return the maps of the selected heads, models in legend order.

    Raises:
        TeachMattersError: the store does not hold the grid of a map.
    """
    every = frames.records(rows)
    named = sorted(
        zip(every, frames.column_labels(every), strict=True), key=lambda pair: supervisions.model_order(pair[0])
    )
    found = []
    for row, name in named:
        types = json.loads(row["types"])
        for head, values in enumerate(stored(row["data"], 2, 3).astype(np.float64), start=1):
            if not options.heads or head in options.heads:
                grid, prefix = _on_grid(values, row)
                found.append(Tile(name, row["metric"], row["layer"], head, grid, prefix, **_type(types.get(str(head)))))
    return found


def _type(found: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what a tile holds of the type of its head."""
    if not found or "kind" not in found:
        return {}
    offset = (found["x"], found["y"]) if {"x", "y"} <= set(found) else None
    return {"kind": found["kind"], "evidence": found["evidence"], "offset": offset}


def _on_grid(values: NDArray[np.float64], row: Mapping[str, Any]) -> tuple[NDArray[np.float64], float | None]:
    """Split a map over tokens into a map over patches and the attention to the prefix tokens."""
    if values.ndim == 2:
        return values, None
    side = math.isqrt(len(values))
    told = str(row["grid"] or "").split(",")[1:]
    grid = tuple(map(int, told)) if len(told) == 2 and all(map(str.isdecimal, told)) else (side, side)
    prefix = len(values) - math.prod(grid)
    if prefix < 0 or (prefix > MOST_PREFIX and not row["grid"]):
        raise TeachMattersError(
            f"the store does not hold the grid of patches for the {len(values)} tokens of {row['model']}; 'tm "
            f"analyze --model {row['model']} --metric attn-map-spatial-pure' records it."
        )
    return values[prefix:].reshape(grid), float(values[:prefix].sum())


def draw(rows: pd.DataFrame, options: Options) -> Figure:
    """Draw a strip of maps per model: of each layer three heads by type, or those that ``--heads`` chooses."""
    from teachmatters.reports.figures import map_strips

    found = strips(rows, options)
    return map_strips.draw(found, 1 if len(found) <= FEW else 2, own_scale=options.scale == "own")


def strips(rows: pd.DataFrame, options: Options, *, all_layers: bool = False) -> dict[str, list[HeadMap]]:
    """Return the maps of each model by its title, models in legend order.

    Args:
        rows: of the report.
        options: of the report.
        all_layers: True for all layers, however many models there are.
    """
    titles_of = titles.panel_titles(frames.records(rows.drop(columns="data")))
    panels: dict[str, list[Tile]] = {}
    for tile in tiles(rows, options):
        panels.setdefault(tile.model, []).append(tile)
    models = 1 if all_layers else len(panels)
    return {titles_of[name]: _strip(panel, options, models) for name, panel in panels.items()}


def _strip(panel: Sequence[Tile], options: Options, models: int) -> list[HeadMap]:
    """Return the maps of a model that fit into a figure of this many models."""
    layers = sorted({tile.layer for tile in panel})
    if not options.layers and not options.heads:
        layers = spread(layers, MOST_LAYERS if models <= FEW else MOST_LAYERS // 2)
    counts = Counter(tile.kind for tile in panel)
    chosen = []
    for layer in layers:
        heads = [tile for tile in panel if tile.layer == layer]
        chosen += heads if options.heads else by_type(heads, counts)
    return [_head_map(tile, options.zoom) for tile in chosen]


def spread(layers: Sequence[int], most: int) -> list[int]:
    """Return at most this many evenly spread layers, including the last.

    >>> spread(range(1, 13), 6), spread([1, 2], 6)
    ([2, 4, 6, 8, 10, 12], [1, 2])
    """
    step = -(-len(layers) // most)
    return list(layers[::-1][::step][::-1])


def by_type(heads: Sequence[Tile], counts: Mapping[str, int]) -> list[Tile]:
    """Return three heads of a layer: of each type the one with the most evidence, types rare in the model first."""
    best = sorted(heads, key=lambda tile: (-tile.evidence, tile.head))
    firsts = {tile.kind: tile for tile in reversed(best)}
    chosen = sorted(firsts.values(), key=lambda tile: counts[tile.kind])[:SHOWN]
    chosen += [tile for tile in best if tile not in chosen][: SHOWN - len(chosen)]
    return sorted(chosen, key=lambda tile: tile.head)


def _head_map(tile: Tile, zoom: int) -> HeadMap:
    from teachmatters.reports.figures.map_strips import HeadMap

    if tile.metric != ALIGNED:
        return HeadMap(tile.layer, tile.head, tile.values, tile.kind)
    offset = tile.offset if tile.kind == OFFSET else None
    y, x = (side // 2 for side in tile.values.shape)
    reach = zoom or ZOOM
    near = tile.values[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
    return HeadMap(tile.layer, tile.head, near, tile.kind, offset, centred=True)
