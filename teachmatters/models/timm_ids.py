"""``timm/<id>``: any vision transformer of timm by its own name."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teachmatters.api import ModelRequest, ModelSource, ModelSpec
from teachmatters.errors import TeachMattersError, UnknownNameError
from teachmatters.models.recipes import SHAPES
from teachmatters.models.sources import create

if TYPE_CHECKING:
    from torch import nn

    from teachmatters.models.timm_vit import TimmViT

PREFIX = "timm/"

MODULES = {"beit", "deit", "eva"}
"""Modules of timm with plain vision transformers whose name does not say so."""


def resolve(name: str) -> ModelSpec:
    """The spec of ``timm/<id>``, from what timm itself says of the weights.

    Raises:
        UnknownNameError: timm has no such model.
        TeachMattersError: it is no vision transformer.

    >>> resolve("timm/vit_small_patch16_224.dino").arch
    'ViT-S/16'
    """
    config = _config(name)
    patch = re.search(r"patch(\d+)", config.architecture)
    return ModelSpec(
        name=name,
        family="timm-vit",
        supervision="",
        summary=f"timm's {config.architecture}, weights {config.tag or 'none'}",
        factory="teachmatters.models.timm_ids:open_timm",
        arch=_arch(config.architecture),
        patch_size=int(patch[1]) if patch else 0,
        image_size=config.input_size[-1],
        licence=config.license or "",
        source=f"huggingface.co/{config.hf_hub_id}" if config.hf_hub_id else "",
        citation=config.paper_name or "",
    )


def _config(name: str) -> Any:
    """What timm says of an id (its PretrainedCfg)."""
    import timm
    from timm.models import get_pretrained_cfg

    given = name.removeprefix(PREFIX)
    known = {*timm.list_models(), *timm.list_models(pretrained=True)}
    if given not in known:
        raise UnknownNameError(
            "timm model", given, sorted(known), "timm.list_models('vit*', pretrained=True) lists them."
        )
    module = timm.model_entrypoint(given).__module__.rpartition(".")[2]
    if not (module in MODULES or "vit" in module or "vision_transformer" in module):
        raise TeachMattersError(
            f"{name} is not a vision transformer (timm keeps it in {module!r}); choose one, such as "
            "timm/vit_base_patch16_224.dino"
        )
    return get_pretrained_cfg(given)


def _arch(architecture: str) -> str:
    """``ViT-S/16`` for a plain ViT, else timm's own word.

    >>> _arch("vit_small_patch16_224"), _arch("beit_base_patch16_224")
    ('ViT-S/16', 'beit_base_patch16_224')
    """
    plain = re.fullmatch(r"vit_([a-z]+)_patch(\d+)_\d+", architecture)
    letters = {"tiny": "Ti"} | {shape.word: size.upper() for size, shape in SHAPES.items()}
    return f"ViT-{letters[plain[1]]}/{plain[2]}" if plain and plain[1] in letters else architecture


def open_timm(request: ModelRequest) -> ModelSource:
    """The published weights of a timm id, or a file in timm's own layout.

    Raises:
        TeachMattersError: no such file, weights that cannot be had, or none published.
    """
    from teachmatters.models import checkpoints, hub

    name = request.spec.name
    config = _config(name)
    if request.weights is not None:
        path = request.weights
    elif config.hf_hub_id:
        path = hub.repository_file(config.hf_hub_id, name)
    else:
        raise TeachMattersError(f"timm publishes no weights for {name}; give --weights FILE, or an id with a tag")
    build = partial(_build, request.spec, path, published=request.weights is None)
    return ModelSource(checkpoints.identify(path), build)


def _build(spec: ModelSpec, path: Path, *, published: bool) -> TimmViT:
    from teachmatters.models import checkpoints, state_dicts
    from teachmatters.models.timm_vit import TimmViT

    config = _config(spec.name)
    network = create(spec.name.removeprefix(PREFIX), {})
    state = state_dicts.convert(checkpoints.read(path), "timm", path, spec.name)
    if published:
        state = _in_timm_naming(network, state)
    state_dicts.load(network, state, "timm", path, spec.arch)
    return TimmViT(network, spec.name, spec.arch, (tuple(config.mean), tuple(config.std)))


def _in_timm_naming(network: nn.Module, state: dict[str, Any]) -> dict[str, Any]:
    """Some repositories hold their authors' own layout: timm's conversion of that family, checked like any file."""
    import importlib

    if network.state_dict().keys() <= state.keys():
        return state
    module = importlib.import_module(type(network).__module__)
    converted: dict[str, Any] = getattr(module, "checkpoint_filter_fn", lambda state, _: state)(state, network)
    return converted
