"""Check that the taps of a model are consistent with its plain forward pass."""

from __future__ import annotations

from collections import Counter
from typing import get_args

import torch
from torch import Tensor

from teachmatters.api import ModelAdapter, ModelInfo, Tap
from teachmatters.plugin.checks.probes.traces import Traces
from teachmatters.plugin.checks.probes.witness import Witness
from teachmatters.plugin.findings import CheckFailed, CheckList, CheckSkipped
from teachmatters.runner.forward.device import full_precision

ORDER: tuple[Tap, ...] = get_args(Tap)
# Allowed difference between two computations in float32, as a fraction of the largest value.
TOLERANCE = 1e-3

Taken = dict[tuple[int, Tap], Tensor]


class _Stop(Exception):  # noqa: N818
    """Raised in a sink to check that the network is restored after an error."""


def check_consistency(sheet: CheckList, adapter: ModelAdapter, where: str, before: Traces) -> None:
    """Compare the streamed taps with the plain forward pass, one image and several, before and after.

    Args:
        sheet: for what is found.
        adapter: the model.
        where: the line of its ``stream``.
        before: a snapshot of its network before anything was streamed.
    """
    pixels = noise(adapter.info, 2)
    with torch.inference_mode(), full_precision():
        with sheet.check("taps") as tell:
            for message in _of_taps(adapter, pixels):
                tell(message, where)
        if sheet.not_ok("taps"):
            return
        with sheet.check("consistency"):
            _check_forward(adapter, pixels, where)
        with sheet.check("attention"):
            _check_attention(adapter, pixels, where)
        with sheet.check("batches"):
            _check_batches(adapter, pixels)
        with sheet.check("left as found") as tell:
            for message in before.differences(Traces(adapter)):
                tell(f"stream {message}", where)
            for message in _after_an_error(adapter, pixels, before):
                tell(message, where)


def noise(info: ModelInfo, count: int) -> Tensor:
    """Return seeded noise (B, 3, height, width) in place of normalised pixels."""
    return torch.randn(count, 3, *info.input_size, generator=torch.Generator().manual_seed(1))


def streamed(
    adapter: ModelAdapter, pixels: Tensor, taps: frozenset[Tap], keep: Tap | None = None
) -> tuple[Taken, list[tuple[int, Tap]]]:
    """Return copies of one tap, because all taps may take gigabytes, and the order of all taps in a pass."""
    taken: Taken = {}
    order: list[tuple[int, Tap]] = []

    def sink(layer: int, tap: Tap, values: Tensor) -> None:
        order.append((layer, tap))
        if tap == keep:
            taken[layer, tap] = values.clone()

    adapter.stream(pixels, taps, sink)
    return taken, order


def _of_taps(adapter: ModelAdapter, pixels: Tensor) -> list[str]:
    """Check that each requested tap comes once and in the order of Tap, and no other tap."""
    _, order = streamed(adapter, pixels, adapter.info.taps)
    own = [tap for tap in ORDER if tap in adapter.info.taps]
    wanted = [(layer, tap) for layer in range(1, adapter.info.depth + 1) for tap in own]
    twice = [f"{tap} of layer {layer}" for (layer, tap), n in Counter(order).items() if n > 1]
    if twice:
        return [f"stream hands {twice[0]} over twice: it must hand over one map per block"]
    if order != wanted:
        (layer, tap), (_, due) = next((is_, was) for is_, was in zip(order, wanted, strict=True) if is_ != was)
        return [f"stream hands {tap} of layer {layer} over before {due}: within a layer the order is {', '.join(own)}"]
    for tap in ("attention", "block"):
        others = {other for _, other in streamed(adapter, pixels, frozenset({tap}))[1]} - {tap}
        if others:
            return [f"stream hands over {', '.join(sorted(others))} where {tap} alone was requested"]
    return []


def _check_forward(adapter: ModelAdapter, pixels: Tensor, where: str) -> None:
    """Check that the last block's output equals ``forward``, whichever taps are requested."""
    plain, depth = adapter.forward(pixels), adapter.info.depth
    for taps in (adapter.info.taps, frozenset[Tap]({"block"})):
        block = streamed(adapter, pixels, taps, "block")[0][depth, "block"]
        if (far := apart(block, plain)) > TOLERANCE:
            what = "all taps" if len(taps) > 1 else "block alone"
            raise CheckFailed(
                f"with {what} requested, the output of block {depth} that stream hands over differs from what forward "
                f"gives by {far:.1%} of its largest value: measurements would not describe the network",
                where,
            )
    if (far := apart(adapter.forward(pixels), plain)) > TOLERANCE:
        raise CheckFailed(
            f"forward returns a different output the second time, by {far:.1%}: is the network in eval mode?"
        )


def _check_attention(adapter: ModelAdapter, pixels: Tensor, where: str) -> None:
    """Check that the attention tap equals the maps that the plain forward pass multiplies its values with."""
    info = adapter.info
    with Witness(info.tokens) as witness:
        adapter.forward(pixels)
    if len(witness.maps) != info.depth:
        raise CheckSkipped(
            f"the plain forward pass has {len(witness.maps)} softmax maps in {info.depth} blocks, so the maps of "
            "stream cannot be compared with them; only their rows were checked, which sum to 1"
        )
    taken, _ = streamed(adapter, pixels, frozenset({"attention"}), "attention")
    for layer, seen in enumerate(witness.maps, 1):
        if seen.shape != taken[layer, "attention"].shape or apart(taken[layer, "attention"], seen) > TOLERANCE:
            raise CheckFailed(f"the attention of layer {layer} is not the one that the plain forward pass uses", where)


def _check_batches(adapter: ModelAdapter, pixels: Tensor) -> None:
    """Check that an image has the same result alone and in a batch."""
    together = adapter.forward(pixels)
    alone = torch.cat([adapter.forward(each[None]) for each in pixels])
    if (far := apart(alone, together)) > TOLERANCE:
        raise CheckFailed(f"an image has a different output alone than in a batch, by {far:.1%}: images must not mix")


def _after_an_error(adapter: ModelAdapter, pixels: Tensor, before: Traces) -> list[str]:
    def sink(layer: int, tap: Tap, values: Tensor) -> None:
        raise _Stop

    try:
        adapter.stream(pixels, adapter.info.taps, sink)
    except _Stop:
        return [f"after an error, stream {message}" for message in before.differences(Traces(adapter))]
    return ["stream swallows an error of its sink: an incomplete measurement would look complete"]


def apart(some: Tensor, other: Tensor) -> float:
    """Return the largest difference as a fraction of the largest value."""
    scale = other.float().abs().max().clamp(min=1e-12)
    return float((some.float() - other.float()).abs().max() / scale)
