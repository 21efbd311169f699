"""The contract of an analysis: its input, and its life from ``start`` to ``compute``."""

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
from teachmatters.api.readout import Readout
from teachmatters.api.record import Result
from teachmatters.api.transform import Crop, Transform

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

# Everything that an analysis has accumulated. It is a flat dict of arrays, numbers and strings so that it can be saved,
# loaded, sent and merged. An array may be a memory map.
State: TypeAlias = "dict[str, NDArray[np.generic] | float | int | str]"

Group: TypeAlias = int | Literal["own", "all"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisSpec:
    """A named analysis. The spec itself does not need torch.

    Attributes:
        name: ``attention``.
        summary: one line.
        metrics: the metrics that it records.
        factory: ``module:callable`` that takes no arguments and returns an Analysis.
        kind: the kind of data that selects its items. A metric may need another kind (MetricSpec.kind); a data set
            that offers only one of them gets the metrics of that kind.
        stand_in: a kind to use where a data set lacks ``kind``, such as parts where there are no whole objects.
        parameters: the parameters that ``--param`` can set.
        version: part of the cell; raise it whenever the numbers change.
        pairs: whether it compares models: each model runs once over the data, then every pair is compared.
        default_data: the bundled data set to use when no data set is named.
        paper_data: the paper's data sets, for ``--data paper``.
        suites: the suites that include it: ``how``, ``what``, ``why``, ``paper``.
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
        """Return the kinds of data that it can use, its own first."""
        others = (self.stand_in, *(metric.kind for metric in self.metrics))
        return tuple(dict.fromkeys([self.kind, *(kind for kind in others if kind)]))

    def kind_on(self, kinds: frozenset[Kind]) -> Kind:
        """Return the kind that selects its items on data of these kinds."""
        return self.stand_in if self.stand_in in kinds and self.kind not in kinds else self.kind

    def metrics_on(self, kinds: frozenset[Kind]) -> frozenset[str]:
        """Return the names of its metrics that data of these kinds allow."""
        own = self.kind_on(kinds)
        return frozenset(metric.name for metric in self.metrics if (metric.kind or own) in kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """The input that an analysis asks for.

    Attributes:
        taps: the taps and readouts that ``update`` receives at every layer, batch by batch.
        roles: ``("all",)``, or ``("queries", "gallery")``, in any order; with a group, items arrive in the order of
            the roles.
        transform: turns images into inputs.
        group: which items belong together. None: every row is independent. A number: that many consecutive items.
            ``"own"``: the items' ``group`` (a video). ``"all"``: all items of all roles, for queries that need the
            whole gallery before them; no other process then handles a part of the items. A batch never holds rows of
            two groups; the items of a group arrive in order and together, and ``end_group`` is called after each
            group. Where memory allows, a number is also the smallest size of a batch, so that a group arrives layer
            by layer.
        collect: the readouts that it needs of all images together. ``update`` does not receive them; ``compute``
            reads them from ``Context.features``. The cache keeps them, so later commands need no pass. Analyses of
            pairs cannot use it, because their states must hold everything that they compare.
    """

    taps: frozenset[Tap | Readout] = frozenset()
    roles: tuple[Role, ...] = ("all",)
    transform: Transform = field(default_factory=Crop)
    group: Group = None
    collect: frozenset[Readout] = frozenset()

    @property
    def readouts(self) -> frozenset[Readout]:
        """Return every readout among ``taps`` and ``collect``."""
        return self.collect.union(tap for tap in self.taps if isinstance(tap, Readout))

    def lacking(self, model: ModelInfo) -> str:
        """Return what this input needs and the model lacks, such as ``a class token``; empty if it lacks nothing."""
        plain = (Readout("tokens", tap) for tap in self.taps if not isinstance(tap, Readout))
        return next((lack for read in (*self.readouts, *plain) if (lack := read.lacking(model))), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The circumstances that do not change during the life of an analysis.

    Attributes:
        model: the model's shape.
        metrics: the metrics to record; never empty.
        parameters: every declared parameter, defaults filled in.
        items: by role, the items of the run with the limit applied; ``Row.index`` and unit names refer to them.
        dataset: gives the names of classes (``Item.label`` is an index into them) and the original annotations;
            transformed annotations come with the rows.
        device: the device of the tensors, where totals should stay.
        limit: the value of ``--limit``, for analyses whose units are not items.
        seed: for everything random.
        label: the name of the model in the store, for file names.
        features: the features of ``InputSpec.collect``, from ``compute`` on.
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
    """The origin of one row of a batch.

    Attributes:
        index: the item's position in ``Context.items`` of the batch's role.
        grid: rows and columns of patches of the whole item.
        patches: int64 (patches of this window), as in TransformedImage; None when this row is the whole grid.
        annotations: by kind, transformed with the image.
        window, windows: the number of this window of the item, from 0, and the number of windows.
    """

    index: int
    grid: tuple[int, int]
    patches: NDArray[np.int64] | None
    annotations: Mapping[str, Mapping[str, Any]]
    window: int = 0
    windows: int = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """The values of one tap or readout of one layer, for some rows of one role.

    Attributes:
        values: the tensor of the tap or readout, one entry per row, on ``Context.device``. Do not keep or change it.
        rows: the origin of each entry.
        role: the role of all rows.
        readout: the readout, as the input spec has it; None for a whole tap.
    """

    values: Tensor
    rows: Sequence[Row]
    role: Role
    readout: Readout | None = None


class Analysis(ABC):
    """An analysis of one model on one data set, as running totals.

    The runner calls ``start``, then for each batch ``update`` layer by layer, ``end_group`` where the input has groups,
    and finally ``state`` and ``compute``. Other processes may handle some of the groups: their states are then saved,
    loaded and joined by ``merge``. The division of images into batches and parts must not change the result: what
    depends on order depends on the items' indices. Between groups, an instance holds only what ``state`` returns.
    """

    @abstractmethod
    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        """Return the input that these metrics need. Called before ``start``; roles must not depend on the metrics."""

    def select(self, items: Mapping[Role, Sequence[Item]], parameters: Parameters) -> Mapping[Role, Sequence[Item]]:
        """Return the items to use, where a parameter chooses among them. By default, return all."""
        return items

    @abstractmethod
    def start(self, context: Context) -> None:
        """Reset all totals and begin."""

    @abstractmethod
    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        """Add one tap of one layer (from 1), or a readout of this tap (``batch.readout``)."""

    def end_group(self) -> None:
        """Finish a group, after its last row."""

    @abstractmethod
    def state(self) -> State:
        """Return everything accumulated so far, on the CPU."""

    @abstractmethod
    def merge(self, states: Sequence[State]) -> State:
        """Return the states of several parts as one, without changing them. Must work without ``start``."""

    def compute(self, state: State) -> Result:
        """Compute the numbers of one model.

        Raises:
            TeachMattersError: the data do not allow the measurement; the message gives the reason.
        """
        raise NotImplementedError(f"{type(self).__name__} has no compute")

    def compare(self, state: State, other: State) -> Result:
        """Compute the numbers of a pair of models, or of a model with itself; ``other_layer`` is the second model's.

        The instance was started with the first model's context.
        """
        raise NotImplementedError(f"{type(self).__name__} has no compare")
