"""A model that passes can be made with, wherever it is, and what such a pass leaves."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from teachmatters.api import ModelInfo, ModelSource, State
from teachmatters.runner.features.extractor import ExtractionJob
from teachmatters.runner.forward.schedule import PassMember
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.record.run import RunConditions

if TYPE_CHECKING:
    from teachmatters.runner.session.passes import PassSettings, PendingTask

MemberSource: TypeAlias = "PendingTask | ExtractionJob"
"""What a feeding can be made of anew, elsewhere."""


@dataclass(frozen=True, slots=True)
class PlannedPass:
    """A pass that is to be made.

    Attributes:
        label: what the display calls it.
        members: who takes part, started.
        origins: what each of them was made of.
    """

    label: str
    members: tuple[PassMember, ...]
    origins: tuple[MemberSource, ...]


@dataclass(frozen=True, slots=True)
class PassOutcome:
    """A pass that was made.

    Attributes:
        conditions: its circumstances.
        failed: who broke off, and why; the others went on.
        states: what the others gathered.
        seconds: of the time that this process spent on the pass, each one's share.
    """

    conditions: RunConditions
    failed: Mapping[PassMember, Exception]
    states: Mapping[PassMember, Callable[[], State]]
    seconds: Mapping[PassMember, float]


class PassExecutor(Protocol):
    """A model, built and gated."""

    info: ModelInfo

    def carry_out(self, passes: Sequence[PlannedPass]) -> Generator[PassOutcome]:
        """Make the passes; each comes out in its turn, when it is done and asked for. Closed before its end, it calls
        off those that are under way.

        Raises:
            TeachMattersError: a pass broke off as a whole.
        """


class Engine(Protocol):
    """Who makes passes: this process, or workers elsewhere."""

    def open(self, settings: PassSettings, model: LabelledModel, source: ModelSource) -> PassExecutor:
        """The model, built and gated where its passes will be made.

        Raises:
            TeachMattersError: it cannot be built, or is no plain vision transformer.
        """
