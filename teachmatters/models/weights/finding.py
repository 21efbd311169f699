"""Find the networks in what a checkpoint holds: under which wrapper and prefix their parameters lie."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

StateDict: TypeAlias = "dict[str, Any]"

RADIO = "patch_generator.embedder.weight"
"""NVIDIA's C-RADIO, whose one table of positions is made for images of every size."""

# The patch embedding's kernel, as each layout calls it: every vision transformer has one.
KERNELS = (
    "patch_embed.proj.weight",  # timm, and most authors
    "embeds.proj.weight",  # timm's NaFlex
    "embeddings.patch_embeddings.projection.weight",  # transformers
    "embeddings.patch_embeddings.weight",  # transformers' DINOv3
    "embeddings.patch_embedding.weight",  # transformers' CLIP and SigLIP
    "embeddings.patch_embed.weight",  # transformers' AIMv2
    "conv1.weight",  # OpenAI's CLIP
    "embedding/kernel",  # Google's arrays
    "preprocessor.patchifier.proj.weight",  # Apple's AIMv2
    RADIO,
)

# What PyTorch's wrappers put into names, wherever they wrapped a module.
INFIXES = re.compile(r"(?<![^.])(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")

CHUNKED = re.compile(r"blocks\.(\d+)\.(\d+)\.")
DEPTH = 4  # mappings within mappings that are looked into

AVERAGE = re.compile(r"(^|_)(ema|swa|averaged?|shadow)(_|$)")
SLOW = re.compile(r"(^|_)(momentum|target)(_|$)|_k$")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file has a network.

    Attributes:
        words: the names on the way to it, wrapper by wrapper and module by module: ("teacher", "backbone").
        prefix: in front of its parameters' names, within the mapping that holds them.
        kernel: what its patch embedding's kernel is called, empty for a mapping without one.
        state: its parameters, without the prefix.
        beside: everything in the mapping that holds it, by its whole name.
    """

    words: tuple[str, ...]
    prefix: str
    kernel: str
    state: StateDict
    beside: StateDict

    @property
    def path(self) -> str:
        """``teacher.backbone``, as ``--weights FILE#NAME`` takes it; empty where there is neither."""
        return ".".join(self.words)

    @property
    def rank(self) -> tuple[bool, bool, bool]:
        """Sort the teacher before the student, an average before what it averages, an encoder before its slow copy."""
        return (
            "student" in self.words,
            not any(AVERAGE.search(word) for word in self.words),
            any(SLOW.search(word) for word in self.words),
        )

    def named(self, name: str) -> bool:
        """Tell whether a name chooses this place: some of its words that follow each other.

        >>> Place(("state_dict", "backbone"), "", "", {}, {}).named("state_dict")
        True
        """
        wanted = tuple(word for word in name.split(".") if word)
        starts = range(len(self.words) - len(wanted) + 1)
        return any(self.words[start : start + len(wanted)] == wanted for start in starts)


def places(content: Mapping[Any, Any]) -> list[Place]:
    """List where a checkpoint may have a vision transformer.

    Args:
        content: as read by checkpoints.read.

    Returns:
        one place for each patch embedding, and each mapping of tensors as a whole.
    """
    found: list[Place] = []
    for wrapper, state in _mappings(content, (), DEPTH):
        for prefix, kernel in ({"": ""} | dict(_prefixes(state))).items():
            own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
            words = (*wrapper, *(word for word in re.split(r"[./]", prefix) if word))
            found.append(Place(words, prefix, kernel, _unchunked(own), state))
    return found


def _mappings(
    content: Mapping[Any, Any], wrapper: tuple[str, ...], depth: int
) -> Iterator[tuple[tuple[str, ...], StateDict]]:
    named = {key: value for key, value in content.items() if isinstance(key, str)}
    state = {INFIXES.sub("", key): _tensor(value) for key, value in named.items() if not isinstance(value, Mapping)}
    if any(isinstance(value, Tensor) for value in state.values()):
        yield wrapper, state
    for key, value in named.items():
        if isinstance(value, Mapping) and depth:
            yield from _mappings(value, (*wrapper, key), depth - 1)


def _tensor(value: Any) -> Any:
    """An array of numbers as a tensor; anything else as it is."""
    if not isinstance(value, np.ndarray):
        return value
    try:
        return torch.from_numpy(np.ascontiguousarray(value).reshape(value.shape))
    except TypeError:  # of another type than numbers
        return value


def _prefixes(state: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in state.items():
        kernel = next((kernel for kernel in KERNELS if name.endswith(kernel)), "")
        prefix = name.removesuffix(kernel)
        parted = prefix[-1:] in ("", ".", "/")
        if kernel and parted and isinstance(value, Tensor) and value.ndim > 1 and not _is_resnet(state, prefix, kernel):
            yield prefix, kernel


def _is_resnet(state: Mapping[str, Any], prefix: str, kernel: str) -> bool:
    """CLIP calls its kernel as ResNet does, and has positions too."""
    return kernel == "conv1.weight" and f"{prefix}positional_embedding" not in state


def _unchunked(state: StateDict) -> StateDict:
    """Number blocks through that were kept in chunks, as sharded training does: ``blocks.0.3.`` is ``blocks.3.``."""
    pairs = sorted({(int(found[1]), int(found[2])) for name in state if (found := CHUNKED.match(name))})
    numbers = {pair: number for number, pair in enumerate(pairs)}

    def renamed(name: str) -> str:
        found = CHUNKED.match(name)
        return f"blocks.{numbers[int(found[1]), int(found[2])]}.{name[found.end() :]}" if found else name

    return {renamed(name): value for name, value in state.items()} if pairs else state
