"""Draw a scene: rasterise outlines to a map of pieces, look up their colours, reduce to the requested size.

Images are planes, (3, height, width), which is faster than three numbers a pixel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from teachmatters.datasets.scenes.figure import Piece
from teachmatters.datasets.scenes.grounds import Ground, Light, Surface
from teachmatters.datasets.scenes.scene import Scene
from teachmatters.datasets.scenes.textures import EDGE, NUMBER, tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Offset of an object's shadow on the ground, in units of the image's width.
SHADOW = 0.035


def finer(size: int) -> int:
    """Return the number of drawn pixels for one pixel of the image, in each direction."""
    return 3 if size <= 96 else 2


def draw(scene: Scene, size: int) -> Image.Image:
    """Draw the image, RGB, ``size`` pixels wide and high."""
    times = finer(size)
    edge = size * times
    rows = outlines(scene.pieces, edge)
    x = ((np.arange(edge) + 0.5) / edge).astype(np.float32)[None, :]
    y = x.T
    colours = _ground(scene.ground, x, y)
    if scene.light.shadow:
        colours *= 1 - scene.light.shadow * _shadow(scene, edge)
    where = np.flatnonzero(rows)
    if where.size:
        colours.reshape(3, -1)[:, where] = _surfaces(scene.pieces, rows.ravel()[where] - 1, where, edge, scene.light)
    colours *= _glow(scene.light, x, y)
    colours *= 255
    colours += 0.5
    planes = np.clip(colours, 0, 255, out=colours).astype(np.uint8)
    return Image.merge("RGB", [Image.fromarray(plane).reduce(times) for plane in planes])


def outlines(pieces: Sequence[Piece], edge: int) -> NDArray[np.uint8]:
    """Return the piece at each drawn pixel: uint8 (edge, edge), 0 for the ground, i + 1 for piece i."""
    canvas = Image.new("L", (edge, edge))
    pen = ImageDraw.Draw(canvas)
    for number, piece in enumerate(pieces):
        # PIL puts pixel centres at whole coordinates, this code at halves.
        corners = (piece.outline * edge - (0.5 + 0.5j)).view(np.float64)
        pen.polygon(corners.tolist(), fill=number + 1)
    return np.asarray(canvas)


def _shadow(scene: Scene, edge: int) -> NDArray[np.float32]:
    """Return the shadow of the objects on the ground, 0 or 1, float32 (edge, edge)."""
    canvas = Image.new("L", (edge, edge))
    pen = ImageDraw.Draw(canvas)
    move = -SHADOW * scene.light.direction
    for figure in scene.figures:
        for piece in figure.pieces:
            pen.polygon(((piece.outline + move) * edge - (0.5 + 0.5j)).view(np.float64).tolist(), fill=1)
    return np.asarray(canvas).astype(np.float32)


def _ground(ground: Ground, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the colours of the background, float32 (3, edge, edge)."""
    colours = _surface(ground.near, x, y)
    if ground.far is not None:
        above = y < np.float32(ground.horizon[0]) + np.float32(ground.horizon[1]) * (x - np.float32(0.5))
        colours = np.where(above, _surface(ground.far, x, y), colours)
    edge = x.size
    mottle = np.asarray(Image.fromarray(ground.mottle).resize((edge, edge), Image.Resampling.BICUBIC))
    colours *= 1 + np.float32(0.06) * mottle
    return colours


def _surface(surface: Surface, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    paint, (cos, sin) = surface.paint, (np.cos(surface.turn), np.sin(surface.turn))
    step = np.float32(paint.scale * EDGE)
    u = (np.float32(cos) * x + np.float32(sin) * y) * step + np.float32(paint.shift[0] * EDGE)
    v = (np.float32(cos) * y - np.float32(sin) * x) * step + np.float32(paint.shift[1] * EDGE)
    mix = _look_up(NUMBER[paint.pattern], u, v)
    first, second = (np.array(colour, np.float32)[:, None, None] for colour in (paint.first, paint.second))
    colours: NDArray[np.float32] = first + (second - first) * mix
    return colours


def _look_up(pattern: int | NDArray[np.intp], u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[np.float32]:
    column = np.floor(u).astype(np.int32) & (EDGE - 1)
    row = np.floor(v).astype(np.int32) & (EDGE - 1)
    return np.take(tiles(), (pattern * EDGE + row) * EDGE + column)


def _surfaces(
    pieces: Sequence[Piece], which: NDArray[np.uint8], where: NDArray[np.intp], edge: int, light: Light
) -> NDArray[np.float32]:
    """Return the colours of the drawn pixels of pieces: float32 (3, pixels)."""
    x = ((where % edge).astype(np.float32) + np.float32(0.5)) / np.float32(edge)
    y = ((where // edge).astype(np.float32) + np.float32(0.5)) / np.float32(edge)
    a, b, c, d, e, f = np.array([piece.inverse for piece in pieces], dtype=np.float32).T[:, which]
    along, across = a * x + b * y + c, d * x + e * y + f
    paints = [piece.paint for piece in pieces]
    look = np.array([(p.scale, *p.shift) for p in paints], dtype=np.float32).T[:, which]
    pattern = np.array([NUMBER[p.pattern] for p in paints])[which]
    mix = _look_up(pattern, (along * look[0] + look[1]) * EDGE, (across * look[0] + look[2]) * EDGE)
    first = np.array([p.first for p in paints], dtype=np.float32).T
    change = np.array([p.second for p in paints], dtype=np.float32).T - first
    lit = _shading(pieces, light).T[:, which]
    shade = lit[0] + lit[1] * across - lit[2] * across * across
    colours: NDArray[np.float32] = (first[:, which] + change[:, which] * mix) * shade
    return colours


def _shading(pieces: Sequence[Piece], light: Light) -> NDArray[np.float32]:
    """Return the light of each piece, its change across the piece, and the darkening at its edges, as for a rod."""
    rows = []
    for piece in pieces:
        side = complex(piece.inverse[3], piece.inverse[4])
        facing = (side.real * light.direction.real + side.imag * light.direction.imag) / abs(side)
        slope = light.strength * facing / piece.breadth
        rows.append((piece.shade, piece.shade * slope, piece.shade * 0.28 / piece.breadth**2))
    return np.array(rows, dtype=np.float32)


def _glow(light: Light, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the factor of all colours: float32 (3, edge, edge)."""
    half = np.float32(0.5)
    far = (x - half) ** 2 + (y - half) ** 2
    slant = (x - half) * np.float32(light.direction.real) + (y - half) * np.float32(light.direction.imag)
    bright = 1 - np.float32(2 * light.vignette) * far + np.float32(0.35 * light.strength) * slant
    return (bright * np.array(light.tint, np.float32)[:, None, None]).astype(np.float32, copy=False)
