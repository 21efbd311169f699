"""A study whose names were looked up: which models, and what is wanted of which of them on which data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement

from teachmatters.api import DatasetSpec
from teachmatters.registry import AnalysisRequest
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.plan.settings import RunSettings, cell_parameters
from teachmatters.runner.plan.tasks import MetricSelection, selected_metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyTask:
    """One analysis on one data set, on one set of terms; everything that entries of the file ask of it.

    Attributes:
        request: the analysis and all metrics that are asked of it.
        data: the data set.
        run_settings: parameters and the like.
        selections: which of the metrics of which models.
    """

    request: AnalysisRequest
    data: DatasetSpec
    run_settings: RunSettings
    selections: tuple[MetricSelection, ...]

    @property
    def setting(self) -> str:
        """As the store will tell it."""
        return cell_parameters(self.request.analysis, self.data, self.run_settings)[1]

    def cells(self, labels: Iterable[str]) -> Iterator[tuple[str, str]]:
        """The models, or pairs of models, that something is wanted of."""
        if not self.request.analysis.pairs:
            yield from ((label, "") for label in labels if selected_metrics(self.selections, label))
            return
        for pair in combinations_with_replacement(sorted(labels), 2):
            if selected_metrics(self.selections, *pair):
                yield pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A study that can be carried out.

    Attributes:
        db: the store that the file names.
        models: each under a label of its own.
        study_tasks: what is wanted, each analysis once for each data set and set of terms.
        device, batch_size: as for ``tm analyze``.
        said: sentences about choices that were made for the user.
    """

    db: str | None
    models: tuple[LabelledModel, ...]
    study_tasks: tuple[StudyTask, ...]
    device: str
    batch_size: int | None
    said: tuple[str, ...]

    @property
    def labels(self) -> list[str]:
        """Of the models."""
        return [model.label for model in self.models]
