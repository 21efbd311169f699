"""From an official file's content to a network filled with it: nothing missing, nothing unexplained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from teachmatters.errors import TeachMattersError, listing
from teachmatters.models.recipes import Layout

LEFTOVERS: dict[Layout, tuple[str, ...]] = {
    "timm": ("head.", "head_dist.", "fc_norm.", "pre_logits."),
    "dino": ("head.",),
    "mae": ("decoder", "mask_token", "head.", "fc_norm."),
}
"""Beginnings of names that a file may hold beyond the network: classifiers, and what only training needed."""


def convert(content: Mapping[Any, Any], layout: Layout, path: Path, name: str) -> dict[str, Any]:
    """An official file's content as a state dict in timm's naming.

    Raises:
        TeachMattersError: it shows the marks of another family's file.
    """
    if layout == "dino":
        _refuse_other_than_dino(content, path, name)
    for wrapper in ("model", "state_dict") if layout == "timm" else ("model",):
        inner = content.get(wrapper)
        if isinstance(inner, Mapping):
            content = inner
            break
    return {key.removeprefix("module."): value for key, value in content.items() if isinstance(key, str)}


def _refuse_other_than_dino(content: Mapping[Any, Any], path: Path, name: str) -> None:
    if "student" in content or "teacher" in content:
        raise TeachMattersError(
            f"{path} is a whole DINO training checkpoint ({listing(map(str, content))}); {name} needs the backbone's "
            "plain state dict: DINO's 'backbone only' download"
        )
    wrapped = isinstance(content.get("model"), Mapping)
    if wrapped or any(str(key).startswith(("mask_token", "decoder")) for key in content):
        raise TeachMattersError(
            f"{path} looks like an MAE checkpoint: DINO's official file is a plain state dict, without 'model', "
            "decoder or mask token; for MAE weights use --model mae-b16 (or mae-l16, mae-h14) with the same --weights"
        )


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
    unknown = [key for key in state if key not in wanted and not key.startswith(LEFTOVERS[layout])]
    if unknown:
        raise TeachMattersError(
            f"{path} also holds {listing(unknown, 3)}, which a {arch} has no place for; name the model it belongs to"
        )
    network.load_state_dict({key: state[key] for key in wanted})
