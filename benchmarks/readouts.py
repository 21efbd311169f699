"""Measure readouts and their solvers. ``python -m benchmarks.readouts [--inputs 32] [--images 1500] [--cpu-time]``.

1. The passes of one command on one data set, from prepared images to the states that the solvers start from, against
   plain forward passes over the same inputs: first the vectors of knn, linear and similarity (two features, with and
   without the last norm); then also the sums of position, and the bank and sums of dense; then also patch norms and
   the metrics of attention. The solvers and the search of dense are left out. dense stretches images: a second pass.
2. Each solver against scikit-learn's (SciPy's for similarity) on the same data, and the bank search of dense against
   one matrix product of the same size. Features are random unit vectors with a large common part and a decaying
   spectrum, like those of deep layers.

Rounds are interleaved in one process; ratios are of medians, and below 1 is faster.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression, Ridge
from torch.nn.functional import normalize

from benchmarks.knn import BLOCK, compare
from benchmarks.tasks import Drawn
from teachmatters import registry
from teachmatters.analyses.tasks.dense import DenseAnalysis
from teachmatters.api import Dataset, Item, Kind, ModelRequest, Role, SemanticMask
from teachmatters.api.progress import NoProgress
from teachmatters.measures.representation.similarity import centred_unit, procrustes, rsa, similarity_ranks
from teachmatters.measures.ridge import ridge
from teachmatters.measures.tasks.dense import neighbour_labels
from teachmatters.measures.tasks.linear import one_hot_sums, regularisation_path
from teachmatters.measures.tasks.logistic import TOLERANCE
from teachmatters.runner.engines.local import LocalExecutor
from teachmatters.runner.forward.device import default_batch_size, find_device
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.models import LabelledModel
from teachmatters.runner.plan.pending import PendingTask
from teachmatters.runner.plan.tasks import plan
from teachmatters.runner.record.run import MeasuredModel
from teachmatters.runner.requests import AnalyzeRequest
from teachmatters.runner.session.passes import PassPlan, run_passes

Ways = Mapping[str, Callable[[], object]]
VECTORS = ("knn", "linear", "similarity")
SUMS = (*VECTORS, "position", "dense")
EVERYTHING = (*SUMS, "attn-on-registers", "attn-nmi", "attn-map-class-std", "patch-norm")
PARAMETERS = ("feature=cls,mean", *(f"{analysis}.norm=none,final" for analysis in VECTORS))
CLASSES = 8
CS, PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0), (1e-6, 1e-4, 1e-2, 1.0)


class Labelled(Drawn):
    """Noise with labels and semantic masks; a quarter are queries."""

    kinds = frozenset[Kind]({"images", "labels", "semantic"})
    classes = tuple(map(str, range(CLASSES)))

    def items(self, kind: Kind, role: Role) -> Sequence[Item] | None:
        every = [Item(str(number), 0, label=number % CLASSES) for number in range(self.count)]
        return {"all": every, "queries": every[: self.count // 4], "gallery": every[self.count // 4 :]}[role]

    def categories(self, kind: Kind) -> Sequence[str]:
        return self.classes

    def annotations(self, item: Item, kind: Kind) -> Mapping[str, Any]:
        blocks = np.random.default_rng(int(item.key)).integers(0, CLASSES, (7, 7), dtype=np.uint8)
        return {"mask": SemanticMask(blocks.repeat(self.size[1] // 7, axis=0).repeat(self.size[0] // 7, axis=1))}


def pass_plan(
    model: MeasuredModel, data: Dataset, metrics: Sequence[str], parameters: Sequence[str], settings: PassSettings
) -> PassPlan:
    """Plan the passes of metrics, as ``tm analyze`` does, with this data set."""
    request = AnalyzeRequest(models=["any"], metrics=metrics, db=Path("unused"), data=["scenes"], parameters=parameters)
    tasks = [
        replace(
            task,
            opened=replace(task.opened, dataset=data),
            items={role: data.items(task.kinds[0], role) or () for role in task.items},
        )
        for task in plan(registry.load(), request)[0]
    ]
    return PassPlan(settings, model, [PendingTask(task, task.metrics) for task in tasks], print)


def suite(name: str, device: torch.device, images: int) -> Ways:
    """Compare the pass of one command with more and more readouts to the plain pass."""
    spec = registry.load().model(name)
    source = registry.load_object(spec.factory)(ModelRequest(spec=spec))
    adapter = source.build()
    adapter.to(device, torch.float32)
    model, size = MeasuredModel(LabelledModel(name, spec), source.weights, adapter.info), adapter.info.input_size
    data = Labelled(images, size[1], size[0])
    pixels = np.stack([np.asarray(image, np.float32).transpose(2, 0, 1) / 255 for image in data.images])
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (adapter.info.mean, adapter.info.std))
    batch_size = default_batch_size(adapter.info, device)
    batches = torch.split(((torch.from_numpy(pixels) - mean) / std).to(device), batch_size)

    def plain(times: int) -> None:
        with torch.inference_mode():
            for batch in [*batches] * times:
                adapter.forward(batch)

    def read(metrics: Sequence[str]) -> None:
        with tempfile.TemporaryDirectory() as cache, patch.object(DenseAnalysis, "_segment"):
            settings = PassSettings(
                device=device, dtype=torch.float32, batch_size=batch_size, seed=0, cache=Path(cache)
            )
            planned = pass_plan(model, data, metrics, PARAMETERS, settings)
            transforms = {shared_member.input_spec.transform for shared in planned.groups for shared_member in shared}
            assert sum(len(planned.planned(shared)) for shared in planned.groups) == len(transforms)
            for result in run_passes(planned, LocalExecutor(adapter, settings, NoProgress())):
                if result.error is not None:
                    raise result.error
                result.state()

    return {
        "plain forward, once": lambda: plain(1),
        "vectors of knn, linear, similarity": lambda: read(VECTORS),
        "plain forward, twice": lambda: plain(2),
        "and sums of position and dense": lambda: read(SUMS),
        "and attention, patch norms": lambda: read(EVERYTHING),
    }


def drawn(images: int, width: int, classes: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draw unit vectors (n, D) and their labels."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, classes, images)
    spectrum = np.geomspace(1, 0.02, width)
    noise = generator.standard_normal((images, width)) + generator.standard_normal((classes, width))[labels]
    x = noise * spectrum + 4 * generator.standard_normal(width)
    return x / np.linalg.norm(x, axis=1, keepdims=True), labels


def logistic(x: NDArray[np.float64], labels: NDArray[np.int64], classes: int, device: torch.device) -> Ways:
    """Return solvers of logistic regression for six values of C."""
    ours, truth = torch.from_numpy(x).to(device), torch.from_numpy(labels).to(device)

    def theirs() -> None:
        for c in CS:
            LogisticRegression(C=c, tol=TOLERANCE, max_iter=100_000).fit(x, labels)

    return {"scikit-learn": theirs, "L-BFGS, warm starts": lambda: regularisation_path(ours, truth, classes, CS)}


def ridges(x: NDArray[np.float64], labels: NDArray[np.int64], classes: int, device: torch.device) -> Ways:
    """Return solvers of ridge regression for four penalties."""
    ours, truth = torch.from_numpy(x).to(device), torch.from_numpy(labels).to(device)
    targets = np.eye(classes)[labels]

    def theirs() -> None:
        for penalty in PENALTIES:
            Ridge(alpha=penalty * len(x) * x.var(axis=0).mean(), solver="cholesky").fit(x, targets)

    def from_sums() -> None:
        sums = one_hot_sums(ours, truth, classes)
        assert sums is not None
        for penalty in PENALTIES:
            ridge(sums, penalty)

    return {"scikit-learn": theirs, "from sums": from_sums}


def bank(width: int, patches: int, device: torch.device) -> Ways:
    """Return the search of the 30 nearest in a bank with the mean of their labels, and a matrix product."""
    generator = torch.Generator().manual_seed(0)
    held, asking = (torch.randn(n, width, generator=generator).to(device) for n in (patches, 1568))
    labels = torch.rand(patches, 21, generator=generator).to(device)
    units = normalize(asking, dim=1), normalize(held, dim=1)
    return {
        "one matrix product": lambda: units[0] @ units[1].T,
        "30 nearest and their labels": lambda: neighbour_labels(asking, torch.split(held, BLOCK), labels, 30),
    }


def similarities(x: NDArray[np.float64], y: NDArray[np.float64], device: torch.device) -> Mapping[str, Ways]:
    """Return both measures of one pair of layers."""
    first, second = torch.from_numpy(x).to(device), torch.from_numpy(y).to(device)
    upper = np.triu_indices(len(x), 1)

    def centred(z: NDArray[np.float64]) -> NDArray[np.float64]:
        z = z - z.mean(axis=0)
        unit: NDArray[np.float64] = z / np.linalg.norm(z)
        return unit

    def both(prepare: Callable[[torch.Tensor], torch.Tensor | None]) -> tuple[torch.Tensor, torch.Tensor]:
        prepared = prepare(first), prepare(second)
        assert prepared[0] is not None
        assert prepared[1] is not None
        return prepared[0], prepared[1]

    return {
        "procrustes": {
            "SciPy": lambda: orthogonal_procrustes(centred(x), centred(y)),
            "singular values": lambda: procrustes(*both(centred_unit)),
        },
        "rsa": {
            "SciPy": lambda: spearmanr((x @ x.T)[upper], (y @ y.T)[upper]),
            "ranks": lambda: rsa(*both(similarity_ranks)),
        },
    }


def main() -> None:
    """Print all comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in {"images": 1500, "width": 384, "classes": 20, "patches": 2 * BLOCK, "rounds": 3}.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--model", default="random-s16")
    parser.add_argument("--inputs", type=int, default=32, help="images of the passes")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--cpu-time", action="store_true")
    options = parser.parse_args()
    device, clock = find_device(options.device), time.process_time if options.cpu_time else time.perf_counter
    title = f"readouts of {options.model} on {device}, {options.inputs} images"
    compare(title, suite(options.model, device, options.inputs), options.rounds, clock, limit=None)
    x, labels = drawn(options.images, options.width, options.classes)
    y = x @ np.random.default_rng(1).standard_normal((options.width, options.width)) / options.width**0.5
    solvers = {
        "logistic regression": logistic(x, labels, options.classes, device),
        "ridge regression": ridges(x, labels, options.classes, device),
        "bank of patches": bank(options.width, options.patches, device),
        **similarities(x, y, device),
    }
    warnings.simplefilter("ignore")  # scikit-learn's about convergence
    for name, ways in solvers.items():
        compare(f"{name} on {device}", ways, options.rounds, clock, limit=None)


if __name__ == "__main__":
    main()
