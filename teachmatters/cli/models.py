"""``tm models``: which models there are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from teachmatters.cli import listing
from teachmatters.cli import options as given

if TYPE_CHECKING:
    from teachmatters.api import ModelSpec

HELP = """List the models, or show one.

Examples:

  tm models

  tm models dino-b16

  tm models timm/vit_base_patch14_dinov2.lvd142m --format json
"""

COLUMNS = (
    "name",
    "supervision",
    "size",
    "patch_size",
    "image_size",
    "depth",
    "heads",
    "licence",
    "weights_here",
    "source",
)


def models(name: given.NameArgument = None, style: given.ListFormatOption = "table") -> None:
    """List the models, or show one."""
    from teachmatters.registry import load

    registry = load()
    if name is None:
        rows = [_model(spec) for spec in registry.models.values()]
        if style == "table":  # where else a model's weights are is told by 'tm models NAME'
            rows = [row | {"source": str(row["source"] or "").partition(" or ")[0]} for row in rows]
        listing.emit_list(rows, style, COLUMNS)
    else:
        from teachmatters.models.mini.cards import training

        shown = _model(registry.model(name))
        listing.emit_one(shown | {"training": training(str(shown["name"])) or None}, style)


def _model(spec: ModelSpec) -> dict[str, object]:
    from teachmatters.models.presence import weights_here

    size = re.fullmatch(r"ViT-([A-Za-z]+)/\d+", spec.arch)
    return {
        "name": f"{spec.name}<id>" if spec.name.endswith("/") else spec.name,
        "aliases": list(spec.aliases),
        "family": spec.family,
        "supervision": spec.supervision or None,
        "arch": spec.arch or None,
        "size": size[1] if size else None,
        "patch_size": spec.patch_size or None,
        "image_size": spec.image_size or None,
        "depth": spec.depth or None,
        "heads": spec.heads or None,
        "licence": spec.licence or None,
        "source": spec.source or None,
        "weights_here": weights_here(spec) or None,
        "summary": spec.summary,
        "citation": spec.citation or None,
    }


app = given.single(models, HELP)
