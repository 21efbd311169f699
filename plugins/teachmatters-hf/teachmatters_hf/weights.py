"""Find the network in files of weights, behind any wrapper of a training script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from teachmatters.errors import TeachMattersError
from teachmatters.models.files import checkpoints
from teachmatters.models.weights.finding import Place, places
from teachmatters.models.weights.matching import Layout, Match
from teachmatters.models.weights.recognise import shape_of
from teachmatters.models.weights.refusals import ANY, nearest
from teachmatters.models.weights.transformers_names import from_transformers
from teachmatters.models.weights.weight_files import choose, identity

# Prefixes that transformers itself adds to a tower's names, and removes.
OWN = {"beit", "clip", "data2vec_vision", "deit", "dinov2", "ijepa", "siglip", "vision_model", "vit"}


@dataclass(frozen=True, slots=True)
class Weights:
    """The parameters of one network.

    Attributes:
        state: under the names that transformers knows, including parameters outside the tower.
        identity: a sha256 of the tower's parameters, in hex.
        remarks: sentences about a choice among several networks.
    """

    state: dict[str, Tensor]
    identity: str
    remarks: tuple[str, ...]


def find(files: Sequence[Path]) -> Weights:
    """Find the network in a file, FILE#NAME, or in the parts of one.

    Args:
        files: as checkpoints.read takes them.

    Raises:
        TeachMattersError: a file is not a checkpoint, or has several networks of equal rank.
    """
    path, name = checkpoints.split(files[0])
    content = {key: value for file in (path, *files[1:]) for key, value in checkpoints.read(file).items()}
    found = places(content)
    towers = [place for place in found if place.kernel.startswith("embeddings.")]
    if not towers and (others := [place for place in found if place.kernel]):
        raise _other_layout(path, others[0])
    if not towers:  # another layout, which transformers will reject by its names
        towers = sorted((place for place in found if not place.kernel), key=lambda place: -len(place.state))[:1]
    if not towers:
        return Weights({}, identity({}), ())
    match, remark = choose(path, name, [_match(place) for place in towers])
    # transformers uses different names for the same parameters in memory and on disk.
    told = identity(from_transformers(match.state))
    return Weights(_without_prefix(match.place), told, (remark,) if remark else ())


def _other_layout(path: Path, place: Place) -> TeachMattersError:
    """Make the error for a vision transformer in other names than transformers', with the model that reads it."""
    shape = shape_of(place.state)
    model = nearest(_match(place, "timm"), shape) if shape else ""
    advice = f"use --model {model} with the same --weights" if model else ANY
    return TeachMattersError(
        f"{path} holds {f'a {shape}' if shape else 'a network'} in other names than those of transformers, which hf/ "
        f"reads: {place.kernel} where transformers has embeddings.patch_embeddings; {advice}"
    )


def _match(place: Place, layout: Layout = "transformers") -> Match:
    tensors = {name: value for name, value in place.state.items() if isinstance(value, Tensor)}
    return Match(place, layout, tensors, tensors, [], [], [])


def _without_prefix(place: Place) -> dict[str, Tensor]:
    """Remove the prefix of a training script, but not that of transformers."""
    words = place.prefix.split(".")[:-1]
    while words and words[-1] in OWN:
        words.pop()
    outer = "".join(f"{word}." for word in words)
    return {
        name.removeprefix(outer): value
        for name, value in place.beside.items()
        if name.startswith(outer) and isinstance(value, Tensor)
    }
