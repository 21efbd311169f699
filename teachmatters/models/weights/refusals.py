"""Build the errors for a file without the requested network: what it holds, what was expected, what would work."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from teachmatters.errors import TeachMattersError, listing
from teachmatters.models.weights.finding import Place
from teachmatters.models.weights.grids import grid_side
from teachmatters.models.weights.matching import LAYOUTS, Match, matches
from teachmatters.models.weights.recognise import TITLES, Shape, family_of, ids_like, named_like, shape_of

if TYPE_CHECKING:
    from teachmatters.models.weights.wanted import Wanted

ANY = "name the model that it belongs to ('tm models' lists them), or timm/<id>"
ADAPTER = re.compile(r"lora_|adapter|\.base_layer\.")
WHOLE = "give a file with every parameter of the network"
PART = re.compile(r"-\d+-of-\d+\.\w+$")  # how transformers names the parts of weights


def none_fits(path: Path, there: Sequence[Place], near: Sequence[Match], wanted: Wanted) -> TeachMattersError:
    """Return the error for a file without the requested network.

    Args:
        path: the path of the file.
        there: the places that were searched.
        near: the matches there, in every layout.
        wanted: the network.
    """
    parts = [match for match in near if match.place.kernel]
    if not parts:
        return _no_network(path, there, wanted)
    best = min(parts, key=lambda match: match.faults)
    shape = shape_of(best.given)
    what = f"a {shape}" if shape else "a network"
    where = f" under {best.place.path!r}" if best.place.path else ""
    advice = f"it is a part of several: give the folder {path.parent}" if PART.search(path.name) else ""
    return TeachMattersError(
        f"{path} holds {what} in {LAYOUTS[best.layout]}{where}, and {wanted.name} is a {wanted.arch}: {_why(best)}; "
        f"{advice or _advice(best, shape, wanted)}"
    )


def other_family(path: Path, match: Match, family: str, wanted: Wanted) -> TeachMattersError:
    """Return the error for a file that fits but belongs to another family."""
    shape = shape_of(match.given)
    named = named_like(family, shape) if shape else ""
    where = f"for these weights use --model {named} with the same --weights" if named else ANY
    return TeachMattersError(
        f"{path} holds {TITLES[family]}'s weights, a {shape}, and {wanted.name} belongs to another family; {where}"
    )


def _no_network(path: Path, there: Sequence[Place], wanted: Wanted) -> TeachMattersError:
    names = [name for place in there for name in place.state]
    held = f"its parameters are {listing(names, 3)}" if names else "it holds no tensors by name"
    return TeachMattersError(
        f"{path} holds no vision transformer in a known layout, and {wanted.name} is a {wanted.arch}: {held}, "
        "and a patch embedding such as patch_embed.proj.weight is expected; save the network's state_dict() under "
        "timm's or transformers' names"
    )


def _why(match: Match) -> str:
    """Describe the first fault: a shape tells most, then missing, then extra parameters."""
    if match.misshapen:
        shapes = [f"{name} is {found} instead of {expected}" for name, found, expected in match.misshapen]
        return listing(shapes, 2)
    if match.missing:
        return f"it lacks {listing(match.missing, 3)}"
    return f"it also holds {listing(match.extra, 3)}, which that network has no place for"


def _advice(match: Match, shape: Shape | None, wanted: Wanted) -> str:
    """Return advice that would work: the suggested model is matched against the file first."""
    if shape is None:
        return ANY
    pixels = shape.pixels, shape.pixels
    if shape.pixels and not match.kernel_differs and matches(match.place, wanted.make(pixels))[0].fits:
        return f"for images of that size use {wanted.name}@{shape.pixels}"
    if found := nearest(match, shape):
        return f"for these weights use --model {found} with the same --weights"
    if any(ADAPTER.search(name) for name in match.given):
        return "merge the adapter into the weights and give the network's state_dict()"
    if [name for name, *_ in match.misshapen] == ["pos_embed"] and not shape.side:
        return "if it is for rectangular images, add their size to the model's name as @ROWSxCOLUMNS"
    return ANY if match.misshapen or match.extra else WHOLE


def nearest(match: Match, shape: Shape) -> str:
    """Name a model that reads a network: one of its family and shape, or one of timm's that was tried; else nothing."""
    if named := named_like(family_of(match.place, match.layout), shape):
        return named
    found = next((told for name in ids_like(shape) if (told := _fitting(match.place, name, shape))), "")
    return f"timm/{found}" if found else ""


def _fitting(place: Place, architecture: str, shape: Shape) -> str:
    """Return the id, with the file's size if that differs from the native one; empty if the file does not fit."""
    from teachmatters.models.networks import hollow
    from teachmatters.models.timm.lean_timm import timm

    if not timm.is_model(architecture):
        return ""
    network = hollow(architecture, {})
    if matches(place, network)[0].fits:
        return architecture
    other = grid_side(place.state, network) not in (0, grid_side(network.state_dict(), network))
    resized = other and matches(place, hollow(architecture, {}, (shape.pixels, shape.pixels)))[0].fits
    return f"{architecture}@{shape.pixels}" if resized else ""
