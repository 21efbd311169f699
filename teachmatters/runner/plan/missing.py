"""What of all that is wanted the store lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import combinations_with_replacement
from typing import TypeAlias

from teachmatters.runner.plan.tasks import Task
from teachmatters.runner.record.run import cell_of
from teachmatters.store import Cell

Singles: TypeAlias = dict[Task, frozenset[str]]
"""What is missing of one model; nothing where the store holds it all."""

Pairs: TypeAlias = dict[tuple[Task, str, str], frozenset[str]]
"""The same of pairs of models, by their labels in the canonical order."""


class MissingMetrics:
    """What of all that is wanted the store lacks.

    Args:
        recorded: the metrics that the store holds of a cell.
        force: whether everything is to be measured, whatever it holds.
    """

    def __init__(self, recorded: Callable[[Cell], frozenset[str]], *, force: bool) -> None:
        self.recorded, self.force = recorded, force

    def singles(self, label: str, weights: str, tasks: Iterable[Task]) -> Singles:
        """Of one model: every task that wants something of it."""
        wanting = (task for task in tasks if not task.spec.pairs and task.wanted(label))
        return {task: self._of(task, task.wanted(label), cell_of(task, label, weights)) for task in wanting}

    def pairs(self, labels: Iterable[str], weights: Mapping[str, str], tasks: Iterable[Task]) -> Pairs:
        """Of all pairs that are wanted. Of a model whose weights were not found everything is missing."""
        every = list(combinations_with_replacement(sorted(labels), 2))
        missing: Pairs = {}
        for task in (task for task in tasks if task.spec.pairs):
            for first, second in every:
                wanted = task.wanted(first, second)
                if wanted and first in weights and second in weights:
                    cell = cell_of(task, first, weights[first], second, weights[second])
                    missing[task, first, second] = self._of(task, wanted, cell)
                elif wanted:
                    missing[task, first, second] = wanted
        return missing

    def _of(self, task: Task, wanted: frozenset[str], cell: Cell) -> frozenset[str]:
        return wanted if self.force or task.force else wanted - self.recorded(cell)


def needed(pairs: Pairs, label: str) -> Singles:
    """The comparisons that a model has to be passed over for, with all that is missing of them."""
    found: Singles = {}
    for (task, *labels), missing in pairs.items():
        if missing and label in labels:
            found[task] = found.get(task, frozenset()) | missing
    return found
