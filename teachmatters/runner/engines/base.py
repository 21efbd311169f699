"""The interface of engines, which run the forward passes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from teachmatters.api import ModelInfo, ModelSource, State
from teachmatters.api.progress import Progress
from teachmatters.runner.features.extractor import ExtractionJob
from teachmatters.runner.forward.schedule import PassMember
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.plan.pending import PendingTask
from teachmatters.runner.record.run import RunConditions

# A pass member can be created again from one of these, on another machine.
MemberSource: TypeAlias = PendingTask | ExtractionJob


@dataclass(frozen=True, slots=True)
class PlannedPass:
    """A pass that is still to run.

    Attributes:
        label: shown with the progress.
        members: the started analyses and feature writers that take part.
        origins: the task or job that each member was created from.
    """

    label: str
    members: tuple[PassMember, ...]
    origins: tuple[MemberSource, ...]


@dataclass(frozen=True, slots=True)
class PassOutcome:
    """A pass that has run.

    Attributes:
        conditions: device, start and skipped images.
        failed: the error of each member that failed; the others went on.
        states: for each other member, a function that returns its state.
        seconds: each member's share of the time that this process spent on the pass.
    """

    conditions: RunConditions
    failed: Mapping[PassMember, Exception]
    states: Mapping[PassMember, Callable[[], State]]
    seconds: Mapping[PassMember, float]


class PassExecutor(Protocol):
    """A model that an engine has built and checked."""

    info: ModelInfo

    def run(self, passes: Sequence[PlannedPass]) -> Generator[PassOutcome]:
        """Run the passes and yield their outcomes in order. Closing the generator early cancels the passes under way.

        Raises:
            TeachMattersError: a whole pass failed.
        """


class Engine(Protocol):
    """An engine that runs forward passes, in this process or on workers."""

    def open(
        self, model: LabelledModel, source: ModelSource, settings: PassSettings, progress: Progress
    ) -> PassExecutor:
        """Build and check the model where its passes will run.

        Raises:
            TeachMattersError: the model cannot be built, or is not a plain vision transformer.
        """


# Starts the engine of a command, or returns the one that was started before.
EngineStarter: TypeAlias = Callable[[], Engine]
