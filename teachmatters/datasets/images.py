"""Read one image file as RGB."""

from __future__ import annotations

import contextlib
import warnings
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from PIL import ExifTags, Image

# read_image rejects such an image and names it. Warning filters apply to the whole process and many threads read
# images, so this one is set once, here, and not around each read.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

# Pillow only identifies these formats (BUFR, GRIB, HDF5, MPEG), reads them on Windows only (WMF), or reads them by
# running another program (EPS).
NOT_READ = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})

# The size above which Pillow itself rejects an image: twice Pillow's default Image.MAX_IMAGE_PIXELS.
MOST_PIXELS = 178_956_970

# ImageOps.exif_transpose does the same, but also rewrites the other tags, which fails if one of them is damaged.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@cache
def formats() -> dict[str, str]:
    """Return the formats that are read: Pillow's names by suffix, depending on how this Pillow was built.

    >>> formats()[".jfif"], formats()[".pgm"], ".eps" in formats()
    ('JPEG', 'PPM', False)
    """
    every = Image.registered_extensions().items()
    return {suffix: name for suffix, name in every if name in Image.OPEN and name not in NOT_READ}


def suffix_of(name: str) -> str:
    """Return a file name's last suffix in lower case, empty if it has none.

    >>> suffix_of("a.b.JPEG"), suffix_of("README"), suffix_of(".hidden")
    ('.jpeg', '', '')
    """
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def is_image(name: str) -> bool:
    """Return whether a file name has the suffix of an image and is not hidden.

    >>> [is_image(name) for name in ("a.JPEG", "b.png", ".DS_Store", "._c.jpg", "notes.txt")]
    [True, True, False, False, False]
    """
    return not name.startswith(".") and suffix_of(name) in formats()


def read_image(file: Path | BinaryIO, name: str = "", *, upright: bool = False) -> Image.Image:
    """Read a whole image as RGB.

    Transparent images are put on white, 16-bit grey is scaled to 8 bits, and only the first of several frames is read.

    Args:
        file: a path, or an open file.
        name: for messages; not needed for a path.
        upright: apply the EXIF orientation, as image viewers do. Annotations of the official data sets refer to the
            stored pixels, so their images are read without it.

    Raises:
        OSError: the file does not exist or is truncated.
        ValueError, SyntaxError: the image is damaged, too large, or has no RGB form.
    """
    name = name or str(file)
    try:
        with Image.open(file, formats=tuple(formats().values())) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"{name}: {image.width} x {image.height} pixels; at most {MOST_PIXELS:,} are read")
            return to_rgb(_turned(image) if upright else image)
    except (OSError, ValueError, SyntaxError):
        raise
    except Exception as error:
        raise ValueError(f"{name}: {type(error).__name__}: {error}") from error


def _turned(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; return the image unchanged if the tag is missing, 1 or damaged."""
    image.load()  # a PNG may hold its tags after its pixels
    orientation = 1
    with contextlib.suppress(Exception):  # with damaged tags, image viewers show the stored pixels
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to RGB.

    >>> to_rgb(Image.new("I;16", (1, 1), 65535)).getpixel((0, 0)), to_rgb(Image.new("LA", (1, 1))).getpixel((0, 0))
    ((255, 255, 255), (255, 255, 255))
    """
    if image.mode.startswith("I"):
        return _from_16_bits(image)
    if image.mode == "F":
        raise ValueError("an image of floating-point numbers has no known range")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    import numpy as np

    values = np.asarray(image).astype(np.int64)  # PIL's own conversion cuts off at 255
    return Image.fromarray((values.clip(0, 65535) >> 8).astype(np.uint8)).convert("RGB")


def read_index_mask(path: Path) -> Any:
    """Read an indexed PNG as uint8 (height, width): a number at each pixel, 255 for void.

    Raises:
        OSError, ValueError, SyntaxError: the file cannot be read, is not indexed, or has numbers above 255.
    """
    import numpy as np

    with Image.open(path) as image:
        if image.width * image.height > MOST_PIXELS or image.mode not in ("P", "L", "1", "I", "I;16"):
            raise ValueError(f"{path}: {image.size} pixels of mode {image.mode} are not a mask")
        values = np.asarray(image)
    if values.size and (values.min() < 0 or values.max() > 255):
        raise ValueError(f"{path}: it holds {values.max()}; the numbers of a mask go from 0 to 254, and 255 is void")
    return values.astype(np.uint8)
