"""Report what a file leaves open and what changes numbers: the activation, and the number of heads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from teachmatters.models.weights.matching import Match
from teachmatters.models.weights.recognise import family_of, is_openai

QUICK = "QuickGELU"
HEADS = 12
"""Of both of MoCo-v3's networks; timm's small one has 6, and the same parameters."""


def remarks(path: Path, match: Match, network: Any, architecture: str) -> tuple[str, ...]:
    """Say which choices were made for a network that could as well compute otherwise.

    Args:
        path: of the file.
        match: what was taken from it.
        network: that it fills.
        architecture: timm's name of it.
    """
    found = (_activation(path, match, network, architecture), _heads(path, match, network))
    return tuple(remark for remark in found if remark)


def _activation(path: Path, match: Match, network: Any, architecture: str) -> str:
    """Contrastive networks are trained with one of two activations, which have no parameters."""
    if "_clip_" not in architecture:
        return ""
    ours = type(network.blocks[0].mlp.act).__name__
    other = _other(architecture)
    if not is_openai(match.place):
        return (
            f"{path} does not tell its activation: {architecture} computes {ours}; OpenAI's, MetaCLIP's and DFN's "
            f"weights are trained with {QUICK}, most others of OpenCLIP with GELU; timm/{other} computes the other"
        )
    if ours == QUICK:
        return ""
    return (
        f"{path} is OpenAI's, trained with {QUICK}, and {architecture} computes {ours}: numbers differ by about 2 %; "
        f"use --model timm/{other} with the same --weights"
    )


def _other(architecture: str) -> str:
    quick = "_clip_quickgelu_"
    return architecture.replace(quick, "_clip_") if quick in architecture else architecture.replace("_clip_", quick)


def _heads(path: Path, match: Match, network: Any) -> str:
    heads = int(network.blocks[0].attn.num_heads)
    if family_of(match.place, match.layout) == "moco" and heads != HEADS:
        return (
            f"{path} is MoCo-v3's, which trains with {HEADS} heads, and this network has {heads}: numbers differ; use "
            "--model moco-s16 with the same --weights"
        )
    return ""
