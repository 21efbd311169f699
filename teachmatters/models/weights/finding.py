"""Find the networks in a checkpoint: the wrapper and prefix of their parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

StateDict: TypeAlias = "dict[str, Any]"

# NVIDIA's C-RADIO has one position table for images of every size.
RADIO = "patch_generator.embedder.weight"

# The name of the patch embedding's kernel in each layout; every vision transformer has one.
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

# Parts of names that PyTorch's wrappers insert.
INFIXES = re.compile(r"(?<![^.])(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")

CHUNKED = re.compile(r"blocks\.(\d+)\.(\d+)\.")
DEPTH = 8  # levels of nested mappings that are searched

# Matched in any part of a name: student_backbone is a student.
STUDENT = re.compile(r"(^|_)student(_|$)", re.IGNORECASE)
AVERAGE = re.compile(r"(^|_)(ema|swa|avg|averaged?|shadow)(_|$)", re.IGNORECASE)
SLOW = re.compile(r"(^|_)(momentum|target|key)(_|$)|_k$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Place:
    """The location of a network in a file.

    Attributes:
        words: the names of the wrappers and modules around it, from the outside: ("teacher", "backbone").
        prefix: the prefix of its parameters' names, within the mapping that holds them.
        kernel: the name of its patch embedding's kernel, empty for a mapping without one.
        state: its parameters, without the prefix.
        beside: everything in the mapping that holds it, by full name.
    """

    words: tuple[str, ...]
    prefix: str
    kernel: str
    state: StateDict
    beside: StateDict

    @property
    def path(self) -> str:
        """Return the path, such as ``teacher.backbone``, for ``--weights FILE#NAME``; empty if there is none."""
        return ".".join(self.words)

    @property
    def rank(self) -> tuple[bool, bool, bool]:
        """Sort key: the teacher before the student, an average before its source, an encoder before its slow copy."""
        return (
            any(STUDENT.search(word) for word in self.words),
            not any(AVERAGE.search(word) for word in self.words),
            any(SLOW.search(word) for word in self.words),
        )

    def named(self, name: str) -> bool:
        """Return whether a name selects this place: it must be a run of consecutive words.

        >>> Place(("state_dict", "backbone"), "", "", {}, {}).named("state_dict")
        True
        """
        wanted = tuple(word for word in name.split(".") if word)
        starts = range(len(self.words) - len(wanted) + 1)
        return any(self.words[start : start + len(wanted)] == wanted for start in starts)


def places(content: Mapping[Any, Any]) -> list[Place]:
    """List the places in a checkpoint that may hold a vision transformer.

    Args:
        content: as read by checkpoints.read.

    Returns:
        one place for each patch embedding and one for each whole mapping of tensors.
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
    """Convert an array of numbers or a sparse tensor to a plain tensor; return anything else unchanged."""
    if isinstance(value, Tensor) and value.layout is not torch.strided:
        return value.to_dense()
    if not isinstance(value, np.ndarray):
        return value
    try:
        return torch.from_numpy(np.ascontiguousarray(value).reshape(value.shape))
    except TypeError:  # not numbers
        return value


def _prefixes(state: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in state.items():
        kernel = next((kernel for kernel in KERNELS if name.endswith(kernel)), "")
        prefix = name.removesuffix(kernel)
        parted = prefix[-1:] in ("", ".", "/")
        if kernel and parted and isinstance(value, Tensor) and value.ndim > 1 and not _is_resnet(state, prefix, kernel):
            yield prefix, kernel


def _is_resnet(state: Mapping[str, Any], prefix: str, kernel: str) -> bool:
    """Return True for a ResNet: CLIP's kernel has the same name, but CLIP also has positions."""
    return kernel == "conv1.weight" and f"{prefix}positional_embedding" not in state


def _unchunked(state: StateDict) -> StateDict:
    """Number the blocks of sharded training consecutively: ``blocks.0.3.`` becomes ``blocks.3.``."""
    pairs = sorted({(int(found[1]), int(found[2])) for name in state if (found := CHUNKED.match(name))})
    numbers = {pair: number for number, pair in enumerate(pairs)}

    def renamed(name: str) -> str:
        found = CHUNKED.match(name)
        return f"blocks.{numbers[int(found[1]), int(found[2])]}.{name[found.end() :]}" if found else name

    return {renamed(name): value for name, value in state.items()} if pairs else state
