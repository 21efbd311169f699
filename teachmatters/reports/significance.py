"""Significance of best layers from per-unit scores: intervals, tied layers and how often the winner wins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from teachmatters.reports.binding import literal
from teachmatters.reports.options import Options
from teachmatters.store.reader import Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

# The 95 % interval of the best layer's score; the model's layers that are tied with it, itself included; the share of
# resamples in which the model's best layer, chosen again in each, is the best of all models; the number of units.
COLUMNS = ("low", "high", "tied_layers", "wins", "units")

KINDS = ("unit", "pseudo")
ROUNDING = 1e-5  # relative to the largest score: unit scores are stored in single precision

Task: TypeAlias = tuple[str, ...]
Row: TypeAlias = dict[str, Any]

_TASK = ("metric", "dataset", "split", "protocol", "setting")
# A list of units may be long; its id identifies the units as well.
_UNITS = """
SELECT run.run_id, map.name, map.layer, map.unit_list_id, map.data
FROM run_facts AS run
JOIN map_arrays AS map ON map.run_id = run.id
WHERE run.run_id IN ({runs}) AND map.name IN ({names})
"""


def enrich(data: Rows, options: Options, ask: Callable[[str], Rows]) -> Rows:
    """Return the rows of best layers with the columns COLUMNS, empty for a metric without numbers of units."""
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
    """Unit scores of one metric of one run, (units, layers); NaN for a missing score."""

    def __init__(self, names: int | None, layers: Sequence[int], values: Floats) -> None:
        import numpy as np

        self.names, self.layers, self.values = names, list(layers), values
        self._whole = np.isfinite(values).all(axis=1)

    def of(self, layer: int) -> Floats:
        """Return the scores at a layer, (units,)."""
        column: Floats = self.values[:, self.layers.index(layer)]
        return column

    @property
    def drawn(self) -> tuple[int | None, bytes]:
        """Return a key of the units that the bootstrap samples: those with a score at every layer."""
        return self.names, self._whole.tobytes()

    @property
    def complete(self) -> Floats:
        """Return the scores of the units with a score at every layer."""
        return self.values if self._whole.all() else self.values[self._whole]


def unit_scores(rows: Sequence[Row], options: Options, ask: Callable[[str], Rows]) -> Mapping[int, Scores]:
    """Return the numbers of units of each row whose value is their mean, by the position of the row.

    They are the units' scores, or their pseudo-values where the metric pools what units consist of.
    """
    if not rows:
        return {}
    runs = tuple(sorted({row["run_id"] for row in rows}))
    names = tuple(sorted(f"{kind}:{metric}" for kind in KINDS for metric in {row["metric"] for row in rows}))
    kept: dict[tuple[str, str], list[tuple[int, int | None, bytes]]] = {}
    for run, name, layer, units, array in ask(_UNITS.format(runs=literal(runs), names=literal(names))).rows:
        if not options.layers or layer in options.layers:
            kept.setdefault((run, name), []).append((layer, units, array))
    found = {}
    for place, row in enumerate(rows):
        stored = (kept.get((row["run_id"], f"{kind}:{row['metric']}")) for kind in KINDS)
        every = (_stacked(sorted(arrays, key=lambda each: each[0])) for arrays in stored if arrays)
        if scores := next((scores for scores in every if _is_mean(row, scores)), None):
            found[place] = scores
    return found


def _stacked(arrays: Sequence[tuple[int, int | None, bytes]]) -> Scores:
    """Stack the arrays of one run: layer, unit list and array of each layer, in order."""
    import numpy as np

    from teachmatters.reports.tables.arrays import stacked

    layers = stacked([array for _, _, array in arrays]).astype(np.float64)
    return Scores(arrays[0][1], [layer for layer, _, _ in arrays], layers.T)


def _is_mean(row: Row, scores: Scores) -> bool:
    """Return True if the value is the mean of its units; some protocols pool them differently."""
    import numpy as np

    values = scores.values[:, scores.layers.index(row["layer"])] if row["layer"] in scores.layers else np.empty(0)
    values = values[np.isfinite(values)]
    size = max(1.0, float(np.abs(values).max(initial=0.0)))
    return bool(len(values)) and abs(float(values.mean()) - row["value"]) <= ROUNDING * size


def _judge(rows: Sequence[Row], scores: Sequence[Scores | None]) -> None:
    """Fill in the columns COLUMNS of one task's rows."""
    alike: dict[tuple[int | None, bytes], list[tuple[Row, Scores]]] = {}
    for row, own in zip(rows, scores, strict=True):
        if own is not None:
            alike.setdefault(own.drawn, []).append((row, own))
    for group in alike.values():
        _judge_alike(group)
        if len(group) < len(rows) or len(rows) == 1:  # other units, or no other model
            for row, _ in group:
                row["wins"] = None


def _judge_alike(group: Sequence[tuple[Row, Scores]]) -> None:
    """Fill in the rows of models with the same units; all models share the resamples."""
    import numpy as np

    from teachmatters.measures import bootstrap

    # Each model's means are contiguous, so that they stay in the processor's cache.
    means = bootstrap.resampled_means(np.concatenate([own.complete.T for _, own in group]).T)
    starts = np.cumsum([0, *(len(own.layers) for _, own in group)])
    best = [own.layers.index(row["layer"]) for row, own in group]
    low, high = bootstrap.interval(means[:, starts[:-1] + best])
    bests = np.empty((len(group), len(means)))
    for nth, (row, own) in enumerate(group):
        layers = means[:, starts[nth] : starts[nth + 1]]
        ties = zip(own.layers, bootstrap.tied(layers, best[nth]), strict=True)
        row["tied_layers"] = ",".join(str(layer) for layer, tie in ties if tie)
        row["low"], row["high"], row["units"] = float(low[nth]), float(high[nth]), len(own.complete)
        bests[nth] = layers.max(axis=1) if row["higher_is_better"] else -layers.min(axis=1)
    for (row, _), share in zip(group, bootstrap.wins(bests.T), strict=True):
        row["wins"] = float(share)
