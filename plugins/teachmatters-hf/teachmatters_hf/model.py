"""Resolve names to specs, and open models: find and identify their weights."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teachmatters.api import ModelRequest, ModelSource, ModelSpec, split_size
from teachmatters_hf import hub
from teachmatters_hf.families import Family, family_of, tower_config
from teachmatters_hf.images import PROCESSORS, Images, read_images
from teachmatters_hf.places import CONFIG, locate, read_config, weights_in
from teachmatters_hf.shape import expected, pair

if TYPE_CHECKING:
    from teachmatters_hf.adapter import TransformersViT

LOG = logging.getLogger(__name__)


def resolve(name: str) -> ModelSpec:
    """Return the spec of ``hf/<id>`` or ``hf/<folder>``, from its config if that is on this machine; uses no network.

    Raises:
        TeachMattersError: the name is neither a folder nor an id, the folder has no config, or the model cannot be
            read.

    >>> resolve("hf/nobody/has-this").source
    'huggingface.co/nobody/has-this'
    """
    base, size = split_size(name)
    place = locate(base)
    folder = place.folder or hub.cached(place.given)
    config = {} if folder is None else read_config(folder)
    facts: dict[str, Any] = {"family": "hf", "supervision": "", "summary": "a vision transformer of transformers"}
    if folder is not None:
        family = family_of(config, place.name)
        images = read_images(folder, family, size)
        facts |= {
            "family": family.name,
            "supervision": supervision(config, family),
            "summary": f"transformers' {family.tower}",
        } | expected(tower_config(config), images)
    return ModelSpec(
        name=place.name + name.removeprefix(base),
        resizable=True,
        factory="teachmatters_hf.model:open_model",
        licence="" if place.folder else "as its model card says",
        source=f"the folder {place.given}" if place.folder else f"huggingface.co/{place.given}",
        **facts,
    )


def supervision(config: Mapping[str, Any], family: Family) -> str:
    """Return the supervision of the class in a model's config; empty if the class does not determine it.

    >>> from teachmatters_hf.families import CLIP, VIT
    >>> supervision({"architectures": ["CLIPModel"]}, CLIP), supervision({"architectures": ["ViTModel"]}, VIT)
    ('image-text contrast', '')
    """
    classes = config.get("architectures")
    told = [family.trained.get(each, "") for each in classes] if isinstance(classes, list) else []
    return told[0] if told else ""


def open_model(request: ModelRequest) -> ModelSource:
    """Open the weights of a folder or of the hub, or a file of weights for that network.

    Raises:
        TeachMattersError: the weights cannot be found or downloaded, or belong to another kind of network.
    """
    from teachmatters.models.files import checkpoints
    from teachmatters_hf.weights import find

    place, size = locate(split_size(request.spec.name)[0]), request.spec.size
    folder = place.folder or hub.fetch(place.given, weights=request.weights is None)
    config = read_config(folder)
    family = family_of(config, place.name)
    files = [request.weights] if request.weights is not None else weights_in(folder)
    images = read_images(folder, family, size)
    if images.file is None:
        LOG.warning(
            "%s has no %s: its images are normalised as is usual for a %s (mean %s, deviation %s)",
            place.name, PROCESSORS[1], family.tower, *images.mean_std,
        )  # fmt: skip
    others = [folder / CONFIG] + ([images.file] if images.file else [])
    remarks: tuple[str, ...] = ()
    if request.weights is None:
        weights = list(map(checkpoints.identify, files))
    else:
        found = find(files)
        weights, remarks = [found.identity], found.remarks
    identity = identify([*weights, *map(checkpoints.identify, others)])
    build = partial(_build, request.spec.name, family, config, files, images)
    return ModelSource(_at_size(identity, family, config, images), build, remarks)


def _at_size(identity: str, family: Family, config: Mapping[str, Any], images: Images) -> str:
    """Return the identity at a requested size, or at a size with resampled positions."""
    from teachmatters.models.weights import positions

    if not (images.asked or family.offset):
        return identity
    native = config.get("image_size")
    return positions.identity(identity, images.size, pair(native) if isinstance(native, int) else (0, 0))


def identify(digests: Iterable[str]) -> str:
    """Return one sha256 of everything that determines the numbers: weights, config and image processor's config.

    The same weights under another config are another network. The sha256 of each file are therefore sorted, written one
    a line, and hashed: ``sha256sum FILE... | cut -c1-64 | sort | sha256sum``. For a file given with ``--weights``, the
    sha256 of its parameters takes the place of the file's.
    """
    return hashlib.sha256("".join(f"{digest}\n" for digest in sorted(digests)).encode()).hexdigest()


def _build(
    name: str, family: Family, config: Mapping[str, Any], files: Sequence[Path], images: Images
) -> TransformersViT:
    from teachmatters_hf.adapter import TransformersViT
    from teachmatters_hf.network import build
    from teachmatters_hf.shape import describe
    from teachmatters_hf.weights import find

    origin = files[0] if len(files) == 1 else files[0].parent
    network = build(family, config, find(files).state, (name, origin))
    fixed = family.fixed and not config.get("is_native")
    return TransformersViT(network, family, describe(network, images, name, fixed=fixed), name)
