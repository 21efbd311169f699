"""Measure the cost of retrieval, keypoints and video. ``python -m benchmarks.tasks [--cpu-time]``.

All layers, from transformed inputs to numbers, relative to one plain forward pass over the same inputs. Images are in
memory at the model's size (for dense video in windows, which the plain pass reads too). Annotations are random, as many
as in the real data sets: 7 pairs of 8 points per image, 2 objects per video of 480 x 854 pixels. For dense video, the
limit holds for propagation without the scores, whose time is printed, too. k-NN is in benchmarks/knn.py.

Rounds are interleaved in one process; ratios are of medians. ``--cpu-time`` measures CPU time with one thread instead
of wall time, for a machine that is shared with others.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image

from teachmatters import registry
from teachmatters.analyses.tasks.video_tracker import VideoTracker
from teachmatters.api import Box, Dataset, IndexMask, Item, Kind, ModelAdapter, ModelRequest, Pair, Points, Role
from teachmatters.api.progress import NoProgress
from teachmatters.runner.engines.local import LocalExecutor
from teachmatters.runner.forward.device import default_batch_size, find_device
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.plan.pending import PendingTask
from teachmatters.runner.plan.tasks import Task, new_analysis, plan
from teachmatters.runner.record.run import MeasuredModel
from teachmatters.runner.requests import AnalyzeRequest
from teachmatters.runner.session.passes import PassPlan, run_passes

PAIRS, POINTS, OBJECTS, FRAME = 7, 8, 2, (480, 854)


class Drawn(Dataset):
    """Noise with random annotations: a tenth are queries, all belong to pairs, all are frames of one video."""

    kinds = frozenset[Kind]({"images", "retrieval", "pairs", "videos"})

    def __init__(self, count: int, width: int, height: int) -> None:
        generator = np.random.default_rng(0)
        self.count, self.size = count, (width, height)
        noise = generator.integers(0, 255, (count, height // 16, width // 16, 3), dtype=np.uint8)
        self.images = [Image.fromarray(each).resize(self.size) for each in noise]
        self.points = Points(generator.uniform(0.1, 0.9, (POINTS, 2)) * self.size)
        self.masks = [_discs(number / max(count - 1, 1)) for number in range(count)]

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        queries, every = max(self.count // 10, 1), range(self.count)
        chosen = {"all": every, "queries": every[:queries], "gallery": every[queries:]}[role]
        units: tuple[int, ...] | None = (0,) if kind == "videos" else None
        return [Item(str(number), 0, group="one", units=units) for number in chosen]

    def image(self, item: Item) -> Image.Image:
        return self.images[int(item.key)]

    def annotations(self, item: Item, kind: Kind) -> Mapping[str, Any]:
        known: Mapping[str, Mapping[str, Any]] = {
            "pairs": {"box": Box(0, 0, *self.size), "points": self.points},
            "videos": {"mask": IndexMask(self.masks[int(item.key)])},
            "retrieval": {"box": Box(0, 0, *self.size), "easy": (0,), "hard": (1,), "junk": (2,)},
        }
        return known.get(kind, {})

    def pairs(self) -> Sequence[Pair]:
        every, points = range(self.count), tuple(range(POINTS))
        return [
            Pair(source=a, target=(a + step) % self.count, source_points=points, target_points=points, category="one")
            for a in every
            for step in range(1, PAIRS + 1)
        ]


def _discs(moment: float) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Draw two discs that cross the frame."""
    y, x = np.mgrid[: FRAME[0], : FRAME[1]]
    mask = np.zeros(FRAME, np.uint8)
    for number in range(1, OBJECTS + 1):
        centre = FRAME[0] * number / (OBJECTS + 1), FRAME[1] * (0.2 + 0.6 * moment)
        mask[np.hypot(y - centre[0], x - centre[1]) < FRAME[0] / 6] = number
    return mask


@dataclass(frozen=True, slots=True)
class Contest:
    """One model and one task, with two passes over the same inputs."""

    model: MeasuredModel
    adapter: ModelAdapter
    task: Task
    device: torch.device

    def inputs(self) -> list[torch.Tensor]:
        """Return the inputs of the plain pass, transformed as the task requires."""
        info, dataset = self.adapter.info, self.task.opened.dataset
        input_spec = new_analysis(self.task.spec).input_spec(self.task.parameters, self.task.metrics)
        every = {item.key: item for items in self.task.items.values() for item in items}
        ready = [input_spec.transform.apply(dataset.image(item), {}, info).inputs for item in every.values()]
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (info.mean, info.std))
        whole = (torch.from_numpy(np.concatenate(ready)).float() / 255 - mean) / std
        return [part.to(self.device) for part in torch.split(whole, default_batch_size(info, self.device))]

    def analysed(self, *, scored: bool = True) -> None:
        """Run the pass of ``tm analyze`` with an empty cache of features."""
        with tempfile.TemporaryDirectory() as cache:
            settings = PassSettings(
                device=self.device, dtype=torch.float32, batch_size=None, seed=0,
                cache=Path(cache),
            )  # fmt: skip
            executor = LocalExecutor(self.adapter, settings, NoProgress())
            (gathered,) = run_passes(
                PassPlan(settings, self.model, [PendingTask(self.task, self.task.metrics)], print), executor
            )
            if gathered.error is not None:
                raise gathered.error
            if scored:
                gathered.analysis.compute(gathered.state())

    def propagated(self) -> None:
        """Propagate labels from frame to frame, without turning them into masks."""
        with patch.object(VideoTracker, "score", lambda film: film.pending.clear()):
            self.analysed(scored=False)


def task_of(metric: str, dataset: Drawn, **parameters: str) -> Task:
    """Return the task of an analysis on generated data."""
    request = AnalyzeRequest(models=["any"], metrics=[metric], db=Path("unused"), data=["scenes"])
    (task,), _ = plan(registry.load(), request)
    items = {role: dataset.items(task.kinds[0], role) or () for role in task.items}
    opened = replace(task.opened, dataset=dataset)
    return replace(task, opened=opened, items=items, parameters={**task.parameters, **parameters})


def compare(title: str, contest: Contest, limits: Mapping[str, str], options: argparse.Namespace) -> None:
    """Print times and ratios to the plain pass; ``limits`` names the ways, in the order of the table."""
    batches, clock = contest.inputs(), time.process_time if options.cpu_time else time.perf_counter

    def plain() -> None:
        with torch.inference_mode():
            for batch in batches:
                contest.adapter.forward(batch)

    known = {"propagation": contest.propagated, "whole": contest.analysed}
    ways: dict[str, Callable[[], None]] = {"plain forward": plain, **{way: known[way] for way in limits}}
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(options.rounds + 1):  # the first round is for warming up
        for way, work in ways.items():
            start = clock()
            work()
            if contest.device.type == "cuda":
                torch.cuda.synchronize()
            if turn:
                taken[way].append(clock() - start)
    base = statistics.median(taken["plain forward"])
    print(f"{title}, {sum(map(len, batches))} inputs", flush=True)
    for way, times in taken.items():
        median = statistics.median(times)
        print(f"  {way:16} {median:8.2f} s   ratio {median / base:6.3f}   {limits.get(way, '')}", flush=True)


def main() -> None:
    """Print all comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="random-s16")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--frames", type=int, default=24, help="of dense video, eight windows each")
    parser.add_argument("--cpu-time", action="store_true")
    options = parser.parse_args()
    device, spec = find_device(options.device), registry.load().model(options.model)
    source = registry.load_object(spec.factory)(ModelRequest(spec=spec))
    adapter = source.build()
    adapter.to(device, torch.float32)
    model = MeasuredModel(LabelledModel(options.model, spec), source.weights, adapter.info)
    high, wide = adapter.info.input_size
    ready = Drawn(options.images, wide, high)
    film = Drawn(options.frames, 2 * wide * FRAME[1] // FRAME[0] // 16 * 16, 2 * high)
    print(f"{options.model} on {device}, {torch.get_num_threads()} threads")
    for title, task, limits in (
        ("retrieval", task_of("retrieval", ready), {"whole": "at most 1.3"}),
        (f"keypoints, {PAIRS} pairs an image", task_of("keypoints", ready), {"whole": "at most 1.5"}),
        ("video, resized", task_of("video", ready, resolution="resized"), {"whole": "at most 2.5"}),
        (
            "video, dense",
            task_of("video", film, resolution="dense"),
            {"propagation": "at most 4", "whole": "with the scores"},
        ),
    ):
        compare(title, Contest(model, adapter, task, device), limits, options)


if __name__ == "__main__":
    main()
