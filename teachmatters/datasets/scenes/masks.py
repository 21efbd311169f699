"""The visible masks, boxes and keypoints of a scene's objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from teachmatters.api import Box, Mask
from teachmatters.datasets.scenes.categories import CATEGORIES, PARTS
from teachmatters.datasets.scenes.figure import Figure
from teachmatters.datasets.scenes.paint import finer, outlines
from teachmatters.datasets.scenes.scene import Scene

if TYPE_CHECKING:
    from numpy.typing import NDArray


class VisibleMask:
    """The visible piece at each drawn pixel of a scene at one size."""

    def __init__(self, scene: Scene, size: int) -> None:
        self._scene, self._size, self._times = scene, size, finer(size)
        self._rows = outlines(scene.pieces, size * self._times)
        self._owner = np.array([-1, *(piece.owner for piece in scene.pieces)])
        self._part = np.array([-1, *(piece.part for piece in scene.pieces)])

    def objects(self) -> tuple[Mask, ...]:
        """Return the mask of each visible object, in the scene's order."""
        masks = ((figure, self._mask(self._owner == number)) for number, figure in enumerate(self._scene.figures))
        return tuple(Mask(mask, figure.who.category) for figure, mask in masks if mask.any())

    def parts(self) -> tuple[Mask, ...]:
        """Return the mask of each visible annotated part of the main object; all legs are one part."""
        category = CATEGORIES[self._scene.figures[0].who.category]
        pieces = self._scene.pieces
        named = [category.parts[piece.part].annotated if piece.owner == 0 else "" for piece in pieces]
        shown = np.array(["", *named])
        found = []
        for name in dict.fromkeys(part.annotated for part in category.parts if part.annotated):
            mask = self._mask(shown == name)
            if mask.any():
                found.append(Mask(mask, PARTS.index(f"{category.name} {name}")))
        return tuple(found)

    def numbers(self) -> NDArray[np.uint8]:
        """Return the number of the object at each pixel, from 1; 0 for none."""
        shown = np.zeros((self._size, self._size), np.uint8)
        for number in range(len(self._scene.figures)):
            shown[self._mask(self._owner == number) > 0] = number + 1
        return shown

    def categories(self) -> NDArray[np.uint8]:
        """Return the main category of each pixel, from 1; 0 for the ground, clutter and occluders."""
        figures = self._scene.figures
        shown = np.array([0, *(1 + figure.who.category for figure in figures)], np.uint8)[1 + self._owner][self._rows]
        found = np.unique(shown)
        areas = [Image.fromarray(np.where(shown == each, np.uint8(255), np.uint8(0))) for each in found]
        shares = np.stack([np.asarray(area.reduce(self._times)) for area in areas])
        most: NDArray[np.uint8] = found[shares.argmax(0)]
        return most

    def keypoints(self, number: int = 0) -> dict[str, complex]:
        """Return the keypoints of an object on visible parts, in units of the image's width."""
        edge = self._size * self._times
        found = {}
        for name, (place, part) in self._scene.figures[number].keypoints.items():
            row, column = int(place.imag * edge // 1), int(place.real * edge // 1)
            if 0 <= row < edge and 0 <= column < edge:
                shown = self._rows[row, column]
                if self._owner[shown] == number and self._part[shown] == part:
                    found[name] = place
        return found

    def _mask(self, pieces: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return a mask with 255 at pixels that at least half consist of these pieces."""
        fine = Image.fromarray(np.where(pieces[self._rows], np.uint8(255), np.uint8(0)))
        return np.where(np.asarray(fine.reduce(self._times)) >= 128, np.uint8(255), np.uint8(0))


def box(figure: Figure, size: int) -> Box:
    """Return the box around a whole object, hidden parts included, clipped to the image."""
    corners = figure.outline * size
    x, y = np.clip(corners.real, 0, size), np.clip(corners.imag, 0, size)
    return Box(float(x.min()), float(y.min()), float(x.max()), float(y.max()))
