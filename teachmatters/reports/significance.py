"""What the per-unit scores say of best layers: intervals, layers that are as good, and how often the winner wins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from teachmatters.errors import DamagedError
from teachmatters.reports.binding import literal
from teachmatters.reports.options import Options
from teachmatters.store.reader import Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

COLUMNS = ("low", "high", "tied_layers", "wins", "units")
"""The 95 % interval of the best layer's score; the model's layers that cannot be told from it, itself among them; in
what share of the resamples the model's best layer, found anew in each, is the best of all models; units drawn."""

ROUNDING = 1e-5
"""Of the largest score: unit scores are kept in single precision."""

Task: TypeAlias = tuple[str, ...]
Row: TypeAlias = dict[str, Any]

_TASK = ("metric", "dataset", "split", "protocol", "setting")
# A list of units may be long: its number says as well which units they are.
_UNITS = """
SELECT run.run_id, map.name, map.layer, map.unit_list_id, map.data
FROM run_facts AS run
JOIN map_arrays AS map ON map.run_id = run.id
WHERE run.run_id IN ({runs}) AND map.name IN ({names})
"""


def enrich(data: Rows, options: Options, ask: Callable[[str], Rows]) -> Rows:
    """The rows of best layers, with the columns COLUMNS: nothing in them where a metric has no unit scores."""
    rows: list[Row] = [dict(zip(data.columns, values, strict=True)) for values in data.rows]
    scores = unit_scores(rows, options, ask)
    tasks: dict[Task, list[int]] = {}
    for place, row in enumerate(rows):
        tasks.setdefault(tuple(str(row[name]) for name in _TASK), []).append(place)
    for places in tasks.values():
        _judge([rows[place] for place in places], [scores.get(place) for place in places])
    values = [tuple(row.get(name) for name in (*data.columns, *COLUMNS)) for row in rows]
    return Rows([*data.columns, *COLUMNS], values, data.truncated)


class Scores:
    """The unit scores of one metric of one run: (units, layers); NaN where a unit has none."""

    def __init__(self, names: int | None, layers: Sequence[int], values: Floats) -> None:
        import numpy as np

        self.names, self.layers, self.values = names, list(layers), values
        self._whole = np.isfinite(values).all(axis=1)

    def of(self, layer: int) -> Floats:
        """The scores at a layer: (units,)."""
        column: Floats = self.values[:, self.layers.index(layer)]
        return column

    @property
    def drawn(self) -> tuple[int | None, bytes]:
        """Which units the bootstrap draws from: those that have a score at every layer."""
        return self.names, self._whole.tobytes()

    @property
    def complete(self) -> Floats:
        """Their scores."""
        return self.values if self._whole.all() else self.values[self._whole]


def unit_scores(rows: Sequence[Row], options: Options, ask: Callable[[str], Rows]) -> Mapping[int, Scores]:
    """Of every row whose value is the mean of its unit scores."""
    if not rows:
        return {}
    runs = tuple(sorted({row["run_id"] for row in rows}))
    names = tuple(sorted({f"unit:{row['metric']}" for row in rows}))
    kept: dict[tuple[str, str], list[tuple[int, int | None, bytes]]] = {}
    for run, name, layer, units, array in ask(_UNITS.format(runs=literal(runs), names=literal(names))).rows:
        if not options.layers or layer in options.layers:
            kept.setdefault((run, name), []).append((layer, units, array))
    found = {}
    for place, row in enumerate(rows):
        arrays = kept.get((row["run_id"], f"unit:{row['metric']}"))
        if arrays:
            scores = _stacked(sorted(arrays, key=lambda each: each[0]))
            if _is_mean(row, scores):
                found[place] = scores
    return found


def _stacked(arrays: Sequence[tuple[int, int | None, bytes]]) -> Scores:
    """Layer, list of units and array of each layer, in order."""
    import numpy as np

    from teachmatters.reports.tables.arrays import stored

    every = [stored(array, 1) for _, _, array in arrays]
    if len({len(one) for one in every}) > 1:
        raise DamagedError("the store has not as many unit scores at every layer. Restore a copy")
    layers = np.stack(every).astype(np.float64)
    return Scores(arrays[0][1], [layer for layer, _, _ in arrays], layers.T)


def _is_mean(row: Row, scores: Scores) -> bool:
    """Whether the score is the mean of these units: by some protocols it is pooled otherwise."""
    import numpy as np

    values = scores.values[:, scores.layers.index(row["layer"])] if row["layer"] in scores.layers else np.empty(0)
    values = values[np.isfinite(values)]
    size = max(1.0, float(np.abs(values).max(initial=0.0)))
    return bool(len(values)) and abs(float(values.mean()) - row["value"]) <= ROUNDING * size


def _judge(rows: Sequence[Row], scores: Sequence[Scores | None]) -> None:
    """Fill the columns of one task's rows in."""
    alike: dict[tuple[int | None, bytes], list[tuple[Row, Scores]]] = {}
    for row, own in zip(rows, scores, strict=True):
        if own is not None:
            alike.setdefault(own.drawn, []).append((row, own))
    for group in alike.values():
        _judge_alike(group)
        if len(group) < len(rows) or len(rows) == 1:  # other units, or nobody to win against
            for row, _ in group:
                row["wins"] = None


def _judge_alike(group: Sequence[tuple[Row, Scores]]) -> None:
    """Models with the same units: drawn once for all, so that models are compared on the same units too."""
    import numpy as np

    from teachmatters.measures import bootstrap

    every = [own for _, own in group]
    means = bootstrap.resampled_means(np.concatenate([own.complete for own in every], axis=1))
    starts = np.cumsum([0, *(len(own.layers) for own in every)])
    best = np.array([start + own.layers.index(row["layer"]) for (row, own), start in zip(group, starts, strict=False)])
    low, high = bootstrap.interval(means[:, best])
    same = bootstrap.tied(means, np.repeat(best, np.diff(starts)))
    signs = np.repeat([1 if row["higher_is_better"] else -1 for row, _ in group], np.diff(starts))
    signed = signs * means
    wins = bootstrap.wins(np.stack([signed[:, a:b].max(axis=1) for a, b in pairwise(starts)], axis=1))
    for nth, (row, own) in enumerate(group):
        ties = zip(own.layers, same[starts[nth] : starts[nth + 1]], strict=True)
        row["tied_layers"] = ",".join(str(layer) for layer, tie in ties if tie)
        row["low"], row["high"], row["units"] = float(low[nth]), float(high[nth]), len(own.complete)
        row["wins"] = float(wins[nth])
