"""Finds the requested metrics that the store lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import combinations_with_replacement
from typing import TypeAlias

from teachmatters.runner.plan.tasks import Task
from teachmatters.store import Cell

# The missing metrics of one model by task; empty where the store holds them all.
Singles: TypeAlias = dict[Task, frozenset[str]]

# The same for pairs of models, whose labels are sorted.
Pairs: TypeAlias = dict[tuple[Task, str, str], frozenset[str]]


class MissingMetrics:
    """The requested metrics that the store lacks.

    Args:
        recorded: returns the metrics that the store holds of a cell.
        force: treat everything as missing.
    """

    def __init__(self, recorded: Callable[[Cell], frozenset[str]], *, force: bool) -> None:
        self.recorded, self.force = recorded, force

    def singles(self, label: str, weights: str, tasks: Iterable[Task]) -> Singles:
        """Return the missing metrics of one model, for every task that wants some of it."""
        wanting = (task for task in tasks if not task.spec.pairs and task.wanted(label))
        return {task: self._of(task, task.wanted(label), task.cell(label, weights)) for task in wanting}

    def pairs(self, labels: Iterable[str], weights: Mapping[str, str], tasks: Iterable[Task]) -> Pairs:
        """Return the missing metrics of all wanted pairs; everything is missing for a model without weights."""
        every = list(combinations_with_replacement(sorted(labels), 2))
        missing: Pairs = {}
        for task in (task for task in tasks if task.spec.pairs):
            for first, second in every:
                wanted = task.wanted(first, second)
                if wanted and first in weights and second in weights:
                    cell = task.cell(first, weights[first], second, weights[second])
                    missing[task, first, second] = self._of(task, wanted, cell)
                elif wanted:
                    missing[task, first, second] = wanted
        return missing

    def _of(self, task: Task, wanted: frozenset[str], cell: Cell) -> frozenset[str]:
        return wanted if self.force or task.force else wanted - self.recorded(cell)


def needed(pairs: Pairs, label: str) -> Singles:
    """Return the comparisons that need a pass of this model, with all metrics that they lack."""
    found: Singles = {}
    for (task, *labels), missing in pairs.items():
        if missing and label in labels:
            found[task] = found.get(task, frozenset()) | missing
    return found
