"""Measure the cost of the attention analysis relative to the plain forward pass. ``python -m benchmarks.attention``.

A few photographs, repeated, run through the model's plain fused forward pass and through the analysis, in interleaved
rounds in one process. A ratio is the median of the rounds' ratios, printed with the smallest and the largest. On a CPU,
the time is CPU time, which other processes disturb less than wall time. The plain pass gets decoded and transformed
images. So does the analysis at first: attention that is only read, then attn-distance alone, then all metrics and maps.
At last it decodes and transforms the images itself, as ``tm analyze`` does.

Then measure the peak memory of the whole analysis in addition to the model, for several depths, and for 1,370 tokens
relative to the attention of one layer.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import numpy as np
import timm
import torch
from PIL import Image

from teachmatters import registry
from teachmatters.analyses.attention import attention_reduction
from teachmatters.api import Crop, Dataset, Item, Kind, ModelAdapter, Role
from teachmatters.models.timm.vit import TimmViT
from teachmatters.runner.features.members import start_member
from teachmatters.runner.forward.device import default_batch_size, find_device
from teachmatters.runner.forward.forward_pass import Pass
from teachmatters.runner.forward.schedule import PassMember
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.pending import PendingTask
from teachmatters.runner.plan.tasks import plan
from teachmatters.runner.requests import AnalyzeRequest

T = TypeVar("T")

# timm's name, pixels and batch size.
CASES = (
    ("vit_small_patch14_dinov2", 224, 16),
    ("vit_base_patch16_224", 224, 16),
    ("vit_base_patch16_224", 384, 4),
    ("vit_small_patch14_dinov2", 518, 1),
    ("vit_small_patch14_dinov2", 518, 4),
)
# timm's name, depth (0: its own), pixels and batch size.
MEMORY = (
    *(("vit_base_patch16_224", depth, 224, 16) for depth in (3, 6, 12, 24)),
    ("vit_base_patch8_224", 12, 224, 4),
    *(("vit_small_patch14_dinov2", 12, 518, batch) for batch in (1, 4)),
)
# After so many rounds, a case ends when it has taken so long.
FEWEST, SECONDS = 3, 60
# glibc then returns freed tensors to the system, so that the peak shows live memory instead of fragmentation.
RETURN_AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "1048576", "MALLOC_TRIM_THRESHOLD_": "1048576"}


class Repeated(Dataset):
    """The first images of a data set, repeated, either original or already cropped for a model."""

    kinds = frozenset[Kind]({"images"})

    def __init__(self, dataset: Dataset, count: int, cropped: ModelAdapter | None = None) -> None:
        sources = dataset.items("images", "all") or ()
        self.dataset = dataset
        self.sources = [sources[i % len(sources)] for i in range(count)]
        self.cropped = {item: _cropped(dataset, item, cropped) for item in sources} if cropped else {}

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        return [Item(str(i), 0) for i in range(len(self.sources))] if role == "all" else None

    def image(self, item: Item) -> Image.Image:
        source = self.sources[int(item.key)]
        return self.cropped.get(source) or self.dataset.image(source)


def _cropped(dataset: Dataset, item: Item, adapter: ModelAdapter) -> Image.Image:
    pixels = Crop().apply(dataset.image(item), {}, adapter.info).inputs[0]
    return Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))


class Contest:
    """One model, and the passes to compare over the same images."""

    def __init__(
        self,
        adapter: ModelAdapter,
        device: torch.device,
        images: int,
        size: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.adapter, self.device, self.dtype = adapter, device, dtype
        adapter.to(device, dtype)
        self.size = size or default_batch_size(adapter.info, device)
        request = AnalyzeRequest(models=["any"], metrics=["attention"], db=Path("unused"), data=["photos"])
        (self.task,), _ = plan(registry.load(), request)
        photos = self.task.opened.dataset
        self.raw = Repeated(photos, images)
        self.ready = Repeated(photos, images, adapter)
        self.batches = self._batches()

    def _batches(self) -> list[torch.Tensor]:
        info = self.adapter.info
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (info.mean, info.std))
        items = self.ready.items("images", "all") or ()
        inputs = [torch.from_numpy(Crop().apply(self.ready.image(item), {}, info).inputs) for item in items]
        whole = (torch.cat(inputs).float() / 255 - mean) / std
        return [part.to(self.device) for part in torch.split(whole, self.size)]

    def plain(self) -> None:
        """Run the plain forward pass."""
        with torch.inference_mode():
            for batch in self.batches:
                self.adapter.forward(batch)

    def analysed(self, dataset: Dataset, *metrics: str) -> None:
        """Run the pass of ``tm analyze``; all metrics by default."""
        settings = PassSettings(device=self.device, dtype=self.dtype, batch_size=None, seed=0)
        task = PendingTask(self.task, frozenset(metrics) or self.task.metrics)
        # A few images stand for a large run, which uses compiled code.
        with patch.object(attention_reduction, "COMPILED_FROM", 0):
            started, _ = start_member(task, self.adapter.info, settings)
        member = PassMember(
            started.analysis, started.input_spec, ("images",), dataset, {"all": dataset.items("images", "all") or ()}
        )
        Pass(self.adapter, self.device, self.dtype, [member]).run(Crop(), self.size, lambda _: None)
        started.analysis.compute(started.analysis.state())

    def read(self) -> None:
        """Read the attention and drop it."""
        for batch in self.batches:
            self.adapter.stream(batch, frozenset({"attention"}), lambda *_: None)

    def seconds(self, work: Callable[[], None]) -> float:
        """Return the CPU time of one call; on a GPU, the wall time until the device is done."""
        clock = time.process_time if self.device.type == "cpu" else time.perf_counter
        start = clock()
        work()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return clock() - start


def untrained(name: str, pixels: int, depth: int | None = None) -> TimmViT:
    """Build an untrained network of timm's; speed does not depend on the weights."""
    options: dict[str, Any] = {} if depth is None else {"depth": depth}
    return TimmViT(timm.create_model(name, num_classes=0, img_size=pixels, **options), name)


def ratios(case: tuple[str, int, int | None], rounds: int, device: torch.device, images: int | None) -> None:
    """Print the ratios of one model."""
    name, pixels, size = case
    images = images or 2 * max(size or 16, 2)
    contest = Contest(untrained(name, pixels), device, images, size)
    ways: dict[str, Callable[[], None]] = {
        "plain forward": contest.plain,
        "attention is read": contest.read,
        "attn-distance": lambda: contest.analysed(contest.ready, "attn-distance"),
        "all metrics and maps": lambda: contest.analysed(contest.ready),
        "all, and images decoded": lambda: contest.analysed(contest.raw),
    }
    for work in ways.values():
        work()  # warm
    taken: dict[str, list[float]] = {way: [] for way in ways}
    start = time.perf_counter()
    while len(taken["plain forward"]) < rounds:
        for way, work in ways.items():
            taken[way].append(contest.seconds(work))
        if len(taken["plain forward"]) >= FEWEST and time.perf_counter() - start > SECONDS:
            break
    threads = torch.get_num_threads()
    count = len(taken["plain forward"])
    what = f"{name}, {pixels} pixels, {device}: {images} images in batches of {contest.size}"
    print(f"{what}, {threads} threads, {count} rounds")
    for way, times in taken.items():
        each = sorted(one / plain for one, plain in zip(times, taken["plain forward"], strict=True))
        spread = f"{statistics.median(each):5.2f}  ({each[0]:.2f} to {each[-1]:.2f})"
        print(f"  {way:26} {statistics.median(times):7.2f} s   ratio {spread}", flush=True)


def memory(name: str, depth: int, pixels: int, size: int) -> None:
    """Print what the analysis needs beyond the weights, in this process."""
    contest = Contest(untrained(name, pixels, depth or None), torch.device("cpu"), 2 * size, size)
    contest.analysed(contest.ready)  # allocate the buffers of libraries first
    _, mib = peak_memory(lambda: contest.analysed(contest.ready))
    info = contest.adapter.info
    maps = 4 * size * info.heads * info.tokens**2 / 2**20
    print(f"  {name}, {pixels} pixels, {info.depth:2} blocks, batches of {size}: {mib:6.0f} MiB, {mib / maps:.1f} maps")


def peak_memory(work: Callable[[], T]) -> tuple[T, float]:
    """Return the result of a call, and its peak memory in addition to what this process holds, in MiB (Linux)."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = _status("VmRSS")
    result = work()
    return result, (_status("VmHWM") - before) / 1024


def _status(name: str) -> int:
    """Return a line of this process's memory status, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


def main() -> None:
    """Print the ratios, then the memory, each case in its own process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="only this one, by timm's name")
    parser.add_argument("--pixels", type=int, default=224)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--images", type=int, help="default: two batches, at least 4")
    parser.add_argument("--memory-only", action="store_true", help="measure no times")
    parser.add_argument("--threads", type=int, help="of the CPU; default: all")
    parser.add_argument("--memory-of", nargs=4, metavar=("NAME", "DEPTH", "PIXELS", "BATCH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as in tm, before torch first asks for memory
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.memory_of:
        name, *numbers = options.memory_of
        memory(name, *map(int, numbers))
        return
    cases: Sequence[tuple[str, int, int | None]] = CASES
    measured_cases: Sequence[tuple[str, int, int, int]] = MEMORY
    if options.model:
        cases = ((options.model, options.pixels, options.batch_size),)
        measured_cases = ((options.model, 0, options.pixels, options.batch_size or 16),)
    for case in () if options.memory_only else cases:
        ratios(case, options.rounds, find_device(options.device), options.images)
    print("peak memory of the whole analysis beyond the model, on the CPU; 1 map: a layer's attention", flush=True)
    for measured in measured_cases:
        command = [sys.executable, "-m", "benchmarks.attention", "--memory-of", *map(str, measured)]
        subprocess.run(command, check=True, env=os.environ | RETURN_AT_ONCE)


if __name__ == "__main__":
    main()
