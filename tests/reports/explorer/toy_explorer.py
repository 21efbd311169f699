"""A small explorer of generated numbers: two models with different grids, two images."""

from __future__ import annotations

import numpy as np
import torch

from teachmatters.measures.attention.quantised import quantise
from teachmatters.reports.explorer.data import ExplorerImage, ExplorerModel

IMAGES = ("cat", "</script><b>dog")


def model(
    label: str, grid: tuple[int, int], *, layers: int = 3, heads: int = 2, class_token: bool = True, registers: int = 0
) -> ExplorerModel:
    drawn = np.random.default_rng(layers + grid[0])
    patches = grid[0] * grid[1]
    tokens = patches + class_token + registers
    images = []
    for _ in IMAGES:
        logits = torch.from_numpy(drawn.normal(size=(layers, heads, tokens, tokens)) * 3)
        steps, largest = quantise(logits.softmax(-1))
        images.append(
            ExplorerImage(
                drawn.integers(0, 255, (8 * grid[0], 8 * grid[1], 3), dtype=np.uint8),
                steps.numpy(),
                largest.numpy(),
                drawn.random((layers, patches, 3), dtype=np.float32),
            )
        )
    pairs = [(0, 0), (0, 1), (1, 1)]
    similarity = {pair: drawn.uniform(-1, 1, (layers, patches, patches)).astype(np.float32) for pair in pairs}
    return ExplorerModel(
        label=label,
        about="ViT-toy",
        grid=grid,
        class_token=class_token,
        registers=registers,
        layers=tuple(range(1, layers + 1)),
        heads=tuple(range(1, heads + 1)),
        images=tuple(images),
        similarity=similarity,
    )
