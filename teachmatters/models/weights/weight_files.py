"""Find the requested network in the user's file and load it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from teachmatters.api import ModelAdapter, ModelSource, Size
from teachmatters.errors import TeachMattersError, listing
from teachmatters.models.files import checkpoints
from teachmatters.models.weights import choices, positions, refusals
from teachmatters.models.weights.finding import RADIO, Place, StateDict, places
from teachmatters.models.weights.grids import grid_side
from teachmatters.models.weights.matching import Match, matches
from teachmatters.models.weights.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Found:
    """The parameters of one network, found in a file.

    Attributes:
        state: all parameters, in the network's names and shapes.
        match: their place and layout.
        size: the size of the training images, if it is not the native one.
        remarks: sentences about choices among several networks.
    """

    state: StateDict
    match: Match
    size: Size | None
    remarks: tuple[str, ...]


def find(given: Path, wanted: Wanted) -> Found:
    """Find a network's parameters in a file.

    Args:
        given: FILE, or FILE#NAME to choose among several.
        wanted: the network.

    Raises:
        TeachMattersError: the file does not exist or is not a checkpoint, no network in it fits, or several fit equally
            well.
    """
    path, name = checkpoints.split(given)
    there = places(checkpoints.read(path))
    network = wanted.make(None)
    tried = [(match, size) for place in there for match, size in _matches(place, network, wanted)]
    fits = [match for match, _ in tried if match.fits]
    if not fits:
        raise refusals.none_fits(path, there, [match for match, _ in tried], wanted)
    chosen, taken = choose(path, name, fits)
    _check_fractions(path, chosen, network)
    size = next(size for match, size in tried if match is chosen)
    resampled = _resampled(path, size or _pixels(network), wanted.size)
    remarks = (taken, resampled, *choices.remarks(path, chosen, network, wanted.architecture))
    return Found(chosen.state, chosen, size, tuple(filter(None, remarks)))


def _pixels(network: Any) -> Size | None:
    """Return the image size of a network's position table; None for a network without one."""
    if not grid_side(network.state_dict(), network):
        return None
    rows, columns = network.patch_embed.img_size
    return int(rows), int(columns)


def _resampled(path: Path, size: Size | None, asked: Size | None) -> str:
    if size is None or asked is None or size == asked:
        return ""
    pixels, wanted = (" x ".join(map(str, each)) for each in (size, asked))
    return f"{path} is for images of {pixels} pixels: its positions are resampled to {wanted}"


def _check_fractions(path: Path, match: Match, network: nn.Module) -> None:
    fractions = {name for name, value in network.state_dict().items() if value.is_floating_point()}
    whole = [name for name in fractions if not match.state[name].is_floating_point()]
    if whole:
        name = min(whole)
        raise TeachMattersError(
            f"{path} is quantised: {name} is {match.state[name].dtype}, not floating point; give the weights that it "
            "was made from"
        )


def source(found: Found, network: str, size: Size, native: Size, build: Callable[[], ModelAdapter]) -> ModelSource:
    """Return the source of a model from a file.

    Args:
        found: the parameters found in it.
        network: description of the computation, from ``networks.described``.
        size: image size that the network is built for.
        native: the network's native image size.
        build: makes the adapter.
    """
    weights = positions.identity(identity(found.state, network), size, found.size or native)
    return ModelSource(weights, build, found.remarks)


def fill(network: Any, found: Found) -> str:
    """Load the parameters into a network; resample positions of another size as the network's own code does.

    The last norm goes to where the file has it, before or after pooling, whatever timm's network expects.

    Returns:
        a short description of the resampling; empty if there was none.
    """
    state, resampled = positions.fit(network, found.state)
    network.load_state_dict(state)
    if found.match.norm_moved:
        network.norm, network.fc_norm = network.fc_norm, network.norm
    return resampled


def _matches(place: Place, network: Any, wanted: Wanted) -> list[tuple[Match, Size | None]]:
    """Match a place; if a size was requested, match at the place's own size (``fill`` resamples later)."""
    if place.kernel == RADIO and wanted.size is not None:  # timm cuts its table to the network's size
        return [(match, wanted.size) for match in matches(place, wanted.make(wanted.size))]
    side = grid_side(place.state, network)
    if wanted.size is not None and side not in (0, grid_side(network.state_dict(), network)):
        pixels = side * network.patch_embed.patch_size[0]
        return [(match, (pixels, pixels)) for match in matches(place, wanted.make((pixels, pixels)))]
    own = matches(place, network)
    if wanted.size is not None and not own[0].fits:  # the file may be for a rectangle, whose sides no table tells
        asked = matches(place, wanted.make(wanted.size))
        if asked[0].fits:
            return [(asked[0], wanted.size)]
    return [(match, None) for match in own]


def choose(path: Path, name: str, fits: list[Match]) -> tuple[Match, str]:
    """Choose one network: the teacher, an average and the encoder come first.

    Args:
        path: for messages.
        name: the user's choice, or empty.
        fits: every network that fits.

    Returns:
        the chosen match, and a sentence about it if there were several.

    Raises:
        TeachMattersError: no network has that name, or several with different numbers rank first.
    """
    named = [match for match in fits if match.place.named(name)] if name else fits
    paths = [f"{path}#{match.place.path}" for match in fits]
    if not named:
        raise TeachMattersError(f"{path} has no {name!r} that fits; give --weights {' or '.join(paths)}")
    ranked = sorted(named, key=lambda match: match.place.rank)
    first = [match for match in ranked if match.place.rank == ranked[0].place.rank]
    if any(not _same(first[0].state, other.state) for other in first[1:]):
        names = listing(f"#{match.place.path}" for match in first)
        raise TeachMattersError(
            f"{path} holds {len(first)} networks that fit ({names}); choose one with --weights {path}#NAME"
        )
    others = [match.place.path for match in ranked[len(first) :]]
    if not others:
        return first[0], ""
    return first[0], (
        f"{path} holds several networks that fit: {first[0].place.path or 'the outermost'!r} is taken, not "
        f"{listing(map(repr, others), 3)}; --weights {path}#{others[0]} takes another"
    )


def _same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


def identity(state: Mapping[str, Tensor], network: str = "") -> str:
    """Return a sha256 of parameters, in hex; it does not depend on the file, wrapper or layout.

    Args:
        state: in the network's names; fractions are hashed as float32, the dtype of the network.
        network: description of the computation, as far as the state does not determine it.
    """
    digest = hashlib.sha256(network.encode())
    for name in sorted(state):
        value = state[name].detach()
        value = value.float() if value.is_floating_point() else value
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}\n".encode())
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
