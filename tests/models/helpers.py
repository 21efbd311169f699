"""Small networks and requests for the tests of models."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import timm
import torch

from teachmatters.api import ModelAdapter, ModelRequest, ModelSpec, Tap
from teachmatters.models.specs import register_models
from teachmatters.models.timm.vit import TimmViT

Taken = dict[tuple[int, str], torch.Tensor]

STREAMED: frozenset[Tap] = frozenset(get_args(Tap))

ORDER: list[Tap] = list(get_args(Tap))


def spec(name: str) -> ModelSpec:
    return next(spec for spec in register_models() if spec.name == name)


def request(name: str, weights: Path | None = None, seed: int = 0) -> ModelRequest:
    return ModelRequest(spec=spec(name), weights=weights, seed=seed)


def tiny(architecture: str = "vit_tiny_patch16_224", **kwargs: Any) -> TimmViT:
    """Two blocks, seeded, of any family."""
    torch.manual_seed(0)
    kwargs = {"depth": 2, "num_classes": 0} | kwargs
    return TimmViT(timm.create_model(architecture, **kwargs), architecture)


def images(model: TimmViT, count: int = 2) -> torch.Tensor:
    """Seeded noise of the model's size."""
    side = model.info.image_size
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def streamed(
    model: ModelAdapter, pixels: torch.Tensor, taps: frozenset[Tap] = STREAMED
) -> dict[tuple[int, str], torch.Tensor]:
    """Everything that a pass hands over, in its order."""
    taken: Taken = {}

    def sink(layer: int, tap: Tap, value: torch.Tensor) -> None:
        assert (layer, tap) not in taken
        taken[layer, tap] = value.clone()

    model.stream(pixels, taps, sink)
    return taken
