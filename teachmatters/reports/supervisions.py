"""The standard terms for supervisions, and the order of models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from teachmatters.api import SUPERVISIONS

TRAINED = tuple(word for word in SUPERVISIONS if word != "none")
UNTRAINED = ("none", "noise")

# Other names of a supervision.
METHODS = {
    "supervised": "labels",
    "clip": "image-text contrast",
    "dino": "self-distillation",
    "moco": "contrast",
    "mae": "masked reconstruction",
    "beit": "masked token prediction",
    "untrained": "none",
    "random": "none",
}


@lru_cache(maxsize=1024)
def training(family: str | None, supervision: str | None) -> str:
    """Return the colour key of a model: the standard term for its supervision; empty if it is unknown.

    The family is not enough: a checkpoint with DINO's architecture may be trained in any way.

    >>> training("dino", "self-distillation"), training("vit", "DINOv2"), training("hf", "by my own method")
    ('self-distillation', 'self-distillation', 'by my own method')
    >>> training("dino", ""), training("random", ""), training("noise", "none")
    ('', 'none', 'noise')
    """
    if family == "noise":
        return "noise"
    text = (supervision or "").strip()
    if text.lower() in (*TRAINED, *UNTRAINED):
        return text.lower()
    for word in re.findall(r"[a-z0-9]+", text.lower().replace("self-supervised", "")):
        for method, key in METHODS.items():
            if re.fullmatch(rf"{method}(v?\d+)?", word):
                return key
    return text or ("none" if family == "random" else "")


def model_order(row: Mapping[str, Any]) -> tuple[int, str, str, str]:
    """Return a sort key that groups models by supervision: standard terms first, then others, untrained ones last."""
    key = training(row.get("family"), row.get("supervision"))
    order = (*TRAINED, "", *UNTRAINED)
    return order.index(key if key in (*TRAINED, *UNTRAINED) else ""), key, row.get("family") or "", row["model"]
