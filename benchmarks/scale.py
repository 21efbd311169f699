"""Compute the cost of the paper's study. ``python -m benchmarks.scale [--rate TFLOPS] [--measure]``.

Prints the tables of docs/scale.md: for each model of the packaged study ``paper`` the cost of an image, the time for
all images at a given speed of a GPU, and the size of the features on disk; then the whole study on one and more GPUs.
``--measure`` also measures how many photographs one core of this machine reads and transforms per second.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from teachmatters.api import Crop, ModelInfo
from teachmatters.models.recipes import RECIPES, SHAPES
from teachmatters.registry import load
from teachmatters.runner.study.resolve import open_study

STUDY = Path(__file__).parents[1] / "teachmatters/runner/study/packaged/paper.yaml"

# The number of images that one model reads, see docs/paper.md; for ``spair``, at most all of its images.
INPUTS = {
    "imagenet50": 5_000,
    "coco": 5_000,
    "partimagenet": 5_500,
    "imagenet": 1_331_167,
    "roxford5k": 5_063,
    "rparis6k": 6_392,
    "davis": 16_000,
    "spair": 1_800,
}

# Assumed speed of one GPU, in 1e12 floating-point operations per second.
RATE = 30.0
# Photographs that one core reads and transforms per second, as measured by ``--measure``.
READING = 138
GPUS = (1, 8, 64)
# The sizes of k-NN on ImageNet.
QUERIES, GALLERY = 50_000, 1_281_167


@dataclass(frozen=True, slots=True)
class Network:
    """The shape of a vision transformer, as far as it determines the cost.

    Attributes:
        depth, width: blocks, and channels of a token.
        patch, pixels: sides of a patch and of the image.
    """

    depth: int
    width: int
    patch: int
    pixels: int = 224

    def operations(self) -> int:
        """Return the floating-point operations of the matrix products of a forward pass, two per multiply-add.

        >>> round(Network(12, 768, 16).operations() / 1e9, 1)
        35.1
        """
        patches = (self.pixels // self.patch) ** 2
        tokens = patches + 1
        embedding = 2 * patches * 3 * self.patch**2 * self.width
        weights = 2 * 12 * tokens * self.width**2  # queries, keys, values, output: 4; the MLP: 8
        attention = 2 * 2 * tokens**2 * self.width
        return embedding + self.depth * (weights + attention)

    def feature_bytes(self) -> int:
        """Return the bytes of an image's class tokens in the cache."""
        return 2 * self.depth * self.width


def networks() -> dict[str, Network]:
    """Return the models of the study."""
    found = {}
    for model in open_study(load(), STUDY).models:
        recipe = RECIPES[model.spec.name]
        shape = SHAPES[recipe.size]
        found[recipe.name] = Network(shape.depth, shape.width, recipe.patch, recipe.pixels)
    return found


def by_model(rate: float) -> Iterator[tuple[str, float, float, float, float]]:
    """Return for each model: GFLOP per image, images per second, hours in total, GB of ImageNet's class tokens."""
    for name, network in networks().items():
        operations = network.operations()
        seconds = sum(INPUTS.values()) * operations / (rate * 1e12)
        features = INPUTS["imagenet"] * network.feature_bytes() / 1e9
        yield name, operations / 1e9, rate * 1e12 / operations, seconds / 3600, features


def whole(rate: float) -> Iterator[tuple[int, float, float]]:
    """Return for each number of GPUs the hours, and the cores needed to read images."""
    hours = sum(row[3] for row in by_model(rate))
    images = len(networks()) * sum(INPUTS.values())
    for gpus in GPUS:
        yield gpus, hours / gpus, images / (hours / gpus * 3600) / READING


def neighbours() -> float:
    """Return the floating-point operations of k-NN on ImageNet, for all layers of all models."""
    return sum(2.0 * QUERIES * GALLERY * n.width * n.depth for n in networks().values())


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table.

    >>> print(table(["a", "b"], [("x", 1.5)]))
    | a | b |
    | :-- | --: |
    | x | 1.5 |
    """
    lines = [head, [":--", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def tables(rate: float = RATE) -> tuple[str, str]:
    """Return the two tables of docs/scale.md."""
    models = list(by_model(rate))
    rows = [(f"`{n}`", f"{g:.1f}", f"{p:,.0f}", f"{h:.2f}", f"{f:.0f}") for n, g, p, h, f in models]
    hours, features = sum(row[3] for row in models), sum(row[4] for row in models)
    rows.append((f"all {len(models)}", "", "", f"{hours:.0f}", f"{features:.0f}"))
    first = table(("model", "GFLOP an image", "images a second", "GPU hours", "features, GB"), rows)
    second = table(
        ("GPUs", "hours", "cores that read images"),
        [(gpus, f"{h:.1f}" if h < 10 else f"{h:.0f}", f"{cores:.0f}") for gpus, h, cores in whole(rate)],
    )
    return first, second


def reading_rate(seconds: float = 5.0) -> float:
    """Return how many photographs of ImageNet's typical size one core reads and transforms per second."""
    noise = np.random.default_rng(0).normal(size=(12, 16, 3)).clip(-2, 2)
    smooth = Image.fromarray(np.uint8(128 + 60 * noise)).resize((500, 375), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    grain = np.random.default_rng(1).normal(scale=12, size=(375, 500, 3))
    Image.fromarray(np.uint8((np.asarray(smooth) + grain).clip(0, 255))).save(file, "JPEG", quality=90)
    print(f"a JPEG of 500 x 375 pixels, {len(file.getvalue()) / 1000:.0f} KB")
    info = ModelInfo(
        arch="ViT-B/16",
        depth=12,
        heads=12,
        width=768,
        patch_size=16,
        image_size=224,
        grid=(14, 14),
        class_token=True,
        registers=0,
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
    )
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        Crop().apply(Image.open(io.BytesIO(file.getvalue())), {}, info)
        count += 1
    return count / (time.perf_counter() - begun)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=RATE, help="TFLOP/s of one GPU")
    parser.add_argument("--measure", action="store_true", help="measure how fast images are read here")
    given = parser.parse_args()
    print(f"{sum(INPUTS.values()):,} inputs a model; {given.rate:g} TFLOP/s a GPU\n")
    print("\n\n".join(tables(given.rate)))
    print(f"\nk-NN on ImageNet, all layers of all models: {neighbours():.2g} floating-point operations")
    if given.measure:
        print(f"{reading_rate():.0f} photographs a second a core")


if __name__ == "__main__":
    main()
