"""Compare a checkpoint with a network: every parameter must be present with its shape."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from teachmatters.models.weights.conversions import BEIT_TABLE, from_augreg, from_beit, from_clip
from teachmatters.models.weights.finding import RADIO, Place, StateDict
from teachmatters.models.weights.grids import grid_side
from teachmatters.models.weights.transformers_names import from_transformers

Layout: TypeAlias = Literal["timm", "authors", "beit", "transformers", "clip", "augreg"]

LAYOUTS: dict[Layout, str] = {
    "timm": "timm's names",
    "authors": "its authors' names",
    "beit": "BEiT's own names",
    "transformers": "transformers' names",
    "clip": "the names of OpenAI's CLIP",
    "augreg": "the names of Google's arrays",
}

# Errors of timm's conversions for a file in an unexpected layout.
FAULTS = (AttributeError, AssertionError, IndexError, KeyError, RuntimeError, TypeError, ValueError)

# The networks of C-RADIO whose positions timm resamples with aligned corners.
RADIO_CORNERS = ("vit_base_patch16_radio_v3", "vit_huge_patch16_radio_v3")

# Parts of a vision transformer: if one of these is left over, the network lacks it.
INSIDE = re.compile(
    r"(blocks|layers|patch_embed|norm_pre|ln_pre|pos_embed|cls_token|dist_token|reg_token|register_tokens|"
    r"storage_tokens|rel_pos_bias|prompt\w*|adapter\w*|\w*lora\w*)(\.|$)"
)
# Exceptions, which do not change the output: counters, masks, indices and fixed frequencies.
UNREAD = re.compile(r"(total_ops|total_params|num_batches_tracked|bias_mask|relative_position_index|periods|freqs)$")


@dataclass(frozen=True, slots=True)
class Match:
    """A network's parameters in a file.

    Attributes:
        place: their location.
        layout: of their names.
        given: everything at that place, renamed from the layout to timm's names, and the last norm to the network's.
        state: the parameters of the network in it.
        missing: names of absent parameters.
        misshapen: parameters of another shape: name, found, expected.
        extra: parts of a vision transformer that the network does not have.
        norm_moved: the file's last norm is ``norm`` and the network's ``fc_norm``, or the other way round.
    """

    place: Place
    layout: Layout
    given: Mapping[str, Any]
    state: StateDict
    missing: list[str]
    misshapen: list[tuple[str, tuple[int, ...], tuple[int, ...]]]
    extra: list[str]
    norm_moved: bool = False

    @property
    def fits(self) -> bool:
        """Return True if the file holds exactly the parameters of the network; a head does not matter."""
        return not (self.missing or self.misshapen or self.extra)

    @property
    def kernel_differs(self) -> bool:
        """Return True if the patch size or the width differs."""
        return any(name == "patch_embed.proj.weight" for name, _, _ in self.misshapen)

    @property
    def faults(self) -> int:
        """Return the number of missing, misshapen and extra parameters."""
        return len(self.missing) + len(self.misshapen) + len(self.extra)


def matches(place: Place, network: nn.Module) -> list[Match]:
    """Read a place in every layout that it may have.

    Args:
        place: location of the parameters.
        network: the network to fill; it may be on the meta device.

    Returns:
        only the match that fits; if none fits, all of them.
    """
    tried: list[Match] = []
    for layout, state in _readings(place, network):
        match = _match(place, layout, state, network.state_dict())
        if match.fits:
            return [match]
        tried.append(match)
    return tried


def _match(place: Place, layout: Layout, given: Mapping[str, Any], wanted: Mapping[str, Tensor]) -> Match:
    state = _with_final_norm(given, wanted)
    there = [name for name in wanted if isinstance(state.get(name), Tensor)]
    wrong = [
        (name, tuple(state[name].shape), tuple(wanted[name].shape))
        for name in there
        if state[name].shape != wanted[name].shape
    ]
    extra = [name for name in state if name not in wanted and INSIDE.match(name) and not UNREAD.search(name)]
    wrong.sort(key=lambda each: each[0] != "patch_embed.proj.weight")  # the most informative first
    own = {name: state[name] for name in there}
    absent = [name for name in wanted if name not in own]
    moved = any(name in own and name not in given for name in ("norm.weight", "fc_norm.weight"))
    return Match(place, layout, state, own, absent, wrong, extra, moved)


def _with_final_norm(state: Mapping[str, Any], wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """Rename the last norm, which fine-tuning on pooled tokens moves to ``fc_norm`` (or back)."""
    moved = {}
    for ours, theirs in (("norm", "fc_norm"), ("fc_norm", "norm")):
        for part in ("weight", "bias"):
            name, other = f"{ours}.{part}", f"{theirs}.{part}"
            if name in wanted and name not in state and other in state:
                moved[name] = state[other]
    return {**state, **moved}


def _readings(place: Place, network: nn.Module) -> Iterator[tuple[Layout, StateDict]]:
    state = place.state
    yield "timm", state
    if BEIT_TABLE in state:
        yield "beit", from_beit(state)
    if place.kernel.startswith("embeddings."):
        state = from_beit(from_transformers(_norm_beside(place) | state))
        yield "transformers", state
    if place.kernel == "conv1.weight" and "class_embedding" in state:
        yield "clip", from_clip(state)
    if place.kernel == "embedding/kernel":
        yield "augreg", from_augreg(state)
    if (converted := _by_timm(place, state, network)) is not None:
        yield "authors" if state is place.state else "transformers", converted


def _norm_beside(place: Place) -> StateDict:
    """Return the last norm of transformers' BEiT, which is next to the network, not inside it."""
    outer = place.prefix.rpartition(".")[0].rpartition(".")[0]
    norm = f"{outer}.layernorm." if outer else "layernorm."
    return {name.removeprefix(outer).lstrip("."): v for name, v in place.beside.items() if name.startswith(norm)}


def _by_timm(place: Place, state: StateDict, network: Any) -> StateDict | None:
    """Apply timm's own conversion of a family; None where the kernel or the positions have another size.

    Timm would resample a kernel or a position table of another size without a warning.
    """
    convert = getattr(importlib.import_module(type(network).__module__), "checkpoint_filter_fn", None)
    kernel = place.state.get(place.kernel)
    ours = network.state_dict().get("patch_embed.proj.weight")
    if convert is None or kernel is None or ours is None or kernel.numel() != ours.numel():
        return None
    if grid_side(state, network) not in (0, grid_side(network.state_dict(), network)):
        return None
    more: dict[str, Any] = (
        {"adapt_layer_scale": True} if "adapt_layer_scale" in inspect.signature(convert).parameters else {}
    )
    if place.kernel == RADIO:
        corners = network.pretrained_cfg["architecture"] in RADIO_CORNERS
        more |= {"interpolation": "bilinear", "antialias": False, "align_corners": corners}
    try:
        with redirect_stdout(StringIO()):  # timm prints the names that it drops
            converted: StateDict = convert(_as_timm_expects(state, network), network, **more)
    except FAULTS:
        return None
    return converted | _dropped(state, converted)


def _as_timm_expects(state: StateDict, network: nn.Module) -> StateDict:
    """Add the names by which timm recognises DINOv2 (a mask token) and DINOv3 (its registers); some files lack them."""
    if type(network).__module__ == "timm.models.eva" and "register_tokens" in state:
        return {name.replace("register_tokens", "storage_tokens"): value for name, value in state.items()}
    if RADIO in state:
        return {f"radio_model.model.{name}": value for name, value in state.items()}
    is_dinov2 = "register_tokens" in state or any(".mlp.w12." in name for name in state)
    return ({"mask_token": torch.zeros(1)} | state) if is_dinov2 else dict(state)


def _dropped(state: StateDict, converted: StateDict) -> StateDict:
    """Return nonzero biases that a conversion dropped although they change the output.

    A key's bias does not count: it adds a constant to a whole row of attention, and softmax cancels it.
    """
    biases = {name: value for name, value in state.items() if name.endswith(".attn.qkv.bias")}
    split = {name: name.replace("qkv.bias", "q_bias") for name in biases}
    lost = {name: value for name, value in biases.items() if not {name, split[name]} & converted.keys()}
    return {name: value for name, value in lost.items() if any(part.any() for part in value.chunk(3)[::2])}
