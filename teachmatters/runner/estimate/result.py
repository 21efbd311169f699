"""The result of ``tm study --plan``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatedPass:
    """The missing passes of one model over one data set with one transform.

    Attributes:
        model, architecture: the label, and for example ``ViT-B/16``.
        data, transform: the data set, and how its images are transformed.
        seed, dtype: the seed and dtype of the study's entries.
        analyses: names of the analyses that share the passes.
        cells: missing cells of the model alone; comparisons of models are counted separately.
        images: number of images to read.
        forward_passes: number of inputs of the model; 0 where the cache holds everything needed.
        feature_bytes: size of the features that will be cached.
        per_second: forward passes per second, None where there are none.
    """

    model: str
    architecture: str
    data: str
    transform: str
    seed: int
    dtype: str
    analyses: tuple[str, ...]
    cells: int
    images: int
    forward_passes: int
    feature_bytes: int
    per_second: float | None

    @property
    def seconds(self) -> float:
        """Return the time that the forward passes take on this machine."""
        return self.forward_passes / self.per_second if self.per_second else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Something that prevents a measurement.

    Attributes:
        kind: ``data``: a data set is absent; ``model``: a model cannot be used; ``weights``: a model's weights are
            absent, and its passes are estimated all the same.
        name: name of the data set, or label of the model.
        cells: number of cells that it blocks.
        reason: one line.
    """

    kind: str
    name: str
    cells: int
    reason: str


@dataclass(slots=True)
class Estimate:
    """The estimate of a whole study.

    Attributes:
        device: the device that was timed.
        cells, missing: number of cells of the study, and of those that the store lacks.
        comparisons: missing pairs of models that can be compared.
        passes: the missing passes.
        problems: obstacles to a measurement.
        keys: data set and key of every image to read.
        remark: on the disk space that the features need, None if there is enough.
    """

    device: str
    cells: int
    missing: int = 0
    comparisons: int = 0
    passes: list[EstimatedPass] = field(default_factory=list)
    problems: list[Obstacle] = field(default_factory=list)
    keys: set[tuple[str, str]] = field(default_factory=set)
    remark: str | None = None

    def add_obstacle(self, kind: str, name: str, cells: int, error: Exception | str) -> None:
        """Add an obstacle; the cells of obstacles with the same name and reason are added up."""
        reason = " ".join(str(error).split()) or type(error).__name__
        for number, known in enumerate(self.problems):
            if (known.kind, known.name, known.reason) == (kind, name, reason):
                self.problems[number] = replace(known, cells=known.cells + cells)
                return
        self.problems.append(Obstacle(kind=kind, name=name, cells=cells, reason=reason))

    @property
    def forward_passes(self) -> int:
        """Return the forward passes of all models."""
        return sum(estimated.forward_passes for estimated in self.passes)

    @property
    def feature_bytes(self) -> int:
        """Return the size of the features of all models."""
        return sum(estimated.feature_bytes for estimated in self.passes)

    @property
    def seconds(self) -> float:
        """Return the time that all forward passes take."""
        return sum(estimated.seconds for estimated in self.passes)


def rate_of(passes: Iterable[EstimatedPass]) -> float | None:
    """Return the forward passes per second over several passes, None where there are none."""
    passes = list(passes)
    seconds = sum(estimated.seconds for estimated in passes)
    return sum(estimated.forward_passes for estimated in passes) / seconds if seconds else None
