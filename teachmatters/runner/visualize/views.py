"""Selects views of one image's attention and takes them from a forward pass, layer by layer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from teachmatters.api import ModelInfo, Tap
from teachmatters.errors import TeachMattersError, UnknownNameError
from teachmatters.measures.attention.attention_views import POSITIONS, Views, attention_views, diagonal, patch_of
from teachmatters.runner.visualize.models import OpenModel

PATCHES = ("top", "left", "center", "right", "bottom")


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewSelection:
    """The selected layers and heads, from 1, and query positions; none of them is empty."""

    layers: tuple[int, ...]
    heads: tuple[int, ...]
    positions: tuple[str, ...]


def views_of(model: OpenModel, pixels: NDArray[np.uint8], wanted: ViewSelection) -> Views:
    """Run one forward pass and return its views; each layer's attention is released as soon as its views are taken.

    Args:
        model: the model.
        pixels: (height, width, 3), of its input size.
        wanted: layers, heads and positions.

    Raises:
        TeachMattersError: the attention is not finite, or memory runs out.
    """
    found: dict[int, Tensor] = {}

    def sink(layer: int, tap: Tap, attention: Tensor) -> None:
        if layer in wanted.layers:
            heads = attention[:, [head - 1 for head in wanted.heads]]
            found[layer] = attention_views(heads, wanted.positions, model.info.grid)[0].cpu()

    model.stream(pixels, frozenset({"attention"}), sink)
    maps = finite(torch.stack([found[layer] for layer in wanted.layers]), "attention")
    return Views(layers=wanted.layers, heads=wanted.heads, positions=wanted.positions, maps=maps.numpy())


def finite(values: Tensor, name: str) -> Tensor:
    """Return the values unchanged.

    Raises:
        TeachMattersError: one of them is NaN or infinite.
    """
    if not values.isfinite().all():
        raise TeachMattersError(f"its {name} is not finite (NaN or infinity); check the weights, or try another dtype")
    return values


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
        if position == "diagonal":
            chosen += diagonal(info.grid)
        elif position in named or _is_patch(position, info.grid):
            chosen.append(position)
        else:
            rows, columns = info.grid
            advice = f"Positions of {label}: {', '.join(named)}, diagonal, or ROW:COLUMN from 1:1 to {rows}:{columns}."
            raise UnknownNameError("position", position, (*named, "diagonal"), advice)
    return tuple(dict.fromkeys(chosen))


def chosen_patch(asked: str, grid: tuple[int, int], label: str) -> tuple[int, int]:
    """Return row and column, from 0, of a patch that is named or given as ROW:COLUMN.

    Raises:
        TeachMattersError: there is no such patch.

    >>> chosen_patch("center", (3, 3), "tiny"), chosen_patch("1:3", (3, 3), "tiny")
    ((1, 1), (0, 2))
    """
    patch = patch_of(asked, grid) if asked in PATCHES or _is_patch(asked, grid) else None
    if patch is None:
        advice = f"Patches of {label}: {', '.join(PATCHES)}, or ROW:COLUMN from 1:1 to {grid[0]}:{grid[1]}."
        raise UnknownNameError("patch", asked, PATCHES, advice)
    return patch


def _is_patch(text: str, grid: tuple[int, int]) -> bool:
    numbers = re.fullmatch(r"(\d{1,4}):(\d{1,4})", text, re.ASCII)
    return numbers is not None and all(1 <= int(n) <= m for n, m in zip(numbers.groups(), grid, strict=True))


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
