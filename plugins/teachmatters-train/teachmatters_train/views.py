"""Augmented views of images: random crops, rotations, flips and colours, computed for a whole batch at once.

All random numbers come from torch's global generator, which the training loop seeds before every step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the field's own name for it)

# The weights of red, green and blue in the brightness of a colour (ITU-R BT.601).
GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The settings of an augmentation.

    Attributes:
        size: the side of the result, in pixels.
        area: the smallest and largest share of the image that is cropped.
        colours: the strength of changes of brightness, contrast and saturation, and of hue; None for no change.
        grey: the probability that a view has no colour.
        rotation: the largest angle by which a view is rotated, in degrees, either way.
    """

    size: int = 64
    area: tuple[float, float] = (0.5, 1.0)
    colours: tuple[float, float] | None = None
    grey: float = 0.0
    rotation: float = 0.0


def look(images: Tensor, view: View) -> tuple[Tensor, Tensor]:
    """Draw one random view of each image.

    Args:
        images: uint8 (B, 3, h, w).
        view: the settings.

    Returns:
        float32 (B, 3, size, size) in -1..1, the networks' input, and bool (B,), whether each view is flipped.
    """
    images = images.float() / 255
    images, mirrored = _crop(images, view)
    if view.colours is not None:
        images = _where(0.8, images, _jitter(images, *view.colours))
    if view.grey:
        images = _where(view.grey, images, _grey(images).expand_as(images))
    return images * 2 - 1, mirrored


def _crop(images: Tensor, view: View) -> tuple[Tensor, Tensor]:
    """Crop a random rectangle of each image, with an aspect ratio of 3:4 to 4:3, rotate it, and flip half of them."""
    count = len(images)
    area = torch.empty(count).uniform_(*view.area)
    ratio = torch.empty(count).uniform_(math.log(3 / 4), math.log(4 / 3)).exp()
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    x, y = ((1 - side) * (2 * torch.rand(count) - 1) for side in (width, height))
    mirrored = torch.rand(count) < 0.5
    angle = torch.zeros(count)
    if view.rotation:
        angle.uniform_(-view.rotation, view.rotation).deg2rad_()
    sine, cosine, across = angle.sin(), angle.cos(), torch.where(mirrored, -width, width)
    rows = [torch.stack([across * cosine, -height * sine, x], 1), torch.stack([across * sine, height * cosine, y], 1)]
    where = torch.stack(rows, 1).to(images.device)
    grid = F.affine_grid(where, [count, 3, view.size, view.size], align_corners=False)
    cut = F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return cut, mirrored.to(images.device)


def _jitter(images: Tensor, strength: float, hue: float) -> Tensor:
    """Multiply brightness, contrast and saturation, and rotate hue about the grey axis."""
    brightness, contrast, saturation = (1 + strength * (2 * _rand(images) - 1) for _ in range(3))
    images = (images * brightness).clamp(0, 1)
    mean = _grey(images).mean(dim=(2, 3), keepdim=True)
    images = (mean + (images - mean) * contrast).clamp(0, 1)
    grey = _grey(images)
    return (grey + _turn(images - grey, hue) * saturation).clamp(0, 1)


def _turn(colours: Tensor, hue: float) -> Tensor:
    """Rotate (B, 3, h, w) about the axis (1, 1, 1) by up to ``hue`` of a full turn (Rodrigues' formula)."""
    angle = 2 * math.pi * hue * (2 * _rand(colours) - 1)
    cross = (colours.roll(1, dims=1) - colours.roll(-1, dims=1)) / math.sqrt(3)
    along = colours.mean(dim=1, keepdim=True)
    return colours * angle.cos() + cross * angle.sin() + along * (1 - angle.cos())


def _grey(images: Tensor) -> Tensor:
    return (images * images.new_tensor(GREY).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def _where(share: float, images: Tensor, changed: Tensor) -> Tensor:
    return torch.where(_rand(images) < share, changed, images)


def _rand(images: Tensor) -> Tensor:
    """Draw a number for each image, on the CPU, so that the numbers do not depend on the device."""
    return torch.rand(len(images), 1, 1, 1).to(images.device)
