"""A model that passes can be made with, wherever it is, and what such a pass leaves."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from teachmatters.api import ModelInfo, ModelSource, State
from teachmatters.runner.harvest import Sown
from teachmatters.runner.labels import LabelledModel
from teachmatters.runner.record import Sitting
from teachmatters.runner.seats import Feeding

if TYPE_CHECKING:
    from teachmatters.runner.measure import Bench, Todo

Origin: TypeAlias = "Todo | Sown"
"""What a feeding can be made of anew, elsewhere."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A pass that is to be made.

    Attributes:
        label: what the display calls it.
        feedings: who takes part, started.
        origins: what each of them was made of.
    """

    label: str
    feedings: tuple[Feeding, ...]
    origins: tuple[Origin, ...]


@dataclass(frozen=True, slots=True)
class Passed:
    """A pass that was made.

    Attributes:
        sitting: its circumstances.
        failed: who broke off, and why; the others went on.
        states: what the others gathered.
        seconds: of the time that this process spent on the pass, each one's share.
    """

    sitting: Sitting
    failed: Mapping[Feeding, Exception]
    states: Mapping[Feeding, Callable[[], State]]
    seconds: Mapping[Feeding, float]


class Network(Protocol):
    """A model, built and gated."""

    info: ModelInfo

    def carry_out(self, passes: Sequence[Planned]) -> Generator[Passed]:
        """Make the passes; each comes out in its turn, when it is done and asked for. Closed before its end, it calls
        off those that are under way.

        Raises:
            TeachMattersError: a pass broke off as a whole.
        """


class Engine(Protocol):
    """Who makes passes: this process, or workers elsewhere."""

    def open(self, bench: Bench, model: LabelledModel, source: ModelSource) -> Network:
        """The model, built and gated where its passes will be made.

        Raises:
            TeachMattersError: it cannot be built, or is no plain vision transformer.
        """
