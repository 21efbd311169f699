"""The contract of an analysis: what it is fed, and its life from ``start`` to ``compute``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from teachmatters.api.dataset import Dataset, Item, Kind, Role
from teachmatters.api.features import Features
from teachmatters.api.metric import MetricSpec
from teachmatters.api.model import ModelInfo, Tap
from teachmatters.api.parameter import Parameter, Parameters
from teachmatters.api.record import Result
from teachmatters.api.transform import Crop, Transform

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

State: TypeAlias = "dict[str, NDArray[np.generic] | float | int | str]"
"""All that an analysis has gathered: a flat dict of named arrays, numbers and texts, so that it can be saved, loaded,
sent and merged. An array may be a memory map."""

Group: TypeAlias = int | Literal["own"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisSpec:
    """An analysis that can be asked for by name; nothing in it needs torch.

    Attributes:
        name: ``attention``.
        summary: one line.
        metrics: what it records.
        factory: ``module:callable`` taking nothing and returning an Analysis.
        kind: the kind of data that its items are chosen by; a metric may need another kind beside it (MetricSpec.kind),
            and a data set that offers either is measured for what it offers.
        stand_in: a kind that serves as well where a data set lacks ``kind``: parts, where there are no whole objects.
        parameters: what ``--param`` may set.
        version: raised whenever its numbers change; part of the cell.
        pairs: whether it compares models: each is passed over once, then every pair is compared.
        default_data: bundled data set used when no data set is named.
        paper_data: the paper's data sets for it, ``--data paper``.
        suites: ``how``, ``what``, ``why`` and ``paper``, where it belongs to them.
    """

    name: str
    summary: str
    metrics: tuple[MetricSpec, ...]
    factory: str
    kind: Kind = "images"
    stand_in: Kind | None = None
    parameters: tuple[Parameter, ...] = ()
    version: int = 1
    pairs: bool = False
    default_data: str = "scenes"
    paper_data: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of data that it can use, its own first."""
        others = (self.stand_in, *(metric.kind for metric in self.metrics))
        return tuple(dict.fromkeys([self.kind, *(kind for kind in others if kind)]))

    def kind_on(self, kinds: frozenset[Kind]) -> Kind:
        """The kind that its items are chosen by, on data of these kinds."""
        return self.stand_in if self.stand_in in kinds and self.kind not in kinds else self.kind

    def metrics_on(self, kinds: frozenset[Kind]) -> frozenset[str]:
        """Its metrics that data of these kinds allow."""
        own = self.kind_on(kinds)
        return frozenset(metric.name for metric in self.metrics if (metric.kind or own) in kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """What an analysis wants to be handed.

    Attributes:
        taps: what it is handed at every layer, batch by batch.
        roles: ``("all",)``, or ``("queries", "gallery")``.
        transform: how images become inputs.
        group: what may not be parted. None: nothing, every row stands for itself. A number: that many items in order.
            ``"own"``: the items' own ``group`` (a video). With a group, batches never hold rows of two groups, its
            items come in order and together, and ``end_group`` is called after each. Where memory allows, a number
            is also the least size of a batch, so that a group is seen layer by layer.
        collect: of ``cls`` and ``mean``, what it wants of all images together: never handed to ``update``, but there
            in ``Context.features`` when it computes. Kept in the cache, so that later commands need no pass for it;
            not for analyses of pairs, whose states must hold all that they compare.
    """

    taps: frozenset[Tap] = frozenset()
    roles: tuple[Role, ...] = ("all",)
    transform: Transform = field(default_factory=Crop)
    group: Group = None
    collect: frozenset[Tap] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is fixed for the whole life of an analysis.

    Attributes:
        model: the model's shape.
        metrics: the metrics to record; never empty.
        parameters: every declared parameter, defaults filled in.
        items: by role, the items that it is fed, limit applied; ``Batch.index`` and unit names refer to it.
        dataset: for the names of classes (``Item.label`` counts in them) and for annotations as the data set gives
            them; those moved along with an image come with its rows.
        device: where tensors arrive and totals should stay.
        limit: ``--limit``, for analyses whose units are not items.
        seed: for whatever is random.
        label: what the model is called in the store, for naming files.
        features: of ``InputSpec.collect``, from ``compute`` on.
    """

    model: ModelInfo
    metrics: frozenset[str]
    parameters: Parameters
    items: Mapping[Role, Sequence[Item]]
    dataset: Dataset
    device: torch.device
    limit: int | None = None
    seed: int = 0
    label: str = ""
    features: Features = field(default_factory=Features)


@dataclass(frozen=True, slots=True)
class Row:
    """Where one row of a batch comes from.

    Attributes:
        index: the item's position in ``Context.items`` of the batch's role.
        grid: rows and columns of patches of the whole item.
        patches: int64 (patches of this window): see TransformedImage; None when this row is the whole grid.
        annotations: by kind, moved along with the image.
        window, windows: which of the item's windows this is, from 0, and how many there are.
    """

    index: int
    grid: tuple[int, int]
    patches: NDArray[np.int64] | None
    annotations: Mapping[str, Mapping[str, Any]]
    window: int = 0
    windows: int = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """One tap of one layer for some rows of one role.

    Attributes:
        values: the tensor, as in Tap, one entry a row, on ``Context.device``; not to be kept or changed.
        rows: where the entries come from.
        role: the role of all of them.
    """

    values: Tensor
    rows: Sequence[Row]
    role: Role


class Analysis(ABC):
    """Running totals over one data set for one model.

    The runner calls ``start``, then for each batch ``update`` layer by layer, ``end_group`` where the feed has groups,
    at last ``state`` and ``compute``. A part of the groups may also be counted elsewhere: states are then saved,
    loaded and joined by ``merge``. How the images were cut into batches and parts never changes the answer: what
    depends on order depends on the items' indices. Between groups an instance holds nothing that ``state`` does not
    tell.
    """

    @abstractmethod
    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        """What to be handed for these metrics; called before ``start``. Roles do not depend on the metrics."""

    def select(self, items: Mapping[Role, Sequence[Item]], parameters: Parameters) -> Mapping[Role, Sequence[Item]]:
        """Which of the items to be fed, where a parameter chooses among them. All, by default."""
        return items

    @abstractmethod
    def start(self, context: Context) -> None:
        """Forget everything and begin."""

    @abstractmethod
    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        """Take one tap of one layer (from 1) in."""

    def end_group(self) -> None:
        """The group's last row has been through the model."""

    @abstractmethod
    def state(self) -> State:
        """All that was gathered so far, on the CPU."""

    @abstractmethod
    def merge(self, states: Sequence[State]) -> State:
        """The states of several parts as one; changes none of them. Works without ``start``."""

    def compute(self, state: State) -> Result:
        """The numbers of one model.

        Raises:
            TeachMattersError: the data do not allow the measurement; says why.
        """
        raise NotImplementedError(f"{type(self).__name__} has no compute")

    def compare(self, state: State, other: State) -> Result:
        """The numbers of a pair of models, or of one with itself; ``other_layer`` is the second model's.

        Called on an instance that was started with the first model's context.
        """
        raise NotImplementedError(f"{type(self).__name__} has no compare")
