"""Find the network in files of weights, whatever a training script wrapped it in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from teachmatters.models.files import checkpoints
from teachmatters.models.weights.finding import Place, places
from teachmatters.models.weights.matching import Match
from teachmatters.models.weights.transformers_names import from_transformers
from teachmatters.models.weights.weight_files import choose, identity

# What transformers puts in front of a tower's names itself; it takes this off again.
OWN = {"beit", "clip", "data2vec_vision", "deit", "dinov2", "ijepa", "siglip", "vision_model", "vit"}


@dataclass(frozen=True, slots=True)
class Weights:
    """The parameters of one network.

    Attributes:
        state: with the names that transformers knows, also of what is beside the tower.
        identity: a sha256 of the tower's parameters, in hex.
        remarks: what was taken where there was a choice.
    """

    state: dict[str, Tensor]
    identity: str
    remarks: tuple[str, ...]


def find(files: Sequence[Path]) -> Weights:
    """Find the network in a file, FILE#NAME, or in the parts of one.

    Args:
        files: as checkpoints.read takes them.

    Raises:
        TeachMattersError: not a checkpoint, or several networks that nothing tells apart.
    """
    path, name = checkpoints.split(files[0])
    content = {key: value for file in (path, *files[1:]) for key, value in checkpoints.read(file).items()}
    found = places(content)
    towers = [place for place in found if place.kernel.startswith("embeddings.")]
    if not towers:  # of another layout, which transformers will refuse by its names
        towers = sorted((place for place in found if not place.kernel), key=lambda place: -len(place.state))[:1]
    if not towers:
        return Weights({}, identity({}), ())
    match, remark = choose(path, name, [_match(place) for place in towers])
    # transformers names the same parameters in one way in memory and in another on disk
    told = identity(from_transformers(match.state))
    return Weights(_with_what_is_beside(match.place), told, (remark,) if remark else ())


def _match(place: Place) -> Match:
    tensors = {name: value for name, value in place.state.items() if isinstance(value, Tensor)}
    return Match(place, "transformers", tensors, tensors, [], [], [])


def _with_what_is_beside(place: Place) -> dict[str, Tensor]:
    """Take off what a script put in front, and leave what transformers did."""
    words = place.prefix.split(".")[:-1]
    while words and words[-1] in OWN:
        words.pop()
    outer = "".join(f"{word}." for word in words)
    return {
        name.removeprefix(outer): value
        for name, value in place.beside.items()
        if name.startswith(outer) and isinstance(value, Tensor)
    }
