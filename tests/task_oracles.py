"""Slow textbook versions of the measures of retrieval, videos and keypoints; they share no code with the package."""

from __future__ import annotations

from collections.abc import Sequence

import torch


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
