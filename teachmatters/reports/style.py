"""Colours and order: one colour for each way of training, the same in every drawing."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

# Okabe and Ito's colours, which people with any kind of colour vision can tell apart; what learnt nothing is grey.
COLOURS = {
    "supervised": "#0072B2",
    "clip": "#D55E00",
    "dino": "#009E73",
    "moco": "#E69F00",
    "mae": "#CC79A7",
    "beit": "#56B4E9",
    "random": "#7F7F7F",
    "noise": "#A6A6A6",
}
OTHERS = ("#000000", "#8C510A", "#5E3C99", "#B8A200")
Dashes: TypeAlias = Literal["-", "--", "-.", ":"]
LINES: tuple[Dashes, ...] = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_TRAINED = tuple(COLOURS)[:-2]


@dataclass(frozen=True, slots=True)
class Look:
    """How one model is drawn: a hex colour, a line style and a marker of matplotlib's."""

    colour: str
    line: Dashes
    marker: str


@lru_cache(maxsize=1024)
def training(family: str | None, supervision: str | None) -> str:
    """The colour key of a model; an unknown way of training is its own key.

    >>> training("dino", "self-distillation"), training("mini-dino", ""), training("dinov2", "self-supervised")
    ('dino', 'dino', 'dino')
    >>> training("hf", "contrastive"), training("timm", ""), training("random", "none")
    ('contrastive', 'timm', 'random')
    """
    words = [*_words(family), *_words((supervision or "").lower().replace("self-supervised", ""))]
    for word in words:
        for key in COLOURS:
            if re.fullmatch(rf"{key}(v?\d+)?", word):
                return key
    if {"untrained", "none"} & set(words):
        return "random"
    return supervision or family or ""


def model_order(row: Mapping[str, Any]) -> tuple[int, str, str, str]:
    """A sort key that groups models by their training: the paper's ways first, others, at last what learnt nothing."""
    key = training(row.get("family"), row.get("supervision"))
    ways = (*_TRAINED, "", "random", "noise")
    place = ways.index(key) if key in COLOURS else ways.index("")
    return place, key, row.get("family") or "", row["model"]


def looks(rows: Iterable[Mapping[str, Any]]) -> dict[str, Look]:
    """A look for each model, in the order in which they should be listed.

    Models of one training share its hue and differ by shade, line and marker.

    >>> both = looks([{"model": "dino-s16", "family": "dino"}, {"model": "dino-b16", "family": "dino"}])
    >>> list(both), both["dino-b16"].line, both["dino-s16"].line
    (['dino-b16', 'dino-s16'], '-', '--')
    """
    models = sorted({row["model"]: row for row in rows}.values(), key=model_order)
    keys = [training(row.get("family"), row.get("supervision")) for row in models]
    strange = [key for key in dict.fromkeys(keys) if key not in COLOURS]
    found: dict[str, Look] = {}
    for place, (row, key) in enumerate(zip(models, keys, strict=True)):
        nth = keys[:place].count(key)
        base = COLOURS.get(key) or OTHERS[strange.index(key) % len(OTHERS)]
        found[row["model"]] = Look(shade(base, nth), LINES[nth % len(LINES)], MARKERS[nth % len(MARKERS)])
    return found


def shade(colour: str, nth: int) -> str:
    """The nth shade of a colour: itself, darker, lighter, and round again.

    >>> shade("#0072B2", 0), shade("#0072B2", 3)
    ('#0072B2', '#0072B2')
    """
    if nth % 3 == 0:
        return colour
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    hue, light, saturation = colorsys.rgb_to_hls(red, green, blue)
    light = light * 0.6 if nth % 3 == 1 else light + (1 - light) * 0.35
    return "#" + "".join(f"{round(255 * part):02X}" for part in colorsys.hls_to_rgb(hue, light, saturation))


def _words(text: str | None) -> list[str]:
    return re.findall(r"[a-z0-9]+", (text or "").lower())
