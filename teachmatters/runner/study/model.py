"""A study after its names were looked up: models, and the analyses, data sets and metrics requested of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement

from teachmatters.api import DatasetSpec
from teachmatters.registry import AnalysisRequest
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.plan.parameters import pair_parameters
from teachmatters.runner.plan.settings import RunSettings, cell_parameters
from teachmatters.runner.plan.tasks import MetricSelection, selected_metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyTask:
    """One analysis on one data set with one set of settings; entries of the file that agree in these are joined.

    Attributes:
        request: the analysis and all metrics that are requested of it.
        data: the data set.
        run_settings: parameters, limit, seed and dtype.
        selections: the metrics requested of certain models.
    """

    request: AnalysisRequest
    data: DatasetSpec
    run_settings: RunSettings
    selections: tuple[MetricSelection, ...]

    @property
    def setting(self) -> str:
        """Return the setting of its cells in the store."""
        spec, data, settings = self.request.analysis, self.data, self.run_settings
        return cell_parameters(spec, data, pair_parameters(spec, data, settings.given), settings)[1]

    def cells(self, labels: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield the models, or pairs of models, of which a metric is requested."""
        if not self.request.analysis.pairs:
            yield from ((label, "") for label in labels if selected_metrics(self.selections, label))
            return
        for pair in combinations_with_replacement(sorted(labels), 2):
            if selected_metrics(self.selections, *pair):
                yield pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A study that is ready to run.

    Attributes:
        db: the store that the file names.
        models: each with a unique label.
        study_tasks: each analysis once for each data set and set of settings.
        device, batch_size: as for ``tm analyze``.
        remarks: sentences about choices made for the user.
    """

    db: str | None
    models: tuple[LabelledModel, ...]
    study_tasks: tuple[StudyTask, ...]
    device: str
    batch_size: int | None
    remarks: tuple[str, ...]

    @property
    def labels(self) -> list[str]:
        """Return the labels of the models."""
        return [model.label for model in self.models]
