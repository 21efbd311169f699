"""The arrays that an explorer shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ExplorerImage:
    """One image in one model.

    Attributes:
        pixels: uint8 (height, width, 3), the input of the model.
        steps: uint8 (layers, heads, T, T), the attention in steps of 1/255 of the maximum of its row.
        largest: float32 (layers, heads, T), the maximum of each row.
        colours: float32 (layers, h w, 3), 0 to 1, the principal components of the patches.
    """

    pixels: NDArray[np.uint8]
    steps: NDArray[np.uint8]
    largest: NDArray[np.float32]
    colours: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplorerModel:
    """All images in one model. Its tokens are [class token] [registers] [patches row by row].

    Attributes:
        label: name of the model.
        about: its architecture and supervision, in a few words.
        grid: rows and columns of patches, h and w.
        class_token: whether there is a class token.
        registers: number of registers.
        layers, heads: their numbers, from 1.
        images: in the order of the names that ``build`` gets.
        similarity: for each pair of images, the first not after the second, float32 (layers, h w, h w): the cosines of
            the patches of the first (rows) with those of the second.
    """

    label: str
    about: str
    grid: tuple[int, int]
    class_token: bool
    registers: int
    layers: tuple[int, ...]
    heads: tuple[int, ...]
    images: tuple[ExplorerImage, ...]
    similarity: Mapping[tuple[int, int], NDArray[np.float32]]
