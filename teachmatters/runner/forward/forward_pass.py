"""The forward pass: every image goes through the model once, and every analysis receives its share of each batch."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from teachmatters.api import Batch, ModelAdapter, Readout, Role, Row, Tap, Transform, TransformedImage
from teachmatters.errors import TeachMattersError
from teachmatters.runner.forward.device import out_of_memory
from teachmatters.runner.forward.loader import WORKERS, load_in_order
from teachmatters.runner.forward.readouts import vectors
from teachmatters.runner.forward.schedule import Assignment, GroupId, PassMember, ScheduledImage, build_schedule
from teachmatters.runner.forward.time_shares import shares_of_pass


@dataclass(slots=True)
class PassResult:
    """The outcome of a pass, except for the states that the analyses hold.

    Attributes:
        skipped: for each item that could not be read, the reason, by key.
        forwards: number of inputs that went through the model.
        failed: the error of each analysis that failed; the others went on.
        seconds: each analysis' share of the time that the pass took.
    """

    skipped: dict[str, str] = field(default_factory=dict)
    forwards: int = 0
    failed: dict[PassMember, Exception] = field(default_factory=dict)
    seconds: dict[PassMember, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Input:
    """One input of the batch that is being filled."""

    pixels: NDArray[np.uint8]
    entry: ScheduledImage
    transformed: TransformedImage
    window: int

    def row(self, assignment: Assignment) -> Row:
        patches = None if self.transformed.patches is None else self.transformed.patches[self.window]
        windows = len(self.transformed.inputs)
        return Row(assignment.index, self.transformed.grid, patches, self.transformed.annotations, self.window, windows)


@dataclass(frozen=True, slots=True)
class _Share:
    """The rows of a batch that one analysis receives under one role."""

    member: PassMember
    role: Role
    rows: tuple[Row, ...]
    where: Tensor | None  # positions in the batch; None: all of them, in order

    def of(self, values: Tensor, readout: Readout | None) -> Batch:
        own = values if self.where is None else values.index_select(0, self.where)
        return Batch(own, self.rows, self.role, readout)


class Pass:
    """One pass of one model over all images that its members need of one data set, under one transform.

    Args:
        adapter: the model, on the device and in the dtype.
        device, dtype: the device and dtype of the forward pass.
        members: the analyses, started.
        entries: a part of their images in whole groups, from ``build_schedule``; by default all of them.
        readers: number of threads that load images.
    """

    def __init__(
        self,
        adapter: ModelAdapter,
        device: torch.device,
        dtype: torch.dtype,
        members: Sequence[PassMember],
        entries: Sequence[ScheduledImage] | None = None,
        readers: int = WORKERS,
    ) -> None:
        self.adapter, self.device, self.dtype = adapter, device, dtype
        self.members, self.readers = members, readers
        self.entries = build_schedule(members) if entries is None else entries
        self.result = PassResult()
        wanted = frozenset[Tap | Readout]().union(*(member.input_spec.taps for member in members))
        self.readouts = sorted((tap for tap in wanted if isinstance(tap, Readout)), key=repr)
        # The block's output is always read: its finiteness is checked at every layer.
        self.taps = frozenset[Tap](tap.tap if isinstance(tap, Readout) else tap for tap in (*wanted, "block"))
        self.mean = torch.tensor(adapter.info.mean, device=device).view(1, 3, 1, 1)
        self.std = torch.tensor(adapter.info.std, device=device).view(1, 3, 1, 1)
        self.finite = torch.ones(adapter.info.depth, dtype=torch.bool, device=device)
        self.inputs: list[_Input] = []
        self.ended: list[ScheduledImage] = []  # entries whose last row is in the batch, or that could not be read
        self.open: dict[PassMember, GroupId] = {}
        self.missing = Counter(
            (assignment.member, assignment.group)
            for entry in self.entries
            for assignment in entry.assignments
            if assignment.group is not None
        )
        self.seen: set[tuple[PassMember, GroupId]] = set()
        self.computing: defaultdict[PassMember, float] = defaultdict(float)  # seconds

    def run(self, transform: Transform, batch_size: int, advance: Callable[[int], None]) -> PassResult:
        """Run the pass and call ``advance`` with the number of images done."""
        start, ahead = time.perf_counter(), 2 * batch_size + 2
        for entry, loaded in load_in_order(self.entries, transform, self.adapter.info, ahead, self.readers):
            self._make_room(entry)
            if isinstance(loaded, Exception):
                self.result.skipped[entry.item.key] = " ".join(f"{type(loaded).__name__}: {loaded}".split())
            else:
                self._take(entry, loaded, batch_size)
            self.ended.append(entry)
            if len(self.inputs) >= batch_size:
                self._flush()
            advance(1)
        self._flush()
        self.result.seconds = shares_of_pass(self.computing, self.entries, time.perf_counter() - start)
        return self.result

    def _make_room(self, entry: ScheduledImage) -> None:
        """Run the batch before a new group begins, because a batch never holds rows of two groups of one analysis."""
        groups = {
            assignment.member: assignment.group for assignment in entry.assignments if assignment.group is not None
        }
        if any(self.open.get(member, group) != group for member, group in groups.items()):
            self._flush()
        self.open.update(groups)

    def _take(self, entry: ScheduledImage, transformed: TransformedImage, batch_size: int) -> None:
        for window, pixels in enumerate(transformed.inputs):
            if self.inputs and (len(self.inputs) >= batch_size or self.inputs[0].pixels.shape != pixels.shape):
                self._flush()
            self.inputs.append(_Input(pixels, entry, transformed, window))

    def _flush(self) -> None:
        if self.inputs:
            self._forward()
        for entry in self.ended:
            for assignment in entry.assignments:
                self._end(assignment)
        self.inputs, self.ended = [], []

    def _end(self, assignment: Assignment) -> None:
        if assignment.group is None:
            return
        key = assignment.member, assignment.group
        self.missing[key] -= 1
        if not self.missing[key]:
            self.open.pop(assignment.member, None)
            # A group whose images could all not be read never began.
            if key in self.seen and assignment.member not in self.result.failed:
                with self._isolated(assignment.member):
                    assignment.member.analysis.end_group()

    @contextmanager
    def _isolated(self, member: PassMember) -> Iterator[None]:
        """Keep the failure of an analysis away from the others, and charge the time to it."""
        start = time.perf_counter()
        try:
            with out_of_memory():
                yield
        except Exception as error:  # noqa: BLE001  plugin code may raise anything; it is reported at the end
            self.result.failed[member] = error
        finally:
            self.computing[member] += time.perf_counter() - start

    def _forward(self) -> None:
        shares = self._shares()
        pixels = torch.from_numpy(np.stack([an_input.pixels for an_input in self.inputs])).to(self.device)
        normalised = pixels.float().div_(255).sub_(self.mean).div_(self.std).to(self.dtype)

        def sink(layer: int, tap: Tap, values: Tensor) -> None:
            if tap == "block":
                self.finite[layer - 1] &= values.sum(dtype=torch.float32).isfinite()
            readouts = [readout for readout in self.readouts if readout.tap == tap]
            for readout, derived in vectors(self.adapter, values, readouts):
                self._hand_out(shares, layer, readout, derived)
            self._hand_out(shares, layer, tap, values)

        with torch.inference_mode():
            self.adapter.stream(normalised, self.taps, sink)
        self.result.forwards += len(self.inputs)
        if not self.finite.all():
            layer = int(self.finite.int().argmin()) + 1
            raise TeachMattersError(
                f"the output of layer {layer} is not finite (NaN or infinity); nothing of this run is stored; "
                "check the weights, or try --dtype float32"
            )

    def _hand_out(self, shares: Sequence[_Share], layer: int, what: Tap | Readout, values: Tensor) -> None:
        tap, readout = (what.tap, what) if isinstance(what, Readout) else (what, None)
        for share in shares:
            if what in share.member.input_spec.taps and share.member not in self.result.failed:
                with self._isolated(share.member):
                    share.member.analysis.update(layer, tap, share.of(values, readout))

    def _shares(self) -> list[_Share]:
        shares = []
        for member in self.members:
            for role in member.input_spec.roles:
                assignments = [
                    (position, an_input.row(assignment), assignment)
                    for position, an_input in enumerate(self.inputs)
                    for assignment in an_input.entry.assignments
                    if assignment.member is member and assignment.role == role
                ]
                if assignments:
                    self.seen.update(
                        (member, assignment.group) for _, _, assignment in assignments if assignment.group is not None
                    )
                    positions = [position for position, _, _ in assignments]
                    whole = positions == list(range(len(self.inputs)))
                    where = None if whole else torch.tensor(positions, device=self.device)
                    shares.append(_Share(member, role, tuple(row for _, row, _ in assignments), where))
        return shares
