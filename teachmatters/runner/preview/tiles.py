"""Pieces of a contact sheet: small images, what is drawn on them, words, and how they are put together."""

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
    """One of endlessly many colours, each far from the ones before it.

    >>> colour(0), colour(1)
    ((242, 36, 36), (36, 242, 96))
    """
    hue = index * 0.381966 % 1  # the golden angle
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def fitted(image: Image.Image, width: int, height: int) -> Image.Image:
    """An image as large as fits: enlarged in whole multiples without blur, or reduced."""
    times = min(width // image.width, height // image.height)
    if times >= 1:
        return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    scale = min(width / image.width, height / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS)


def centred(image: Image.Image, width: int, height: int) -> Image.Image:
    """An image in the middle of a grey field."""
    field = Image.new("RGB", (width, height), GROUND)
    field.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return field


def overlaid(image: Image.Image, mask: NDArray[np.uint8], tint: Colour) -> Image.Image:
    """An image with the mask's pixels (those not 0, at any size) tinted and their edge drawn."""
    shape = Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0))).resize(image.size, Image.Resampling.NEAREST)
    inside = np.asarray(shape) > 0
    padded = np.pad(inside, 1)
    core = inside & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    pixels = np.array(image, dtype=np.float32)
    pixels[core] = 0.6 * pixels[core] + 0.4 * np.array(tint, dtype=np.float32)
    pixels[inside & ~core] = tint
    return Image.fromarray(pixels.astype(np.uint8))


def boxed(image: Image.Image, box: Box, scale: float, tint: Colour) -> Image.Image:
    """An image with a box, given in pixels of the image before it was scaled."""
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
    """One line of text, shortened to fit; what is not printable becomes a question mark."""
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
    """Text broken into at most so many lines; the last is shortened."""
    font, rows, rest = _font(11, bold=False), list[str](), text.split()
    while rest and len(rows) < lines - 1:
        fit = max(1, sum(font.getlength(" ".join(rest[: n + 1])) <= width for n in range(len(rest))))
        rows.append(" ".join(rest[:fit]))
        rest = rest[fit:]
    rows += [" ".join(rest)] if rest else []
    return stack([words(row, width, 11, ink) for row in rows], gap=0, width=width)


def beside(images: Iterable[Image.Image], gap: int = GAP) -> Image.Image:
    """Images in a row, their tops aligned."""
    each = list(images)
    width = sum(one.width for one in each) + gap * (len(each) - 1)
    row = Image.new("RGB", (width, max(one.height for one in each)), PAPER)
    left = 0
    for one in each:
        row.paste(one, (left, 0))
        left += one.width + gap
    return row


def stack(images: Iterable[Image.Image], gap: int = GAP, width: int = 1) -> Image.Image:
    """Images below each other, at least so wide."""
    each = list(images)
    height = sum(one.height for one in each) + gap * (len(each) - 1)
    column = Image.new("RGB", (max([width, *(one.width for one in each)]), max(1, height)), PAPER)
    top = 0
    for one in each:
        column.paste(one, (0, top))
        top += one.height + gap
    return column


@cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"  # comes with matplotlib, knows most alphabets
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / name), size)
