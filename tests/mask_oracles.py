"""Slow textbook versions of attention against masks and of artefacts; they share no code with the package."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

Array = NDArray[np.float64]


def read(attention: Array, grid: tuple[int, int], reader: str) -> list[float]:
    """What a reader gives to each patch, from one head's (T, T) map."""
    rows, columns = grid
    prefix = len(attention) - rows * columns
    center = prefix + (math.ceil(rows / 2) - 1) * columns + math.ceil(columns / 2) - 1
    queries = {"cls": [0], "spatial": range(prefix, len(attention)), "center": [center]}[reader]
    return [sum(float(attention[query, key]) for query in queries) for key in range(prefix, len(attention))]


def smallest_set(weights: Sequence[float], mass: float) -> set[int]:
    """Patches from the heaviest down until they hold the mass; of equal ones the later first."""
    total, held = sum(weights), 0.0
    chosen: set[int] = set()
    for weight, patch in sorted(((weight, patch) for patch, weight in enumerate(weights)), reverse=True):
        if total == 0 or held >= mass:
            break
        chosen.add(patch)
        held += weight / total
    return chosen


def iou(attention: Array, grid: tuple[int, int], reader: str, truth: set[int], mass: float) -> list[float]:
    """Of each head of an image's (H, T, T) attention, and of all heads merged at the end."""
    reads = [read(head, grid, reader) for head in attention]
    merged = [sum(weights) for weights in zip(*reads, strict=True)]
    predicted = [smallest_set(weights, mass) for weights in [*reads, merged]]
    return [len(some & truth) / len(some | truth) for some in predicted]


def chance(size: int, truth: int, patches: int) -> float:
    """The IoU to expect of so many random patches, by SciPy's hypergeometric distribution."""
    overlaps = np.arange(1, min(size, truth) + 1)
    return float((hypergeom.pmf(overlaps, patches, truth, size) * overlaps / (truth + size - overlaps)).sum())


def artefacts(tokens: Array, factor: float) -> list[int]:
    """The outlying ones of an image's (N, D) spatial tokens."""
    lengths = [math.sqrt(sum(float(x) ** 2 for x in token)) for token in tokens]
    ordered, middle = sorted(lengths), len(lengths) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return [patch for patch, length in enumerate(lengths) if length > factor * median]


def artefact_mass(attention: Array, chosen: Sequence[int], patches: int) -> float:
    """Mean over heads and spatial queries of what an image's (H, T, T) attention gives to chosen patches."""
    heads, tokens, _ = attention.shape
    prefix = tokens - patches
    queries = [head[prefix + query] for head in attention for query in range(patches)]
    total = sum(float(query[prefix + patch]) for patch in chosen for query in queries)
    return float(total / (heads * patches))
