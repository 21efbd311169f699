"""Results of the video analysis as indexed PNG files, laid out as the official evaluation reads them."""

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
    """``<folder>/<model>/layer-01/<video>/<frame>.png``: a layer's folder is what the evaluator takes as results."""

    folder: Path

    @classmethod
    def below(cls, folder: str, model: str) -> VideoFiles:
        """The files of one model; its label is made into a folder's name."""
        return cls(Path(folder) / (_plain(model) or "model"))

    def write_layers(self, frame: Item, numbers: NDArray[np.uint8]) -> None:
        """One frame's result in every layer, uint8 (layers, height, width)."""
        for layer, each in enumerate(numbers, start=1):
            self.write(frame, each, [layer])

    def write(self, frame: Item, numbers: NDArray[np.uint8], layers: Iterable[int]) -> None:
        """The same mask for some layers.

        Raises:
            TeachMattersError: it cannot be written there.
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
    """Such as no file system takes for anything else.

    >>> _plain("timm/vit base"), _plain("..")
    ('timm_vit_base', '')
    """
    return re.sub(r"[^\w.@=+-]", "_", name).strip(".")


def palette() -> NDArray[np.uint8]:
    """The colours of PASCAL VOC's masks, which DAVIS shares: the bits of a number, spread over red, green and blue.

    >>> palette()[[0, 1, 2, 4, 255]].tolist()
    [[0, 0, 0], [128, 0, 0], [0, 128, 0], [0, 0, 128], [224, 224, 192]]
    """
    number, mean_std = np.arange(256), np.zeros((256, 3), np.int64)
    for bit in range(8):
        mean_std |= ((number[:, None] >> (3 * bit + np.arange(3))) & 1) << (7 - bit)
    return mean_std.astype(np.uint8)
