"""Display names of models: as papers print them, in place of the labels that commands take."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from teachmatters.reports.supervisions import training
from teachmatters.reports.tables import frames

# The names of families that differ from their labels.
FAMILIES = {
    "aimv2": "AIMv2",
    "beit": "BEiT",
    "clip": "CLIP",
    "cradio3": "C-RADIOv3",
    "cradio4": "C-RADIOv4",
    "deit": "DeiT",
    "deit3": "DeiT III",
    "dfn": "DFN",
    "dino": "DINO",
    "dinov2": "DINOv2",
    "dinov3": "DINOv3",
    "eva02": "EVA-02",
    "ijepa": "I-JEPA",
    "mae": "MAE",
    "metaclip": "MetaCLIP",
    "moco": "MoCo v3",
    "noise": "noise",
    "openclip": "OpenCLIP",
    "pe-core": "PE Core",
    "pe-spatial": "PE Spatial",
    "random": "untrained",
    "siglip": "SigLIP",
    "siglip2": "SigLIP 2",
    "supervised": "supervised",
    "tips2": "TIPSv2",
}
MINI = "mini-"
_SIZE = re.compile(r"(\d?[a-z]+(?:\d+[a-z]+)?)(\d+)(.*)")


def display_name(model: str, family: str | None) -> str:
    """Return a model's name as papers print it; a label that does not follow its family's pattern is unchanged.

    >>> display_name("dino-b16", "dino"), display_name("mini-mae", "mini-mae"), display_name("my run", "dino")
    ('DINO B/16', 'mini MAE', 'my run')
    >>> display_name("dinov2-s14-reg@518", "dinov2"), display_name("siglip2-so400m14", "siglip2")
    ('DINOv2 S/14-reg@518', 'SigLIP 2 SO400M/14')
    """
    family = family or ""
    if family.startswith(MINI) and model.startswith(family):
        method = family.removeprefix(MINI)
        return f"mini {FAMILIES.get(method, method)}{model.removeprefix(family)}"
    size = _SIZE.fullmatch(model.removeprefix(f"{family}-"))
    if family not in FAMILIES or not model.startswith(f"{family}-") or not size:
        return model
    return f"{FAMILIES[family]} {size[1].upper()}/{size[2]}{size[3]}"


def display_names(every: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the display name of each model of some rows, also of those that are only the second of a pair."""
    names = {row["model"]: display_name(row["model"], row["family"]) for row in every}
    return names | {other: other for row in every if (other := row.get("other_model")) and other not in names}


def with_supervision(row: Mapping[str, Any]) -> str:
    """Return a model's display name, and its supervision in brackets if that is known.

    >>> with_supervision({"model": "mini-dino", "family": "mini-dino", "supervision": "self-distillation"})
    'mini DINO (self-distillation)'
    """
    name, words = display_name(row["model"], row.get("family")), _supervision(row)
    return f"{name} ({words})" if words else name


def panel_titles(every: Sequence[dict[str, Any]]) -> dict[str, str]:
    r"""Return the panel title of each column label: display name, supervision, and whatever else distinguishes rows.

    >>> rows = [{"model": "a", "family": "x", "supervision": "labels", "metric": "m", "dataset": "d", "split": "all"}]
    >>> panel_titles(rows)
    {'a': 'a\nlabels'}
    """
    found = {}
    for row, label in zip(every, frames.column_labels(list(every)), strict=True):
        rest = label.removeprefix(row["model"])
        found[label] = "\n".join(
            filter(None, (display_name(row["model"], row.get("family")) + rest, _supervision(row)))
        )
    return found


def _supervision(row: Mapping[str, Any]) -> str:
    """Return a model's supervision in standard terms; empty if it is unknown or the name says that it has none."""
    family = row.get("family") or ""
    return "" if family.endswith(("random", "noise")) else training(family, row.get("supervision"))
