"""``timm/<id>``: any vision transformer of timm by its own name."""

from __future__ import annotations

import hashlib
import logging
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teachmatters.api import ModelRequest, ModelSource, ModelSpec, Size, check_size, no_size, split_size
from teachmatters.errors import TeachMattersError, UnknownNameError, did_you_mean
from teachmatters.models.networks import create, described, hollow
from teachmatters.models.recipes import SHAPES, shown
from teachmatters.models.timm.configs import vit_config
from teachmatters.models.timm.named import NAMED
from teachmatters.models.timm.tags import supervision_of

if TYPE_CHECKING:
    from teachmatters.models.timm.vit import TimmViT
    from teachmatters.models.weights.weight_files import Found

LOG = logging.getLogger(__name__)

PREFIX = "timm/"


# Layouts that only a named model reads: MoCo's small network has other heads than timm's, BEiT's has no classes.
OTHERS = {"moco", "beit", "beit-hf"}


def resolve(name: str) -> ModelSpec:
    """Return the spec of ``timm/<id>``, from timm's own record of the weights.

    ``timm/<id>@384`` is the same network for images of 384 x 384 pixels, ``timm/<id>@448x224`` for 448 rows and 224
    columns: positions and relative biases are resampled.

    Raises:
        UnknownNameError: timm has no such model.
        TeachMattersError: the model is not a vision transformer, or the size is not valid.

    >>> resolve("timm/vit_small_patch16_224.dino@384").image_size
    384
    """
    config = _config(name)
    size = split_size(name)[1]
    patch = re.search(r"patch(\d+)", config.architecture)
    if size is not None and patch is not None:
        check_size(name, size, int(patch[1]))
    return ModelSpec(
        name=name,
        family="timm-vit",
        supervision=supervision_of(f"{config.architecture}.{config.tag}"),
        summary=f"timm's {config.architecture}, weights {config.tag or 'none'}",
        factory="teachmatters.models.timm_ids:open_timm",
        arch=_arch(config.architecture),
        patch_size=int(patch[1]) if patch else 0,
        image_size=min(size or config.input_size[-2:]),
        resizable=True,
        licence=config.license or "",
        source=" or ".join(map(shown, _places(config))),
        citation=config.paper_name or "",
    )


def id_of(name: str) -> str:
    """Return timm's id of ``timm/<id>`` or of a named model that timm publishes, without the size after '@'.

    Raises:
        TeachMattersError: the text after '@' is not a size.

    >>> id_of("timm/vit_small_patch16_224.dino@448x224"), id_of("dinov2-s14@518")
    ('vit_small_patch16_224.dino', 'vit_small_patch14_dinov2.lvd142m')
    """
    given = split_size(name)[0]
    if given in NAMED:
        return NAMED[given].timm_id
    if "@" in given:
        raise no_size(name)
    return given.removeprefix(PREFIX)


def _places(config: Any) -> list[str]:
    """Return the origins of the weights in timm's record, the hub first."""
    return [place for place in (config.hf_hub_id, config.url) if place]


def _config(name: str) -> Any:
    """Return timm's record of an id (its PretrainedCfg)."""
    from teachmatters.models.specs import register_models
    from teachmatters.models.spellings import suggest
    from teachmatters.models.timm.lean_timm import timm

    given = id_of(name)
    known = {*timm.list_models(), *timm.list_models(pretrained=True)}
    if given not in known:
        near = did_you_mean(given, sorted(known)).replace("'", f"'{PREFIX}", 1)
        meant = near or suggest(given, register_models())
        raise UnknownNameError("model", name, (), f"{meant}timm.list_models('vit*', pretrained=True) lists timm's.")
    return vit_config(given)


def _arch(architecture: str) -> str:
    """Return ``ViT-S/16`` for a plain ViT, else timm's own name.

    >>> _arch("vit_small_patch16_224"), _arch("beit_base_patch16_224")
    ('ViT-S/16', 'beit_base_patch16_224')
    """
    plain = re.fullmatch(r"vit_([a-z]+)_patch(\d+)_\d+", architecture)
    letters = {"tiny": "Ti"} | {shape.word: size.upper() for size, shape in SHAPES.items()}
    return f"ViT-{letters[plain[1]]}/{plain[2]}" if plain and plain[1] in letters else architecture


def open_timm(request: ModelRequest) -> ModelSource:
    """Open a timm id or a named model that timm publishes: its published weights, or a file of weights.

    Raises:
        TeachMattersError: the file does not exist or holds another network, or no weights are published or reachable.
    """
    from teachmatters.models.fetch import hub
    from teachmatters.models.weights import positions, weight_files

    spec, path = request.spec, request.weights
    config = _config(spec.name)
    native = config.input_size[-2:]
    if path is not None:
        network = described(config.architecture, {}, (config.mean, config.std))
        return weight_files.source(_find(spec, path), network, _size(spec), native, partial(_build, spec, path))
    places = _places(config)
    if not places:
        raise TeachMattersError(f"timm publishes no weights for {spec.name}; give --weights FILE, or an id with a tag")
    path, digest = hub.find(places, spec.name)
    weights = positions.identity(_published(config, digest), _size(spec), native)
    return ModelSource(weights, partial(_build, spec, path))


def _published(config: Any, digest: str) -> str:
    """Return the identity of a published file in a network, because timm has two activations for some files.

    With the activation of the training, the identity is the file's own sha256.
    """
    from teachmatters.models.timm.lean_timm import timm

    quick = config.architecture.replace("_clip_", "_clip_quickgelu_")
    if quick == config.architecture or f"{quick}.{config.tag}" not in timm.list_models(f"{quick}*", pretrained=True):
        return digest
    return hashlib.sha256(f"{digest} {config.architecture}".encode()).hexdigest()


def _size(spec: ModelSpec) -> Size:
    return spec.size or (spec.image_size, spec.image_size)


def _find(spec: ModelSpec, path: Path) -> Found:
    from teachmatters.models.weights import weight_files
    from teachmatters.models.weights.wanted import Wanted

    architecture, native = id_of(spec.name), _config(spec.name).input_size[-2:]
    wanted = Wanted(
        name=spec.name,
        arch=spec.arch,
        architecture=architecture.partition(".")[0],
        make=partial(hollow, architecture, {}),
        size=None if _size(spec) == native and spec.size is None else _size(spec),
    )
    return weight_files.find(path, wanted)


def _build(spec: ModelSpec, path: Path) -> TimmViT:
    from teachmatters.models.timm.vit import TimmViT
    from teachmatters.models.weights import weight_files
    from teachmatters.models.weights.supervision import supervision_told

    config, size, found = _config(spec.name), _size(spec), _find(spec, path)
    network = create(id_of(spec.name), {} if size == config.input_size[-2:] else {"img_size": size})
    weight_files.fill(network, found)
    mean_std = tuple(config.mean), tuple(config.std)
    return TimmViT(network, spec.name, spec.arch, mean_std, supervision_told(found.match))
