"""What the attention analysis costs beside the plain forward pass. ``python -m benchmarks.attention``.

The photographs, repeated to 64 images, go through the model's plain fused forward pass and through the analysis, in
turn, several rounds in one process; the ratio is that of the medians. The plain pass has its images decoded and
prepared beforehand. The analysis first gets the same, with attn-distance alone and with all of its metrics and maps
(what reading the attention costs, and reducing it), then decodes and prepares them itself (what ``tm analyze`` costs).
At last the peak memory of the whole analysis, for several depths and for a ViT-B/8 of 785 tokens in batches of four.
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

import numpy as np
import timm
import torch
from PIL import Image

from teachmatters import registry
from teachmatters.api import Crop, Dataset, Item, Kind, ModelAdapter, ModelRequest, Role
from teachmatters.models.timm.vit import TimmViT
from teachmatters.runner.features.members import start_member
from teachmatters.runner.forward.device import default_batch_size, find_device
from teachmatters.runner.forward.forward_pass import Pass
from teachmatters.runner.forward.schedule import PassMember
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.pending import PendingTask
from teachmatters.runner.plan.tasks import plan
from teachmatters.runner.requests import AnalyzeRequest

LIMIT = 1.3
RETURN_AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "1048576", "MALLOC_TRIM_THRESHOLD_": "1048576"}
"""glibc then gives freed tensors back to the system, so that the peak is what lives and not how the heap is cut up."""


class Repeated(Dataset):
    """The first images of a data set over and over, kept as they are or already cropped for a model."""

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
    """One model and the ways of passing over the same images."""

    def __init__(self, adapter: ModelAdapter, device: torch.device, images: int, size: int | None = None) -> None:
        self.adapter, self.device = adapter, device
        adapter.to(device, torch.float32)
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
        """The forward pass alone."""
        with torch.inference_mode():
            for batch in self.batches:
                self.adapter.forward(batch)

    def analysed(self, dataset: Dataset, *metrics: str) -> None:
        """The pass that ``tm analyze`` makes; all metrics by default."""
        settings = PassSettings(device=self.device, dtype=torch.float32, batch_size=None, seed=0)
        started, _ = start_member(
            PendingTask(self.task, frozenset(metrics) or self.task.metrics), self.adapter.info, settings
        )
        member = PassMember(
            started.analysis, started.input_spec, ("images",), dataset, {"all": dataset.items("images", "all") or ()}
        )
        Pass(self.adapter, self.device, torch.float32, [member]).run(Crop(), self.size, lambda _: None)
        started.analysis.compute(started.analysis.state())

    def seconds(self, work: Callable[[], None]) -> float:
        """Wall time of one call, the device's queue included."""
        start = time.perf_counter()
        work()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start


def ratios(name: str, rounds: int, device: torch.device, images: int) -> None:
    """Print the ratios."""
    spec = registry.load().model(name)
    contest = Contest(registry.load_object(spec.factory)(ModelRequest(spec=spec)).build(), device, images)
    ways: dict[str, Callable[[], None]] = {
        "plain forward": contest.plain,
        "attn-distance, images ready": lambda: contest.analysed(contest.ready, "attn-distance"),
        "attention, images ready": lambda: contest.analysed(contest.ready),
        "attention, images decoded on the way": lambda: contest.analysed(contest.raw),
    }
    for work in ways.values():
        work()  # warm
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, work in ways.items():
            taken[way].append(contest.seconds(work))
    medians = {way: statistics.median(times) for way, times in taken.items()}
    base = medians["plain forward"]
    print(f"{name} on {device}, {images} images in batches of {contest.size}, {torch.get_num_threads()} threads")
    for way, median in medians.items():
        print(f"  {way:44} {median:7.2f} s   ratio {median / base:5.3f}   (images ready: at most {LIMIT})")


def memory(depth: int, patch: int) -> None:
    """Print what the analysis needs beyond the weights, in this process, for a ViT-B of some depth and patch size."""
    network = timm.create_model(f"vit_base_patch{patch}_224", num_classes=0, depth=depth)
    images, size = (8, 4) if patch == 8 else (32, 16)
    contest = Contest(TimmViT(network, f"depth {depth}"), torch.device("cpu"), images, size)
    contest.analysed(contest.ready)  # libraries' own buffers are there once and for all
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far (Linux)
    before = _status("VmRSS")
    contest.analysed(contest.ready)
    mib = (_status("VmHWM") - before) / 1024
    print(f"  ViT-B/{patch}, {depth:2} blocks, batches of {size}: {mib:6.0f} MiB beyond the model and the images")


def _status(name: str) -> int:
    """A line of this process's memory, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


def main() -> None:
    """Print the ratios, then the memory of each depth, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="random-b16")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--memory-of", type=int, nargs=2, metavar=("DEPTH", "PATCH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        memory(*options.memory_of)
        return
    ratios(options.model, options.rounds, find_device(options.device), options.images)
    print("peak memory of the whole analysis on the CPU:", flush=True)
    for depth, patch in ((3, 16), (6, 16), (12, 16), (24, 16), (12, 8)):
        command = [sys.executable, "-m", "benchmarks.attention", "--memory-of", str(depth), str(patch)]
        subprocess.run(command, check=True, env=os.environ | RETURN_AT_ONCE)


if __name__ == "__main__":
    main()
