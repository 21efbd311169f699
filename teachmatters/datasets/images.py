"""Reading one image file as RGB."""

from __future__ import annotations

import contextlib
import warnings
from functools import cache
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image

# Such an image is refused below, with its name. Filters belong to the whole process and images are read by many
# threads, so this one is set once, here, and not around each reading.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

# Pillow only identifies these formats (BUFR, GRIB, HDF5, MPEG), reads them on Windows only (WMF), or reads them by
# running another program (EPS).
NOT_READ = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})

# The size from which Pillow itself refuses an image: twice Image.MAX_IMAGE_PIXELS, as Pillow ships it.
MOST_PIXELS = 178_956_970

# ImageOps.exif_transpose does the same and then writes the other tags anew, which fails if one of them is damaged.
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
    """Return the formats that are read: Pillow's name of each by file name suffix, as this Pillow was built.

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
    """Return whether a file name is that of an image.

    >>> [is_image(name) for name in ("a.JPEG", "b.png", ".DS_Store", "._c.jpg", "notes.txt")]
    [True, True, False, False, False]
    """
    return not name.startswith(".") and suffix_of(name) in formats()


def read_image(file: Path | BinaryIO, name: str = "", *, upright: bool = False) -> Image.Image:
    """Read a whole image as RGB.

    Transparent images are put on white, 16-bit grey is scaled to 8 bits, and of several frames the first is read.

    Args:
        file: a path, or an open file.
        name: for messages; known if ``file`` is a path.
        upright: apply the EXIF orientation, as image viewers do. Annotations of the official data sets are in the
            stored pixels, so their images are read without it.

    Raises:
        OSError: no such file, or it is truncated.
        ValueError, SyntaxError: damaged, too large, or of a kind that has no RGB form.
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
    """Return an image as its EXIF orientation asks for; unchanged if the tag is missing, 1 or damaged."""
    image.load()  # a PNG may hold its tags after its pixels
    orientation = 1
    with contextlib.suppress(Exception):  # image viewers show an image whose tags are damaged as it is stored
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def to_rgb(image: Image.Image) -> Image.Image:
    """Any mode as RGB.

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
