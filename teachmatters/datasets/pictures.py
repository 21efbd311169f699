"""Reading one picture file as RGB."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import BinaryIO

from PIL import Image

# Such a picture is refused below, with its name. Filters belong to the whole process and pictures are read by many
# threads, so this one is set once, here, and not around each reading.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm"})

LARGEST = 89_478_485
"""Pixels beyond which a picture is refused: where PIL begins to warn of an attack."""


def is_picture(name: str) -> bool:
    """Whether a file's name is that of a picture.

    >>> [is_picture(name) for name in ("a.JPEG", "b.png", ".DS_Store", "._c.jpg", "notes.txt")]
    [True, True, False, False, False]
    """
    return not name.startswith(".") and name[name.rfind(".") :].lower() in EXTENSIONS


def read_picture(file: Path | BinaryIO, name: str = "") -> Image.Image:
    """The whole picture, RGB: a transparent one on white, 16-bit grey scaled to 8 bits, of several frames the first.

    Args:
        file: a path, or an open file.
        name: for messages; of a path it is known.

    Raises:
        OSError: no such file, or it is truncated.
        ValueError, SyntaxError: damaged, too large, or of a kind that has no RGB form.
    """
    name = name or str(file)
    try:
        with Image.open(file) as picture:
            if picture.width * picture.height > LARGEST:
                raise ValueError(f"{name}: {picture.width} x {picture.height} pixels are too many")
            return to_rgb(picture)
    except (OSError, ValueError, SyntaxError):
        raise
    except Exception as error:
        raise ValueError(f"{name}: {type(error).__name__}: {error}") from error


def to_rgb(picture: Image.Image) -> Image.Image:
    """Any mode as RGB.

    >>> to_rgb(Image.new("I;16", (1, 1), 65535)).getpixel((0, 0)), to_rgb(Image.new("LA", (1, 1))).getpixel((0, 0))
    ((255, 255, 255), (255, 255, 255))
    """
    if picture.mode.startswith("I"):
        return _from_16_bits(picture)
    if picture.mode == "F":
        raise ValueError("a picture of floating-point numbers has no known range")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")


def _from_16_bits(picture: Image.Image) -> Image.Image:
    import numpy as np

    values = np.asarray(picture).astype(np.int64)  # PIL's own conversion cuts off at 255
    return Image.fromarray((values.clip(0, 65535) >> 8).astype(np.uint8)).convert("RGB")
