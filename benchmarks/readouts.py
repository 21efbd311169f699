"""Measure the solvers of linear, dense and similarity. ``python -m benchmarks.readouts [--images 1500] [--cpu-time]``.

Each solver is compared with scikit-learn's (SciPy's for similarity) on the same data, and the bank search of dense with
one matrix product of the same size. Features are random unit vectors with a large common part and a decaying spectrum,
like those of deep layers. Rounds are interleaved in one process; ratios are of medians, and below 1 is faster.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression, Ridge
from torch.nn.functional import normalize

from benchmarks.knn import BLOCK, compare
from teachmatters.measures.representation.similarity import centred_unit, procrustes, rsa, similarity_ranks
from teachmatters.measures.ridge import ridge
from teachmatters.measures.tasks.dense import neighbour_labels
from teachmatters.measures.tasks.linear import one_hot_sums, regularisation_path
from teachmatters.measures.tasks.logistic import TOLERANCE
from teachmatters.runner.forward.device import find_device

Ways = Mapping[str, Callable[[], object]]
CS, PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0), (1e-6, 1e-4, 1e-2, 1.0)


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
    parser.add_argument("--device", default="auto")
    parser.add_argument("--cpu-time", action="store_true")
    options = parser.parse_args()
    device, clock = find_device(options.device), time.process_time if options.cpu_time else time.perf_counter
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
