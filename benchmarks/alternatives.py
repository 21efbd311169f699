"""Compare with other ways to the same numbers, and how they grow. ``python -m benchmarks.alternatives``.

1. One pass for all layers and tasks (attn-distance and k-NN), against the paper's method, written here from its
   description: a forward pass for each layer and task, and the layer's attention maps of all images kept whole; over
   images, layers and tokens.
2. CKA of all pairs of layers, against a loop over the pairs in torch, and against the package torch_cka where it is
   installed (``pip install --no-deps torch_cka``); over images and layers.
3. k-NN, k-means and logistic regression, against scikit-learn; over images.

Both ways run in one process on equal data (random weights, noise), in interleaved rounds. For each size, print the
CPU time, the peak memory in addition to what the process held (on Linux), how far the ways' results differ, and their
ratios; then the slopes: the exponents of a power of the size, fitted on logarithmic axes.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.attention import peak_memory
from benchmarks.cka import fast, naive
from benchmarks.paper_method import Network
from benchmarks.readouts import drawn
from teachmatters.measures.representation.clusters import STARTS, k_means
from teachmatters.measures.tasks.knn import nearest, rank_of_truth
from teachmatters.measures.tasks.logistic import TOLERANCE, fit_logistic

CLASSES, K, TEMPERATURE = 20, 5, 0.07


# The other way to some numbers, and ours.
Ways: TypeAlias = tuple[Callable[[], Tensor], Callable[[], Tensor]]


def passes(images: int, layers: int, tokens: int, width: int) -> Ways:
    """Return the paper's method and one pass."""
    network = Network(images, layers, tokens, width)
    return network.pass_per_layer_and_task, network.one_pass


def pairs(images: int, layers: int, width: int) -> Ways:
    """Return CKA of all pairs of layers of two models, pair by pair and together."""
    first, second = (list(torch.randn(layers, images, width)) for _ in range(2))
    return lambda: naive(first, second), lambda: fast(first, second)


class StoredLayers(nn.Module):
    """A network whose layers return stored outputs, for a package that only takes networks."""

    def __init__(self, outputs: Sequence[Tensor]) -> None:
        super().__init__()
        self.outputs, self.layers = outputs, nn.ModuleList(nn.Identity() for _ in outputs)

    def forward(self, index: Tensor) -> None:
        """Pass the outputs of these images through the layers."""
        for layer, output in zip(self.layers, self.outputs, strict=True):
            layer(output[index])


def packaged_pairs(images: int, layers: int, width: int) -> Ways:
    """Return CKA of all pairs of layers of two models by torch_cka and together."""
    first, second = (list(torch.randn(layers, images, width)) for _ in range(2))

    def theirs() -> Tensor:
        names = [f"layers.{layer}" for layer in range(layers)]
        networks = StoredLayers(first), StoredLayers(second)
        found = importlib.import_module("torch_cka").CKA(*networks, "first", "second", names, names)
        batches = DataLoader(TensorDataset(torch.arange(images)), batch_size=images)
        found.compare(batches, batches)
        matrix: Tensor = found.export()["CKA"]
        return matrix

    return theirs, lambda: fast(first, second)


def solvers(images: int, width: int) -> dict[str, Ways]:
    """Return scikit-learn's way and ours of k-NN, k-means and logistic regression, on the same vectors."""
    x, labels = drawn(images, width, CLASSES)
    vectors, truth, cut = torch.from_numpy(x).float(), torch.from_numpy(labels), images // 4

    def their_knn() -> Tensor:
        def vote(distances: Any) -> Any:
            return np.exp(-distances / TEMPERATURE)

        found = KNeighborsClassifier(K, weights=vote, metric="cosine", algorithm="brute")
        found.fit(vectors[cut:].numpy(), labels[cut:])
        return torch.from_numpy(found.predict(vectors[:cut].numpy()) == labels[:cut])

    def our_knn() -> Tensor:
        similarity, index = nearest(vectors[:cut], [vectors[cut:]], K)
        return rank_of_truth(similarity, truth[cut:][index], truth[:cut], CLASSES, [K], TEMPERATURE)[K] == 0

    def their_k_means() -> Tensor:
        return torch.from_numpy(KMeans(CLASSES, n_init=STARTS, random_state=0).fit_predict(vectors.numpy()))

    def their_regression() -> Tensor:
        found = LogisticRegression(C=1.0, tol=TOLERANCE, max_iter=100_000).fit(x, labels)
        return torch.from_numpy(found.predict_proba(x))

    def our_regression() -> Tensor:
        inputs = torch.from_numpy(x)
        return fit_logistic(inputs, truth, CLASSES, 1.0).scores(inputs).softmax(dim=1)

    return {
        "k-NN": (their_knn, our_knn),
        "k-means": (their_k_means, lambda: torch.from_numpy(k_means(vectors.numpy(), CLASSES))),
        "logistic regression": (their_regression, our_regression),
    }


def timed(way: Callable[[], Tensor]) -> tuple[Tensor, float, float]:
    """Return the result of a call, its CPU time, and its peak memory in MiB."""

    def work() -> tuple[Tensor, float]:
        start = time.process_time()
        return way(), time.process_time() - start

    (result, seconds), mib = peak_memory(work)
    return result, seconds, mib


def growth(title: str, sizes: Sequence[int], make: Callable[[int], Ways], rounds: int) -> None:
    """Print times, memory and ratios for each size, and the slopes."""
    print(title, flush=True)
    rows = []
    for way in make(sizes[0]):
        way()  # warm
    for size in sizes:
        ways = make(size)
        turns = [[timed(way) for way in ways] for _ in range(rounds)]
        far = float((turns[0][0][0].double() - turns[0][1][0].double()).abs().max())
        seconds = [statistics.median(turn[way][1] for turn in turns) for way in (0, 1)]
        memory = [statistics.median(turn[way][2] for turn in turns) for way in (0, 1)]
        rows.append([*seconds, *memory])
        times = f"{seconds[0]:8.3f} s, ours {seconds[1]:8.3f} s, ratio {seconds[0] / seconds[1]:6.2f}"
        print(f"  {size:6} {times};  {memory[0]:6.1f} MiB, ours {memory[1]:6.1f} MiB;  differ by {far:.1e}", flush=True)
    if len(set(sizes)) > 1:
        slopes = np.polyfit(np.log(sizes), np.log(np.maximum(rows, 1e-3)), 1)[0]
        print("  slope of time {:.2f}, ours {:.2f};  of memory {:.2f}, ours {:.2f}".format(*slopes), flush=True)


def comparisons(options: argparse.Namespace) -> dict[str, tuple[Sequence[int], Callable[[int], Ways]]]:
    """Return the sizes of each comparison, and what makes both ways of a size, by title."""
    width, layers, tokens, title = options.width, options.cka_layers, options.pass_tokens, "the paper's method, by"
    found: dict[str, tuple[Sequence[int], Callable[[int], Ways]]] = {
        f"{title} images (2 layers, {tokens} tokens)": (options.pass_images, lambda n: passes(n, 2, tokens, width)),
        f"{title} layers (8 images, 17 tokens)": (options.layers, lambda n: passes(8, n, 17, width)),
        f"{title} tokens (8 images, 2 layers)": (options.tokens, lambda n: passes(8, 2, n, width)),
    }
    ways = {"pair by pair": pairs, **({"with torch_cka": packaged_pairs} if find_spec("torch_cka") else {})}
    for way, made in ways.items():
        by_images = partial(made, layers=layers, width=width)
        found[f"CKA {way}, by images ({layers} layers)"] = options.images, by_images
        found[f"CKA {way}, by layers (64 images)"] = options.layers, partial(made, 64, width=width)
    for name in ("k-NN", "k-means", "logistic regression"):
        made_of = partial(lambda name, n: solvers(n, width)[name], name)
        found[f"scikit-learn's {name}, by images"] = options.images, made_of
    return found


def main() -> None:
    """Print all comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    grown = {"images": (100, 300, 1000), "pass-images": (16, 48, 160), "layers": (12, 24, 48), "tokens": (65, 197)}
    for name, sizes in grown.items():
        parser.add_argument(f"--{name}", type=int, nargs="+", default=sizes)
    parser.add_argument("--width", type=int, default=192, help="of the network and of all vectors; a ViT-S has 384")
    parser.add_argument("--cka-layers", type=int, default=12, help="where CKA grows over images")
    parser.add_argument("--pass-tokens", type=int, default=65, help="where the passes grow over images")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="comparisons whose title contains this")
    options = parser.parse_args()
    print(f"width {options.width}, {torch.get_num_threads()} threads, medians of {options.rounds} rounds")
    for title, (chosen, make) in comparisons(options).items():
        if options.only in title:
            growth(title, chosen, make, options.rounds)


if __name__ == "__main__":
    main()
