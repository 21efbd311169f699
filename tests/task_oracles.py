"""Slow textbook versions of retrieval, video and keypoint measures; they share no code with the package."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray


def retrieval(ranking: Sequence[int], positive: set[int], junk: set[int]) -> tuple[float, dict[int, float]]:
    """One query's average precision and its precision at 1, 5 and 10, going down the list without the junk."""
    kept = [name for name in ranking if name not in junk or name in positive]
    area, before, found, last = 0.0, 1.0, 0, 0
    for length, name in enumerate(kept, start=1):
        if name in positive:
            before = found / (length - 1) if length > 1 else 1.0
            found, last = found + 1, length
            area += (before + found / length) / 2 / len(positive)
    cuts = {k: min(k, last) for k in (1, 5, 10)}
    return area, {k: sum(name in positive for name in kept[:cut]) / cut for k, cut in cuts.items()}


def enlarged(features: torch.Tensor, patch: int) -> torch.Tensor:
    """(h, w, D) -> (h patch, w patch, D), bilinear, by PyTorch."""
    planes = features.permute(2, 0, 1)[None]
    large = torch.nn.functional.interpolate(planes, scale_factor=patch, mode="bilinear", align_corners=False)
    return large[0].permute(1, 2, 0)


def first_best(values: torch.Tensor) -> list[int]:
    """x and y of the first pixel, row by row, that no other exceeds by more than rounding."""
    top = float(values.max())
    for y, row in enumerate(values.tolist()):
        for x, value in enumerate(row):
            if value >= top - 1e-9:
                return [x, y]
    raise AssertionError


def propagated(
    frame: torch.Tensor,
    context: torch.Tensor,
    labels: torch.Tensor,
    grid: tuple[int, int],
    radius: int,
    top: int,
    temperature: float,
) -> torch.Tensor:
    """Label propagation with the whole matrix of affinities."""
    rows, columns = grid
    count = rows * columns
    weight = torch.exp(torch.cat(list(context)) @ frame.T / temperature)  # sources x targets
    for source in range(len(weight)):
        for target in range(count):
            (y, x), (v, u) = divmod(source % count, columns), divmod(target, columns)
            if abs(y - v) > radius or abs(x - u) > radius:
                weight[source, target] = 0.0
    least = weight.sort(dim=0, descending=True).values[top - 1]
    weight[weight < least] = 0.0
    return (weight / weight.sum(dim=0)).T @ torch.cat(list(labels))


def region(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """J, pixel by pixel."""
    both = either = 0
    for p, t in zip(predicted.ravel().tolist(), truth.ravel().tolist(), strict=True):
        both, either = both + (p and t), either + (p or t)
    return both / either if either else 1.0


def outline(mask: NDArray[np.bool_]) -> set[tuple[int, int]]:
    """Boundary pixels."""
    height, width = mask.shape
    found = set()
    for y in range(height):
        for x in range(width):
            if y == height - 1 and x == width - 1:
                continue
            neighbours = [(y, x + 1), (y + 1, x), (y + 1, x + 1)]
            inside = [mask[v, u] for v, u in neighbours if v < height and u < width]
            if any(value != mask[y, x] for value in inside):
                found.add((y, x))
    return found


def boundary(predicted: NDArray[np.bool_], truth: NDArray[np.bool_], radius: int) -> float:
    """F, by comparing every boundary pixel with every other."""
    mine, theirs = outline(predicted), outline(truth)
    if not mine or not theirs:
        return float(mine == theirs)

    def share(some: set[tuple[int, int]], others: set[tuple[int, int]]) -> float:
        near = [any((y - v) ** 2 + (x - u) ** 2 <= radius**2 for v, u in others) for y, x in some]
        return sum(near) / len(near)

    precision, recall = share(mine, theirs), share(theirs, mine)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
