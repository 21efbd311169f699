"""Periodic patterns: each is one tile of numbers between 0 (first colour) and 1 (second colour)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from teachmatters.datasets.scenes.seeds import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Side of a tile; a power of two, so that wrapping around is a bit mask.
EDGE = 256


def _wave(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a triangle wave from 0 to 1 of period 1; unlike a sine, it is bit-identical on every machine."""
    return np.abs(2 * (x % 1) - 1)


def _soft(x: NDArray[np.float64], edge: float = 0.1) -> NDArray[np.float64]:
    """Return 0 below 0, 1 above ``edge``, and a ramp between them."""
    return np.clip(x / edge, 0, 1)


def _noise(x: NDArray[np.float64], y: NDArray[np.float64], cells: tuple[int, int], octaves: int) -> NDArray[np.float64]:
    """Return smooth periodic noise with cells of several sizes."""
    total = np.zeros(np.broadcast_shapes(x.shape, y.shape))
    for octave in range(octaves):
        wide, high = cells[0] << octave, cells[1] << octave
        grid = generator(0, "texture", wide, high).random((high, wide))
        column, row = x * wide, y * high
        left, top = np.floor(column).astype(int), np.floor(row).astype(int)
        across, down = column - left, row - top
        across, down = across * across * (3 - 2 * across), down * down * (3 - 2 * down)
        upper = grid[top % high, left % wide] * (1 - across) + grid[top % high, (left + 1) % wide] * across
        lower = grid[(top + 1) % high, left % wide] * (1 - across) + grid[(top + 1) % high, (left + 1) % wide] * across
        total += (upper * (1 - down) + lower * down) * 0.5**octave
    found: NDArray[np.float64] = (total - total.min()) / (total.max() - total.min())
    return found


def _scales(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    row = np.floor(y * 2)
    return _soft((x + row / 2) % 1 * ((x + row / 2) % 1 - 1) + (y * 2 - row) ** 2 * 0.25 + 0.1, 0.15)


def _bricks(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    row = np.floor(y * 4)
    return 1 - _soft(np.minimum(_wave(x * 2 + row / 2), 0.5 * _wave(y * 4 + 0.5)) - 0.06, 0.04)


PATTERNS: dict[str, Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]] = {
    "plain": lambda x, y: 0.25 * _noise(x, y, (3, 3), 2),
    "striped": lambda x, y: _soft(_wave(x * 2) - 0.45 + 0 * y),
    "banded": lambda x, y: _soft(_wave(y * 2) - 0.45 + 0 * x),
    "spotted": lambda x, y: 1 - _soft(_wave(x * 2) ** 2 + _wave(y * 2) ** 2 - 0.3, 0.12),
    "checked": lambda x, y: np.abs(_soft(_wave(x) - 0.46, 0.08) - _soft(_wave(y) - 0.46, 0.08)),
    "scaly": _scales,
    "mottled": lambda x, y: _soft(_noise(x, y, (4, 4), 2) - 0.48, 0.15),
    "bricks": _bricks,
    "planks": lambda x, y: np.maximum(1 - _soft(_wave(y * 3) - 0.08, 0.05), 0.5 * _noise(x, y, (2, 24), 2)),
    "ripples": lambda x, y: _soft(_wave(y * 5 + 0.5 * _noise(x, y, (3, 2), 2)) - 0.2, 0.7),
    "grain": lambda x, y: _noise(x, y, (16, 16), 3),
    "clouds": lambda x, y: _noise(x, y, (3, 3), 4),
    "blades": lambda x, y: _noise(x, y, (28, 5), 2),
    "tiles": lambda x, y: np.maximum(
        1 - _soft(np.minimum(_wave(x * 3), _wave(y * 3)) - 0.08, 0.05), 0.3 * _noise(x, y, (3, 3), 1)
    ),
    "pebbles": lambda x, y: _soft(_noise(x, y, (24, 24), 1) - 0.35, 0.2),
}

NUMBER = {name: number for number, name in enumerate(PATTERNS)}


@cache
def tiles() -> NDArray[np.float32]:
    """Return all patterns, float32 (patterns, EDGE, EDGE)."""
    at = (np.arange(EDGE) + 0.5) / EDGE
    x, y = at[None, :] + 0 * at[:, None], at[:, None] + 0 * at[None, :]
    return np.stack([pattern(x, y) for pattern in PATTERNS.values()]).astype(np.float32)
