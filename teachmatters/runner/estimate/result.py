"""What ``tm study --plan`` has found out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatedPass:
    """What of one model on one data set and one transform is missing.

    Attributes:
        model, architecture: label, and ``ViT-B/16``.
        data, transform: what is passed over, and how it is prepared.
        seed, dtype: of the study's entries.
        analyses: that have a part in it.
        cells: analyses of the model alone that are missing; comparisons of models are counted by themselves.
        images: that are read.
        forward_passes: prepared inputs that go through the model; none where the cache has all that is needed.
        feature_bytes: that the cache will take.
        per_second: forward passes a second, None where there are none.
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
        """That the forward passes take here."""
        return self.forward_passes / self.per_second if self.per_second else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """What cannot be measured as things are.

    Attributes:
        kind: ``data`` is not there, a ``model`` cannot be used, or its ``weights`` are not here (then it is counted).
        name: of the data set, or label of the model.
        cells: that it stands in the way of.
        reason: a line.
    """

    kind: str
    name: str
    cells: int
    reason: str


@dataclass(slots=True)
class Estimate:
    """A whole plan.

    Attributes:
        device: that the time was found out on.
        cells, missing: of the study, and those of them that the store lacks.
        comparisons: pairs of models among the missing that can be compared.
        passes: what has to go through which model.
        problems: what is not there.
        keys: data set and image, of all that is read.
        remark: about the space that features take.
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
        """Add an obstacle; equal names and reasons are joined."""
        reason = " ".join(str(error).split()) or type(error).__name__
        for number, known in enumerate(self.problems):
            if (known.kind, known.name, known.reason) == (kind, name, reason):
                self.problems[number] = replace(known, cells=known.cells + cells)
                return
        self.problems.append(Obstacle(kind=kind, name=name, cells=cells, reason=reason))

    @property
    def forward_passes(self) -> int:
        """Of all models."""
        return sum(each.forward_passes for each in self.passes)

    @property
    def feature_bytes(self) -> int:
        """Of all models."""
        return sum(each.feature_bytes for each in self.passes)

    @property
    def seconds(self) -> float:
        """That all forward passes take."""
        return sum(each.seconds for each in self.passes)


def rate_of(passes: Iterable[EstimatedPass]) -> float | None:
    """Forward passes a second over several, None where there are none."""
    some = list(passes)
    seconds = sum(each.seconds for each in some)
    return sum(each.forward_passes for each in some) / seconds if seconds else None
