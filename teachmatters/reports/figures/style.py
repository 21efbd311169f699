"""Colours, lines and markers: one colour and marker per supervision, the same in every figure."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from teachmatters.reports.supervisions import model_order, training
from teachmatters.reports.titles import with_supervision

# Okabe and Ito's colours, and three more that remain distinct with any kind of colour vision; untrained models are
# grey. In the order of SUPERVISIONS.
COLOURS = {
    "labels": "#0072B2",
    "image-text contrast": "#D55E00",
    "self-distillation": "#009E73",
    "contrast": "#E69F00",
    "masked reconstruction": "#CC79A7",
    "masked token prediction": "#56B4E9",
    "latent prediction": "#3F007D",
    "autoregression": "#6B4226",
    "multi-teacher distillation": "#9C30F0",
    "none": "#7F7F7F",
    "noise": "#A6A6A6",
}
# Colours of other supervisions, and of families whose supervision is unknown.
OTHERS = ("#000000", "#882255", "#117733", "#8C7A00")

Dashes: TypeAlias = Literal["-", "--", "-.", ":"]
LINES: tuple[Dashes, ...] = ("-", "--", "-.", ":")
# One per supervision, in the order of COLOURS, for black and white; then those of OTHERS.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "h", "p", "d", "H", "8")


@dataclass(frozen=True, slots=True)
class Look:
    """The style of one model.

    Attributes:
        colour: a hex colour.
        line, marker: a line style and a marker of matplotlib.
        title: the model's display name and its supervision, for legends.
        is_noise: True for random numbers instead of a model, the paper's chance line.
    """

    colour: str
    line: Dashes
    marker: str
    title: str = ""
    is_noise: bool = False


def looks(rows: Iterable[Mapping[str, Any]]) -> dict[str, Look]:
    """Return the look of each model, in legend order.

    Models of one supervision share its hue and marker and differ by shade and line; where it is not known, those of
    one family do.

    >>> both = looks({"model": f"dino-{size}", "supervision": "self-distillation"} for size in ("s16", "b16"))
    >>> list(both), both["dino-b16"].line, both["dino-s16"].line
    (['dino-b16', 'dino-s16'], '-', '--')
    """
    models = sorted({row["model"]: row for row in rows}.values(), key=model_order)
    told = [training(row.get("family"), row.get("supervision")) for row in models]
    keys = [key or f"family {row.get('family')}" for key, row in zip(told, models, strict=True)]
    strange = [key for key in dict.fromkeys(keys) if key not in COLOURS]
    bases = [_base(key, strange) for key in keys]
    found: dict[str, Look] = {}
    for place, (row, (colour, marker)) in enumerate(zip(models, bases, strict=True)):
        nth = bases[:place].count((colour, marker))
        look = shade(colour, nth), LINES[nth % len(LINES)], marker
        found[row["model"]] = Look(*look, title=with_supervision(row), is_noise=row.get("family") == "noise")
    return found


def _base(key: str, strange: list[str]) -> tuple[str, str]:
    """Return the colour and the marker of a supervision; for an unlisted one, by its position among the unlisted."""
    if key in COLOURS:
        return COLOURS[key], MARKERS[list(COLOURS).index(key)]
    nth = strange.index(key)
    return OTHERS[nth % len(OTHERS)], MARKERS[len(COLOURS) + nth % (len(MARKERS) - len(COLOURS))]


def shade(colour: str, nth: int) -> str:
    """Return the nth shade of a colour: itself, darker, lighter, then repeating.

    >>> shade("#0072B2", 0), shade("#0072B2", 3)
    ('#0072B2', '#0072B2')
    """
    if nth % 3 == 0:
        return colour
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    hue, light, saturation = colorsys.rgb_to_hls(red, green, blue)
    light = light * 0.6 if nth % 3 == 1 else light + (1 - light) * 0.35
    return "#" + "".join(f"{round(255 * part):02X}" for part in colorsys.hls_to_rgb(hue, light, saturation))
