"""Measure the cost of k-NN. ``python -m benchmarks.knn [--model random-s16] [--images 64] [--cpu-time]``.

1. The similarity search (normalising, and the k = 200 nearest, with the gallery in blocks) relative to one matrix
   product of the same size.
2. k-NN of all layers, from transformed images to numbers (pass, features written to the cache and read back, search,
   votes), relative to the plain forward pass over the same images; and again with the features in the cache.

Rounds are interleaved in one process; ratios are of medians. ``--cpu-time`` measures CPU time with one thread instead
of wall time, for a machine that is shared with others.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch.nn.functional import normalize

from benchmarks.attention import Contest
from teachmatters import registry
from teachmatters.api import Item, ModelRequest
from teachmatters.api.progress import NoProgress
from teachmatters.measures.tasks.knn import nearest
from teachmatters.runner.engines.local import LocalExecutor
from teachmatters.runner.forward.device import find_device
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.plan.pending import PendingTask
from teachmatters.runner.plan.tasks import Task, plan
from teachmatters.runner.record.run import MeasuredModel
from teachmatters.runner.requests import AnalyzeRequest
from teachmatters.runner.session.passes import PassPlan, run_passes

LIMIT = 1.3
BLOCK, WIDTH, K, CLASSES = 32768, 768, 200, 10


def search(device: torch.device, queries: int, gallery: int) -> Mapping[str, Callable[[], None]]:
    """Compare the search with the matrix product."""
    generator = torch.Generator().manual_seed(0)
    asking, asked = (torch.randn(n, WIDTH, generator=generator).to(device) for n in (queries, gallery))
    units = normalize(asking, dim=1), normalize(asked, dim=1)

    def product() -> None:
        _ = units[0] @ units[1].T

    def found() -> None:
        nearest(asking, torch.split(asked, BLOCK), K)

    return {"one matrix product": product, f"the {K} nearest": found}


def layers(name: str, device: torch.device, images: int, folder: Path) -> Mapping[str, Callable[[], None]]:
    """Compare k-NN with an empty and with a full cache to the plain pass."""
    spec = registry.load().model(name)
    source = registry.load_object(spec.factory)(ModelRequest(spec=spec))
    contest = Contest(source.build(), device, images)
    model = MeasuredModel(LabelledModel(name, spec), source.weights, contest.adapter.info)
    task = _task(contest)

    def measured(cache: Path) -> None:
        settings = PassSettings(
            device=device, dtype=torch.float32, batch_size=contest.size, seed=0, cache=cache,
        )  # fmt: skip
        (gathered,) = run_passes(
            PassPlan(settings, model, [PendingTask(task, task.metrics)], print),
            LocalExecutor(contest.adapter, settings, NoProgress()),
        )
        if gathered.error is not None:
            raise gathered.error
        gathered.analysis.compute(gathered.state())

    def afresh() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as cache:
            measured(Path(cache))

    return {
        "plain forward": contest.plain,
        "k-NN of all layers, images ready": afresh,
        "again, from the cache": lambda: measured(folder / "kept"),
    }


def _task(contest: Contest) -> Task:
    request = AnalyzeRequest(models=["any"], metrics=["knn"], db=Path("unused"), data=["digits"], parameters=["k=1,5"])
    (task,), _ = plan(registry.load(), request)
    every = contest.ready.items("labels", "all") or ()
    contest.ready.classes = [str(i) for i in range(CLASSES)]
    labelled = [Item(item.key, item.size, label=i % CLASSES) for i, item in enumerate(every)]
    return replace(
        task,
        opened=replace(task.opened, dataset=contest.ready),
        items={"queries": labelled[1::2], "gallery": labelled[0::2]},
    )


def compare(
    title: str,
    ways: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float],
    limit: float | None = LIMIT,
) -> None:
    """Print times and ratios to the first way, with the largest allowed ratio."""
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(rounds + 1):  # the first round warms up
        for way, work in ways.items():
            start = clock()
            work()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if turn:
                taken[way].append(clock() - start)
    base = statistics.median(next(iter(taken.values())))
    print(f"{title}, {torch.get_num_threads()} threads")
    for way, times in taken.items():
        median = statistics.median(times)
        allowed = "" if limit is None else f"   (at most {limit})"
        print(f"  {way:44} {median:7.2f} s   ratio {median / base:5.3f}{allowed}")


def main() -> None:
    """Print both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="random-s16")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--queries", type=int, default=3072)
    parser.add_argument("--gallery", type=int, default=2 * BLOCK)
    parser.add_argument("--cpu-time", action="store_true")
    options = parser.parse_args()
    device, clock = find_device(options.device), time.process_time if options.cpu_time else time.perf_counter
    sizes = f"{options.queries} queries, {options.gallery} in the gallery, width {WIDTH}, on {device}"
    compare(sizes, search(device, options.queries, options.gallery), options.rounds, clock)
    with tempfile.TemporaryDirectory() as folder:
        ways = layers(options.model, device, options.images, Path(folder))
        compare(f"{options.model} on {device}, {options.images} images", ways, options.rounds, clock)


if __name__ == "__main__":
    main()
