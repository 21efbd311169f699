"""``tm models``: list the models, or show one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from teachmatters.cli import options, output
from teachmatters.cli.catalog import listing
from teachmatters.cli.completion import complete_models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from teachmatters.api import ModelSpec

HELP = """List the models, or show one.

Without NAME it lists the families. NAME is a family, a pattern or a model; NAME@SIZE sets the size of its inputs.

Examples:

  tm models

  tm models dinov2

  tm models 'mini-*' --wide

  tm models dino-b16@448

  tm models timm/vit_base_patch14_dinov2.lvd142m --format json
"""

FAMILY_COLUMNS = ("family", "models", "names", "supervision", "weights_here")
NARROW = ("name", "supervision", "arch", "image_size", "depth", "licence", "weights_here")

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


def models(
    name: Annotated[
        str | None,
        listing.name_argument(complete_models, "A family, a pattern or a model. Default: list the families."),
    ] = None,
    every: options.AllOption = False,
    wide: options.WideOption = False,
    style: options.ListFormatOption = "table",
) -> None:
    """List the models, or show one."""
    from teachmatters.registry import load

    registry = load()
    members = [spec for spec in registry.models.values() if name in (None, spec.family)]
    alone = [
        spec for spec in members if name in (spec.name, *spec.aliases)
    ]  # the model that a family's bare name means
    if name is None and style == "table" and not every:
        listing.emit_list(_families(members), style, FAMILY_COLUMNS, wide=wide)
        output.say(
            f"{len(members)} models; 'tm models FAMILY' lists one family, --all lists all; "
            "a family's name means its first model"
        )
    elif name is None or members != alone:
        _list(members, style, wide)
        for spec in alone if style == "table" else []:
            output.emit("")
            _show(spec, style)
    elif any(char in name for char in "*?["):
        _list(registry.match_models(name), style, wide)
    else:
        _show(registry.model(name), style)


def _show(spec: ModelSpec, style: options.ListFormat) -> None:
    from teachmatters.models.mini.cards import training

    shown = _model(spec)
    listing.emit_one(shown | {"training": training(str(shown["name"])) or None}, style)


def _list(specs: Sequence[ModelSpec], style: options.ListFormat, wide: bool) -> None:
    rows = [_model(spec) for spec in specs]
    if style == "table":  # 'tm models NAME' shows the other sources
        rows = [row | {"source": str(row["source"] or "").partition(" or ")[0]} for row in rows]
    listing.emit_list(rows, style, COLUMNS, wide=wide, narrow=NARROW)


def _families(specs: Sequence[ModelSpec]) -> list[dict[str, object]]:
    """Return one row per family: its models, the one that its bare name means first, and how many weights are here."""
    from teachmatters.models.fetch.presence import weights_here

    families: dict[str, list[ModelSpec]] = {}
    for spec in specs:
        families.setdefault(spec.family, []).append(spec)
    rows: list[dict[str, object]] = []
    for name, members in families.items():
        alone = next((spec for spec in members if name in (spec.name, *spec.aliases)), members[0])
        states = [weights_here(spec) for spec in members]
        here = f"{states.count('yes')} of {len(states)}" if {*states} <= {"yes", "no"} else states[0]
        rows.append(
            {
                "family": name,
                "models": len(members),
                "names": [
                    f"{alone.name}<id>" if alone.name.endswith("/") else alone.name,
                    *(spec.name.removeprefix(f"{name}-") for spec in members if spec is not alone),
                ],
                "supervision": alone.supervision,
                "weights_here": here,
            }
        )
    return rows


def _model(spec: ModelSpec) -> dict[str, object]:
    from teachmatters.models.fetch.presence import weights_here

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


app = options.single(models, HELP)
