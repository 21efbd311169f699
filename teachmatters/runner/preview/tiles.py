"""Pieces of a contact sheet: small images, annotations drawn on them, text, and their layout."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TypeAlias

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from teachmatters.api import Box

Colour: TypeAlias = tuple[int, int, int]

PAPER: Colour = (255, 255, 255)
INK: Colour = (34, 34, 34)
FAINT: Colour = (110, 110, 110)
GROUND: Colour = (238, 238, 238)
GAP = 8


def colour(index: int) -> Colour:
    """Return one of arbitrarily many colours, each distant from the previous ones.

    >>> colour(0), colour(1)
    ((242, 36, 36), (36, 242, 96))
    """
    hue = index * 0.381966 % 1  # the golden angle
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def fitted(image: Image.Image, width: int, height: int) -> Image.Image:
    """Return an image as large as fits: enlarged in whole multiples without blur, or reduced."""
    times = min(width // image.width, height // image.height)
    if times >= 1:
        return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    scale = min(width / image.width, height / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS)


def centred(image: Image.Image, width: int, height: int) -> Image.Image:
    """Return an image in the middle of a grey field."""
    field = Image.new("RGB", (width, height), GROUND)
    field.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return field


def overlaid(image: Image.Image, mask: NDArray[np.uint8], tint: Colour) -> Image.Image:
    """Return an image with the mask's nonzero pixels tinted and their edge drawn; the mask may have any size."""
    shape = Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0))).resize(image.size, Image.Resampling.NEAREST)
    inside = np.asarray(shape) > 0
    padded = np.pad(inside, 1)
    core = inside & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    pixels = np.array(image, dtype=np.float32)
    pixels[core] = 0.6 * pixels[core] + 0.4 * np.array(tint, dtype=np.float32)
    pixels[inside & ~core] = tint
    return Image.fromarray(pixels.astype(np.uint8))


def boxed(image: Image.Image, box: Box, scale: float, tint: Colour) -> Image.Image:
    """Return an image with a box, which is given in pixels of the image before scaling."""
    drawn = image.copy()
    left, top = box.left * scale, box.top * scale
    right, bottom = max(left, box.right * scale - 1), max(top, box.bottom * scale - 1)
    ImageDraw.Draw(drawn).rectangle((left, top, right, bottom), outline=tint, width=2)
    return drawn


def joined(image: Image.Image, lines: Sequence[Sequence[tuple[float, float]]]) -> None:
    """Draw lines on an image, each in its colour, and dots at their points on top of all lines."""
    draw = ImageDraw.Draw(image)
    for number, points in enumerate(lines):
        draw.line(points, fill=colour(number), width=1)
    for number, points in enumerate(lines):
        for x, y in points:
            draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colour(number), outline=PAPER)


def words(
    text: str, width: int, size: int = 12, ink: Colour = INK, *, bold: bool = False, ground: Colour = PAPER
) -> Image.Image:
    """Draw one line of text, shortened to fit; unprintable characters become question marks."""
    font = _font(size, bold)
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    if font.getlength(shown) > width:
        while shown and font.getlength(shown + "…") > width:
            shown = shown[:-1]
        shown += "…"
    line = Image.new("RGB", (width, round(size * 1.4)), ground)
    ImageDraw.Draw(line).text((0, 0), shown, fill=ink, font=font)
    return line


def paragraph(text: str, width: int, lines: int, ink: Colour = FAINT) -> Image.Image:
    """Draw text in at most this many lines; the last is shortened."""
    font, broken, rest = _font(11, bold=False), list[str](), text.split()
    while rest and len(broken) < lines - 1:
        fit = max(1, sum(font.getlength(" ".join(rest[: n + 1])) <= width for n in range(len(rest))))
        broken.append(" ".join(rest[:fit]))
        rest = rest[fit:]
    broken += [" ".join(rest)] if rest else []
    return stack([words(line, width, 11, ink) for line in broken], gap=0, width=width)


def row(images: Iterable[Image.Image], gap: int = GAP) -> Image.Image:
    """Draw images in a row, with their tops aligned."""
    images = list(images)
    width = sum(image.width for image in images) + gap * (len(images) - 1)
    canvas = Image.new("RGB", (width, max(image.height for image in images)), PAPER)
    left = 0
    for image in images:
        canvas.paste(image, (left, 0))
        left += image.width + gap
    return canvas


def stack(images: Iterable[Image.Image], gap: int = GAP, width: int = 1) -> Image.Image:
    """Draw images below each other on a canvas of at least this width."""
    images = list(images)
    height = sum(image.height for image in images) + gap * (len(images) - 1)
    canvas = Image.new("RGB", (max([width, *(image.width for image in images)]), max(1, height)), PAPER)
    top = 0
    for image in images:
        canvas.paste(image, (0, top))
        top += image.height + gap
    return canvas


@cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"  # matplotlib installs it; it covers most alphabets
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / name), size)
