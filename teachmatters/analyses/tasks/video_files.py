"""The masks of the video analysis as indexed PNG files, in the layout of the official evaluation."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from teachmatters.api import Item
from teachmatters.errors import TeachMattersError


@dataclass(frozen=True, slots=True)
class VideoFiles:
    """Files ``<folder>/<model>/layer-01/<video>/<frame>.png``; the evaluator takes a layer's folder as results."""

    folder: Path

    @classmethod
    def below(cls, folder: str, model: str) -> VideoFiles:
        """Return the files of one model, whose label becomes the name of a folder."""
        return cls(Path(folder) / (_plain(model) or "model"))

    def write_layers(self, frame: Item, numbers: NDArray[np.uint8]) -> None:
        """Write one frame's masks of all layers, uint8 (layers, height, width)."""
        for layer, each in enumerate(numbers, start=1):
            self.write(frame, each, [layer])

    def write(self, frame: Item, numbers: NDArray[np.uint8], layers: Iterable[int]) -> None:
        """Write the same mask for some layers.

        Raises:
            TeachMattersError: the file cannot be written.
        """
        image = Image.fromarray(numbers)
        image.putpalette(palette().ravel().tolist())
        name = f"{PurePosixPath(frame.key).stem}.png"
        for layer in layers:
            folder = self.folder / f"layer-{layer:02d}" / _plain(frame.group)
            try:
                folder.mkdir(parents=True, exist_ok=True)
                image.save(folder / name)
            except OSError as error:
                raise TeachMattersError(
                    f"cannot write {folder / name} ({error.strerror or error}); name another folder: --param save=DIR"
                ) from None


def _plain(name: str) -> str:
    """Return the name with only characters that are safe in every file system.

    >>> _plain("timm/vit base"), _plain("..")
    ('timm_vit_base', '')
    """
    return re.sub(r"[^\w.@=+-]", "_", name).strip(".")


def palette() -> NDArray[np.uint8]:
    """Return the colours of PASCAL VOC's masks, which DAVIS shares: the bits of a number, spread over RGB.

    >>> palette()[[0, 1, 2, 4, 255]].tolist()
    [[0, 0, 0], [128, 0, 0], [0, 128, 0], [0, 0, 128], [224, 224, 192]]
    """
    number, colours = np.arange(256), np.zeros((256, 3), np.int64)
    for bit in range(8):
        colours |= ((number[:, None] >> (3 * bit + np.arange(3))) & 1) << (7 - bit)
    return colours.astype(np.uint8)
