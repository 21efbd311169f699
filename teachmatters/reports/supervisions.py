"""Supervisions: the word for each way of training, and the order in which models are listed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

TRAINED = (
    "labels",
    "image-text contrast",
    "self-distillation",
    "contrast",
    "masked reconstruction",
    "masked token prediction",
    "latent prediction",
    "autoregression",
    "multi-teacher distillation",
)
UNTRAINED = ("none", "noise")

# Words by which people also call a supervision.
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
    """Return the colour key of a model: its supervision, by its usual word; empty where it is not known.

    The family alone says nothing: a file of weights in DINO's network may be of any training.

    >>> training("dino", "self-distillation"), training("vit", "DINOv2"), training("hf", "by my own method")
    ('self-distillation', 'self-distillation', 'by my own method')
    >>> training("dino", ""), training("random", ""), training("noise", "none")
    ('', 'none', 'noise')
    """
    if family == "noise":
        return "noise"
    told = (supervision or "").strip()
    if told.lower() in (*TRAINED, *UNTRAINED):
        return told.lower()
    for word in re.findall(r"[a-z0-9]+", told.lower().replace("self-supervised", "")):
        for method, key in METHODS.items():
            if re.fullmatch(rf"{method}(v?\d+)?", word):
                return key
    return told or ("none" if family == "random" else "")


def model_order(row: Mapping[str, Any]) -> tuple[int, str, str, str]:
    """Return a sort key that groups models by supervision: the ten in their order, others, at last the untrained."""
    key = training(row.get("family"), row.get("supervision"))
    ways = (*TRAINED, "", *UNTRAINED)
    return ways.index(key if key in (*TRAINED, *UNTRAINED) else ""), key, row.get("family") or "", row["model"]
