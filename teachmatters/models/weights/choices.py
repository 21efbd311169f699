"""Report choices that a file leaves open and that change numbers: the activation and the number of heads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from teachmatters.models.weights.matching import Match
from teachmatters.models.weights.recognise import family_of, is_openai

QUICK = "QuickGELU"
# Heads of both networks of MoCo-v3; timm's small network has 6, with the same parameters.
HEADS = 12


def remarks(path: Path, match: Match, network: Any, architecture: str) -> tuple[str, ...]:
    """Return remarks about choices for which the same file would also fit another network.

    Args:
        path: the path of the file.
        match: the parameters taken from it.
        network: the network to fill.
        architecture: timm's name of it.
    """
    found = (_activation(path, match, network, architecture), _heads(path, match, network))
    return tuple(remark for remark in found if remark)


def _activation(path: Path, match: Match, network: Any, architecture: str) -> str:
    """Return a remark on the activation: contrastive networks use one of two, neither with parameters."""
    if "_clip_" not in architecture:
        return ""
    ours = type(network.blocks[0].mlp.act).__name__
    other = _other(architecture)
    if not is_openai(match.place):
        return (
            f"{path} does not show its activation: {architecture} computes {ours}; OpenAI's, MetaCLIP's and DFN's "
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
