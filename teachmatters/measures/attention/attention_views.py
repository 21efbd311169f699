"""The attention of one image as maps over its patches, arranged in grids for figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# The query positions with a name: the class token, five patches, the mean over all patches, and the attention of every
# patch on itself. ``ROW:COLUMN``, both from 1, is any other patch.
POSITIONS = ("cls", "top", "left", "center", "right", "bottom", "spatial", "self")

Kind: TypeAlias = Literal["layers-heads", "heads-positions", "layers-positions"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def patch_of(position: str, grid: tuple[int, int]) -> tuple[int, int] | None:
    """Return row and column, from 0, of the patch at a position, or None if the position is not one patch.

    The middle of an even number of patches is the one before it, as in the code of Walmer et al. 2023.

    >>> patch_of("center", (14, 14)), patch_of("right", (3, 5)), patch_of("2:4", (3, 5)), patch_of("spatial", (3, 5))
    ((6, 6), (1, 4), (1, 3), None)
    """
    rows, columns = grid
    y, x = (rows + 1) // 2 - 1, (columns + 1) // 2 - 1
    named = {"top": (0, x), "left": (y, 0), "center": (y, x), "right": (y, columns - 1), "bottom": (rows - 1, x)}
    if position in named:
        return named[position]
    row, colon, column = position.partition(":")
    return (int(row) - 1, int(column) - 1) if colon else None


def diagonal(grid: tuple[int, int]) -> tuple[str, ...]:
    """Return the positions from the top left to the bottom right, one in every row.

    >>> diagonal((3, 3)), diagonal((2, 4))
    (('1:1', '2:2', '3:3'), ('1:1', '2:4'))
    """
    rows, columns = grid
    return tuple(f"{row + 1}:{round(row * (columns - 1) / max(rows - 1, 1)) + 1}" for row in range(rows))


def attention_views(attention: Tensor, positions: Sequence[str], grid: tuple[int, int]) -> Tensor:
    """Return the attention of each position on every patch. It is not renormalised: prefix tokens keep their share.

    Args:
        attention: (B, H, T, T) softmax output, rows are queries; the last h w tokens are the patches.
        positions: P names of POSITIONS or ``ROW:COLUMN``; ``cls`` is the first token.
        grid: rows and columns of patches, h and w.

    Returns:
        (B, H, P, h, w), between 0 and 1.

    >>> look_at_yourself = torch.eye(5).expand(1, 1, 5, 5)
    >>> attention_views(look_at_yourself, ["cls", "1:2", "spatial", "self"], (2, 2)).flatten(-2).tolist()[0][0]
    [[0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25], [1.0, 1.0, 1.0, 1.0]]
    """
    prefix = attention.shape[-1] - grid[0] * grid[1]
    spatial = attention[..., prefix:, prefix:]

    def view(position: str) -> Tensor:
        if (patch := patch_of(position, grid)) is not None:
            return spatial[..., patch[0] * grid[1] + patch[1], :]
        if position == "self":
            return spatial.diagonal(dim1=-2, dim2=-1)
        return spatial.mean(dim=-2) if position == "spatial" else attention[..., 0, prefix:]

    views = torch.stack([view(position) for position in positions], dim=-2)
    return views.reshape(*views.shape[:-1], *grid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Maps in rows and columns.

    Attributes:
        name: ``layers-heads-cls``, for file names.
        about: a description of the maps.
        rows, columns: the labels.
        maps: float32 (rows, columns, h, w).
        marks: for each column its query patch, or None.
        captions: (rows, columns) of short texts below the maps, or empty.
    """

    name: str
    about: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    maps: NDArray[np.float32]
    marks: tuple[tuple[int, int] | None, ...]
    captions: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """The attention maps of one image in a model.

    Attributes:
        layers, heads: the numbers of the layers and heads, from 1.
        positions: names of POSITIONS or ``ROW:COLUMN``.
        maps: float32 (layers, heads, positions, h, w).
    """

    layers: tuple[int, ...]
    heads: tuple[int, ...]
    positions: tuple[str, ...]
    maps: NDArray[np.float32]

    def grid(self, kind: Kind) -> Grid:
        """Return a grid of two of the three axes: for the first position, the last layer, or the mean over heads."""
        return {"layers-heads": self._heads, "heads-positions": self._last, "layers-positions": self._mean}[kind]()

    def _heads(self) -> Grid:
        position = self.positions[0]
        return Grid(
            name=f"layers-heads-{position}",
            about=f"attention of {in_words(position)}",
            rows=tuple(f"layer {layer}" for layer in self.layers),
            columns=tuple(f"head {head}" for head in self.heads),
            maps=self.maps[:, :, 0],
            marks=(self._marks()[0],) * len(self.heads),
            captions=tuple(tuple(f"[{layer}, {head}]" for head in self.heads) for layer in self.layers),
        )

    def _last(self) -> Grid:
        layer = self.layers[-1]
        return Grid(
            name=f"heads-positions-layer{layer}",
            about=f"attention in layer {layer}; rows are [layer, head]",
            rows=tuple(f"[{layer}, {head}]" for head in self.heads),
            columns=self.positions,
            maps=self.maps[-1],
            marks=self._marks(),
        )

    def _mean(self) -> Grid:
        first, last = self.heads[0], self.heads[-1]
        gaps = len(self.heads) <= last - first
        heads = ", ".join(map(str, self.heads)) if gaps else f"{first} to {last}"
        return Grid(
            name="layers-positions",
            about=f"attention, mean over heads {heads}" if first != last else f"attention of head {first}",
            rows=tuple(f"layer {layer}" for layer in self.layers),
            columns=self.positions,
            maps=self.maps.mean(axis=1),
            marks=self._marks(),
        )

    def _marks(self) -> tuple[tuple[int, int] | None, ...]:
        height, width = self.maps.shape[-2:]
        return tuple(patch_of(position, (height, width)) for position in self.positions)


def in_words(position: str) -> str:
    """Return a position in words, for a title.

    >>> in_words("cls"), in_words("top"), in_words("2:4")
    ('the class token', 'the top patch', 'the patch in row 2, column 4')
    """
    if ":" in position:
        row, _, column = position.partition(":")
        return f"the patch in row {row}, column {column}"
    whole = {"cls": "the class token", "spatial": "all patches, averaged", "self": "every patch to itself"}
    return whole.get(position, f"the {position} patch")
