"""Measure k-NN, ridge and retrieval with a gallery of ImageNet's size. ``python -m benchmarks.large_gallery``.

A memory map in a temporary folder, which is removed at the end, holds one layer of random class tokens in half
precision (1.28 million of 768 channels: 2.0 GB). Each method reads it block by block, as its analysis does. For each
layer and method, print the time and the peak memory in addition to what the process held before (on Linux).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.attention import peak_memory
from teachmatters.analyses.feature_buffer import GALLERY_BLOCK
from teachmatters.measures.ridge import RidgeSums, ridge
from teachmatters.measures.tasks.knn import nearest, rank_of_truth
from teachmatters.measures.tasks.linear import one_hot_sums, rank_of_class
from teachmatters.measures.tasks.retrieval import average_precision, ranking

METHODS = "k-NN", "ridge", "retrieval"
K, TEMPERATURE, PENALTY = 200, 0.07, 1e-2
# The distance of the classes' means from 0, relative to the noise: enough for a probe, too little for one neighbour.
SIGNAL = 0.1


class Layer:
    """One layer's gallery in a memory map, and its queries.

    Args:
        folder: the folder of the file.
        images, queries, width, classes: sizes; the class of image i is i modulo ``classes``.
        seed: of the vectors.
    """

    def __init__(self, folder: Path, images: int, queries: int, width: int, classes: int, seed: int) -> None:
        self.path, self.shape, self.classes = folder / f"layer{seed}.f16", (images, width), classes
        generator = np.random.default_rng(seed)
        self.means = SIGNAL * generator.standard_normal((classes, width), dtype=np.float32)
        with self.path.open("wb") as file:
            for start in range(0, images, GALLERY_BLOCK):
                count = min(GALLERY_BLOCK, images - start)
                file.write(self._draw(generator, start, count).astype(np.float16).tobytes())
        self.queries = torch.from_numpy(self._draw(generator, 0, queries))
        self.labels, self.truth = (torch.arange(n) % classes for n in (images, queries))

    def _draw(self, generator: np.random.Generator, start: int, count: int) -> NDArray[np.float32]:
        noise = generator.standard_normal((count, self.shape[1]), dtype=np.float32)
        noise += self.means[np.arange(start, start + count) % self.classes]
        return noise

    def blocks(self) -> Iterator[Tensor]:
        """Read the gallery block by block, as float32."""
        images, width = self.shape
        for start in range(0, images, GALLERY_BLOCK):
            shape = min(GALLERY_BLOCK, images - start), width
            # A map of the whole file would keep all pages that were read in this process.
            stored = np.memmap(self.path, np.float16, "r", offset=2 * start * width, shape=shape)
            yield torch.from_numpy(stored.astype(np.float32))

    def knn(self) -> float:
        """Return the top-1 accuracy of k-NN, 0 to 1."""
        k = min(K, self.shape[0])
        similarity, index = nearest(self.queries, self.blocks(), k)
        ranks = rank_of_truth(similarity, self.labels[index], self.truth, self.classes, [k], TEMPERATURE)
        return float((ranks[k] == 0).double().mean())

    def ridge(self) -> float:
        """Return the top-1 accuracy of a ridge probe, 0 to 1."""
        total: RidgeSums | None = None
        for block, labels in zip(self.blocks(), torch.split(self.labels, GALLERY_BLOCK), strict=True):
            sums = one_hot_sums(block, labels, self.classes)
            assert sums is not None
            total = sums if total is None else total + sums
        assert total is not None
        scores = ridge(total, PENALTY).predict(self.queries)
        return float((rank_of_class(scores, self.truth) == 0).double().mean())

    def retrieval(self, count: int) -> float:
        """Return the mean average precision of the first queries, 0 to 1; the positives are the images of a class."""
        positive = self.truth[:count, None] == self.labels
        order = ranking(self.queries[:count], self.blocks())
        return float(average_precision(order, positive, torch.zeros_like(positive)).mean())


def measure(name: str, work: Callable[[], float]) -> None:
    """Print the result, the times and the peak memory of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    result, mib = peak_memory(work)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"  {name:10} {100 * result:6.2f} %  {cpu:7.1f} s of CPU, {wall:7.1f} s  peak {mib:6.0f} MiB", flush=True)


def main() -> None:
    """Measure each layer in turn; only one is on the disk at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = {"images": 1_281_167, "queries": 256, "width": 768, "classes": 1000, "layers": 1}
    for name, number in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--retrieval-queries", type=int, default=8, help="how many are ranked")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    options = parser.parse_args()
    size = f"{options.images:,} x {options.width}, {options.classes} classes, {options.queries} queries"
    print(f"{size}, {torch.get_num_threads()} threads")
    for number in range(options.layers):
        with tempfile.TemporaryDirectory(prefix="teachmatters-gallery-") as folder:
            start = time.perf_counter()
            layer = Layer(Path(folder), options.images, options.queries, options.width, options.classes, number)
            gigabytes = layer.path.stat().st_size / 1e9
            print(f"layer {number + 1}: {gigabytes:.2f} GB drawn in {time.perf_counter() - start:.0f} s", flush=True)
            retrieval = partial(layer.retrieval, options.retrieval_queries)
            works: dict[str, Callable[[], float]] = {"k-NN": layer.knn, "ridge": layer.ridge, "retrieval": retrieval}
            for method in options.methods:
                measure(method, works[method])


if __name__ == "__main__":
    main()
