"""Selects views of one image's attention and takes them from a forward pass, layer by layer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from teachmatters.api import ModelAdapter, ModelInfo, Tap
from teachmatters.errors import TeachMattersError, UnknownNameError
from teachmatters.measures.attention.attention_views import POSITIONS, Views, attention_views, diagonal
from teachmatters.runner.forward.device import full_precision, out_of_memory

DeviceAndDtype: TypeAlias = tuple[torch.device, torch.dtype]


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewSelection:
    """The selected layers and heads, from 1, and query positions; none of them is empty."""

    layers: tuple[int, ...]
    heads: tuple[int, ...]
    positions: tuple[str, ...]


def views_of(adapter: ModelAdapter, pixels: NDArray[np.uint8], wanted: ViewSelection, place: DeviceAndDtype) -> Views:
    """Run one forward pass and return its views; each layer's attention is released as soon as its views are taken.

    Args:
        adapter: the model, on the device.
        pixels: (height, width, 3).
        wanted: layers, heads and positions.
        place: device and dtype of the pass.

    Raises:
        TeachMattersError: the attention is not finite, or memory runs out.
    """
    (device, dtype), info = place, adapter.info
    mean, std = (torch.tensor(three, device=device).view(1, 3, 1, 1) for three in (info.mean, info.std))
    found: dict[int, Tensor] = {}

    def sink(layer: int, tap: Tap, attention: Tensor) -> None:
        if layer in wanted.layers:
            heads = attention[:, [head - 1 for head in wanted.heads]]
            found[layer] = attention_views(heads, wanted.positions, info.grid)[0].cpu()

    with out_of_memory(), full_precision(), torch.inference_mode():
        inputs = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None].to(device)
        adapter.stream(inputs.float().div(255).sub(mean).div(std).to(dtype), frozenset({"attention"}), sink)
        maps = torch.stack([found[layer] for layer in wanted.layers])
    if not maps.isfinite().all():
        raise TeachMattersError(
            "its attention is not finite (NaN or infinity); check the weights, or try another dtype"
        )
    return Views(layers=wanted.layers, heads=wanted.heads, positions=wanted.positions, maps=maps.numpy())


def chosen_positions(asked: Sequence[str], info: ModelInfo, label: str) -> tuple[str, ...]:
    """Return the requested query positions of a model, each once.

    By default these are all named positions, beginning with the class token, or with the mean over patches if there is
    none.

    Raises:
        TeachMattersError: the model does not have a requested position.
    """
    named = POSITIONS if info.class_token else ("spatial", *(p for p in POSITIONS if p not in ("cls", "spatial")))
    chosen: list[str] = []
    for position in asked or named:
        patch = re.fullmatch(r"(\d{1,4}):(\d{1,4})", position, re.ASCII)
        if position == "diagonal":
            chosen += diagonal(info.grid)
        elif position in named or (
            patch and all(1 <= int(n) <= m for n, m in zip(patch.groups(), info.grid, strict=True))
        ):
            chosen.append(position)
        else:
            rows, columns = info.grid
            advice = f"Positions of {label}: {', '.join(named)}, diagonal, or ROW:COLUMN from 1:1 to {rows}:{columns}."
            raise UnknownNameError("position", position, (*named, "diagonal"), advice)
    return tuple(dict.fromkeys(chosen))


def chosen_numbers(option: str, asked: tuple[int, ...], most: int, label: str) -> tuple[int, ...]:
    """Return the requested layers or heads, or all ``most`` that the model has.

    Raises:
        TeachMattersError: the model has fewer.

    >>> chosen_numbers("--layers", (), 3, "tiny")
    (1, 2, 3)
    """
    if asked and max(asked) > most:
        raise TeachMattersError(f"{option} {max(asked)}: {label} has {option[2:]} 1 to {most}; choose among these")
    return asked or tuple(range(1, most + 1))
