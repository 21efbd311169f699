"""Maps over patches from the tokens of several images: principal components as colours, and similarity."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from teachmatters.measures.representation.pca import follow, foreground, principal_components, to_channels
from teachmatters.runner.visualize.tokens import ModelTokens


def pca_colours(model: ModelTokens, *, only_foreground: bool = False, own_scale: bool = False) -> NDArray[np.float32]:
    """Return the first three principal components of the patches of all images, layer by layer, as red, green, blue.

    Args:
        model: the tokens of the images.
        only_foreground: threshold the first component, and take the components of the rest; the background is black.
        own_scale: stretch the components of each image, instead of those of all images together.

    Returns:
        (images, layers, h, w, 3), 0 to 1.
    """
    tokens = torch.from_numpy(np.stack([image.patches for image in model.images]))  # (images, layers, h w, D)
    border = _border(model.info.grid).repeat(len(model.images))
    colours: list[Tensor] = []
    before: Tensor | None = None
    for layer in range(tokens.shape[1]):
        values = tokens[:, layer].flatten(0, 1)
        shown = foreground(principal_components(values, 1)[:, 0], border) if only_foreground else border | True
        components = torch.zeros(len(values), 3, dtype=torch.float64)
        components[shown] = principal_components(values[shown]).double()
        before = components if before is None else follow(components, before)
        colours.append(_colours(before, shown, len(model.images), own_scale))
    found = torch.stack(colours, dim=1)
    maps: NDArray[np.float32] = found.view(*found.shape[:2], *model.info.grid, 3).numpy()
    return maps


def similarities(model: ModelTokens, first: int, second: int) -> NDArray[np.float32]:
    """Return the cosine of every patch of one image with every patch of another, layer by layer.

    Returns:
        (layers, h w, h w), -1 to 1, rows are the patches of the first image.
    """
    return (_directions(model, first) @ _directions(model, second).mT).clamp(-1, 1).numpy()


def similarity_to(model: ModelTokens, patch: tuple[int, int]) -> NDArray[np.float32]:
    """Return the cosine of one patch of the first image with all patches of all images, layer by layer.

    Args:
        model: the tokens of the images.
        patch: row and column, from 0.

    Returns:
        (images, layers, h, w), -1 to 1.
    """
    rows, columns = model.info.grid
    query = _directions(model, 0)[:, patch[0] * columns + patch[1], :, None]
    maps = [(_directions(model, image) @ query).clamp(-1, 1) for image in range(len(model.images))]
    return torch.stack(maps).view(len(maps), -1, rows, columns).numpy()


def _directions(model: ModelTokens, image: int) -> Tensor:
    return normalize(torch.from_numpy(model.images[image].patches), dim=-1)


def _border(grid: tuple[int, int]) -> Tensor:
    """Return bool (h w,), True for the patches at the border of the image."""
    border = torch.ones(grid, dtype=torch.bool)
    border[1:-1, 1:-1] = False
    return border.flatten()


def _colours(components: Tensor, shown: Tensor, images: int, own_scale: bool) -> Tensor:
    """Return float32 (images, h w, 3); what is not shown is black."""
    colours = torch.zeros_like(components)
    count = len(components) // images
    parts = [slice(k * count, (k + 1) * count) for k in range(images)] if own_scale else [slice(None)]
    for part in parts:
        if shown[part].any():
            colours[part][shown[part]] = to_channels(components[part][shown[part]])
    return colours.float().view(images, count, 3)
