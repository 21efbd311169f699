"""From what a file holds to a filled network: the right family and size, nothing missing, nothing unexplained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from teachmatters.errors import TeachMattersError, listing
from teachmatters.models.recipes import Layout, Recipe
from teachmatters.models.recognise import Found

CLASSIFIERS = ("head.", "head_dist.", "fc_norm.", "pre_logits.")

LEFTOVERS: dict[Layout, tuple[str, ...]] = {
    "timm": CLASSIFIERS,
    "mae": (*CLASSIFIERS, "decoder", "mask_token"),
    "moco": (),
    "beit": (*CLASSIFIERS, "mask_token", "lm_head.", "rel_pos_bias.relative_position_index"),
    "beit-hf": (*CLASSIFIERS, "mask_token", "lm_head.", "rel_pos_bias.relative_position_index"),
    "clip": CLASSIFIERS,
    "augreg": CLASSIFIERS,
}
"""Beginnings of names that a file may hold beyond the network: classifiers, and what only training needed."""


def check_model(found: Found, recipe: Recipe, network: Any, path: Path) -> None:
    """Refuse a file of another family or size, and name what it looks like.

    Raises:
        TeachMattersError: it is one.
    """
    other_family = found.family not in ("", recipe.family)
    other_size = found.arch and found.arch != recipe.arch
    pixels = network.patch_embed.img_size[0]
    other_pixels = found.pixels not in (0, pixels)
    if not (other_family or other_size or other_pixels):
        return
    where = "; name a model that is what the file is ('tm models'), or timm/<id>"
    if found.model:
        where = f"; for these weights use --model {found.model} with the same --weights"
    size = f" at {pixels}" if other_pixels and not (other_family or other_size) else ""
    raise TeachMattersError(f"{path} looks like {found.words}, and {recipe.name} is a {recipe.arch}{size}{where}")


def load(network: nn.Module, state: Mapping[str, Any], layout: Layout, path: Path, arch: str) -> None:
    """Fill a network; every parameter must be in the file, and what else is in it must be known.

    Args:
        network: to fill in place.
        state: in timm's naming.
        layout: says which leftovers are known.
        path: for messages.
        arch: for messages.

    Raises:
        TeachMattersError: parameters are missing, of another shape, or not a tensor; or leftovers are unknown.
    """
    wanted = network.state_dict()
    state = _with_final_norm(state, wanted)
    missing = [key for key in wanted if not isinstance(state.get(key), Tensor)]
    if missing:
        held = f"; it holds {listing(map(str, state), 3)}" if len(missing) == len(wanted) else ""
        raise TeachMattersError(
            f"{path} lacks {listing(missing, 3)}: it is not a {arch}{held}; name the model it belongs to"
        )
    misshapen = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(value.shape)}"
        for key, value in wanted.items()
        if state[key].shape != value.shape
    ]
    if misshapen:
        raise TeachMattersError(f"{path} has {listing(misshapen, 3)}: it is not a {arch}; name the model it belongs to")
    whole = [key for key, value in wanted.items() if value.is_floating_point() and not state[key].is_floating_point()]
    if whole:
        raise TeachMattersError(f"{path} has no fractions in {listing(whole, 3)} ({state[whole[0]].dtype}): no weights")
    unknown = [key for key in state if key not in wanted and not key.startswith(LEFTOVERS[layout])]
    if unknown:
        raise TeachMattersError(
            f"{path} also holds {listing(unknown, 3)}, which a {arch} has no place for; name the model it belongs to"
        )
    network.load_state_dict({key: state[key] for key in wanted})


def _with_final_norm(state: Mapping[str, Any], wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """A file fine-tuned on pooled tokens keeps its last norm as ``fc_norm``; nothing here reads what comes after it."""
    moved = {
        f"norm.{part}": state[f"fc_norm.{part}"]
        for part in ("weight", "bias")
        if f"norm.{part}" in wanted and f"norm.{part}" not in state and f"fc_norm.{part}" in state
    }
    return {**state, **moved}
