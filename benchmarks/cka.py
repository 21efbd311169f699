"""Measure the cost of CKA. ``python -m benchmarks.cka [--model random-b16] [--images 64]``.

1. The pass of ``cka-norm`` over two models (both norm outputs of every block) and their comparison, relative to two
   plain forward passes over the same images, in interleaved rounds in one process; the ratio is that of the medians.
2. The computation after the pass: Gram matrices once per layer and one matrix product for all pairs, relative to a loop
   that compares every layer of one model with every layer of the other.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.attention import Contest
from teachmatters import registry
from teachmatters.api import Crop, Item, ModelRequest, Role
from teachmatters.measures.representation.cka import centred, cka, gram, triangle
from teachmatters.runner.features.members import start_member
from teachmatters.runner.forward.device import default_batch_size, find_device
from teachmatters.runner.forward.forward_pass import Pass
from teachmatters.runner.forward.schedule import PassMember
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.pending import PendingTask
from teachmatters.runner.plan.tasks import plan
from teachmatters.runner.requests import AnalyzeRequest

LIMIT, FASTER = 1.1, 10.0
BATCH = 64


class Both:
    """Two models of one shape with weights from two seeds, and the same images for both."""

    def __init__(self, name: str, device: torch.device, images: int) -> None:
        spec = registry.load().model(name)
        build = registry.load_object(spec.factory)
        adapters = [build(ModelRequest(spec=spec, seed=seed)).build() for seed in (0, 1)]
        self.size = default_batch_size(adapters[0].info, device, BATCH)
        self.contests = [Contest(adapter, device, images, self.size) for adapter in adapters]
        request = AnalyzeRequest(models=["any"], metrics=["cka-norm"], db=Path("unused"), data=["photos"])
        (self.task,), _ = plan(registry.load(), request)
        self.device = device

    def plain(self) -> None:
        """Run two plain forward passes."""
        for contest in self.contests:
            contest.plain()

    def compared(self) -> None:
        """Run two passes of the analysis, and compare every pair of layers."""
        states = []
        settings = PassSettings(device=self.device, dtype=torch.float32, batch_size=None, seed=0)
        for contest in self.contests:
            items: dict[Role, Sequence[Item]] = {"all": contest.ready.items("images", "all") or ()}
            started, context = start_member(
                PendingTask(self.task, frozenset({"cka-norm"})), contest.adapter.info, settings
            )
            member = PassMember(started.analysis, started.input_spec, ("images",), contest.ready, items)
            started.analysis.start(replace(context, items=items))
            Pass(contest.adapter, self.device, torch.float32, [member]).run(Crop(), self.size, lambda _: None)
            states.append(started.analysis.state())
        started.analysis.compare(*states)


def naive(first: list[Tensor], second: list[Tensor]) -> Tensor:
    """Compute each pair separately: both Gram matrices, and HSIC three times by its formula."""
    return torch.stack([torch.stack([_one(x, y) for y in second]) for x in first])


def _one(x: Tensor, y: Tensor) -> Tensor:
    k, other = (each.flatten(1) @ each.flatten(1).T for each in (x, y))
    return _hsic(k, other) / (_hsic(k, k) * _hsic(other, other)).sqrt()


def _hsic(k: Tensor, other: Tensor) -> Tensor:
    k, other = (each.double() - torch.diag(each.double().diagonal()) for each in (k, other))
    n, rows, columns = len(k), k.sum(dim=0), other.sum(dim=1)
    middle = rows.sum() * columns.sum() / ((n - 1) * (n - 2)) - 2 * (rows @ columns) / (n - 2)
    return ((k * other).sum() + middle) / (n * (n - 3))


def fast(first: list[Tensor], second: list[Tensor]) -> Tensor:
    """Compute all pairs as the analysis does."""
    return cka(*(triangle(centred(torch.stack([gram(x) for x in each])))[None] for each in (first, second)))


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Return the wall time of one call, until the device is done."""
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def passes(name: str, rounds: int, device: torch.device, images: int) -> None:
    """Print the ratio to two plain forward passes."""
    both = Both(name, device, images)
    ways = {"two plain forward passes": both.plain, "cka-norm of two models": both.compared}
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way, work in ways.items():
            time_taken = seconds(work, device)
            if number:  # the first round warms up
                taken[way].append(time_taken)
    medians = [statistics.median(times) for times in taken.values()]
    print(f"{name} on {device}, {images} images in batches of {both.size}, {torch.get_num_threads()} threads")
    for way, median in zip(ways, medians, strict=True):
        print(f"  {way:28} {median:7.2f} s   ratio {median / medians[0]:5.3f}   (at most {LIMIT})")


def parts(layers: int, width: int, device: torch.device) -> None:
    """Print how much faster all pairs together are than one by one, on random features."""
    first, second = ([torch.randn(BATCH, 197, width, device=device) for _ in range(layers)] for _ in range(2))
    found: dict[str, Tensor] = {}

    def keep(name: str, values: Tensor) -> None:
        found[name] = values

    quick = min(seconds(lambda: keep("fast", fast(first, second)), device) for _ in range(3))
    slow = seconds(lambda: keep("naive", naive(first, second)), device)
    apart = float((found["fast"] - found["naive"].cpu()).abs().max())
    print(f"{layers} x {layers} layers of {BATCH} images of 197 x {width}: {quick:.2f} s, one by one {slow:.2f} s")
    print(f"  {slow / quick:.1f} times as fast (at least {FASTER:g}); the numbers differ by {apart:.1e}")


def main() -> None:
    """Print both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="random-b16")
    parser.add_argument("--images", type=int, default=BATCH)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--layers", type=int, default=24, help="of the analysis part alone")
    parser.add_argument("--width", type=int, default=768, help="of the analysis part alone")
    options = parser.parse_args()
    device = find_device(options.device)
    parts(options.layers, options.width, device)
    passes(options.model, options.rounds, device, options.images)


if __name__ == "__main__":
    main()
