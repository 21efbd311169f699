"""The mini models' weights: those in the package, a file that ``tm train`` wrote, or none."""

from __future__ import annotations

import hashlib
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from teachmatters.api import ModelRequest, ModelSource, ModelSpec, Size, split_size
from teachmatters.errors import TeachMattersError
from teachmatters.models.mini.specs import ARCHITECTURE, INFO, PREFIX, SHAPE, SUPERVISIONS
from teachmatters.models.sources import create, hollow

if TYPE_CHECKING:
    from torch import nn

    from teachmatters.models.timm_vit import TimmViT
    from teachmatters.models.weight_files import Found

FOLDER = Path(__file__).parent


def mini_network(seed: int = 0, size: Size | None = None) -> nn.Module:
    """The network of all mini models, initialised by timm from a seed, for images of a size or of 64 x 64 pixels.

    >>> network = mini_network()
    >>> sum(parameter.numel() for parameter in network.parameters())
    1367136
    """
    return create(ARCHITECTURE, SHAPE if size is None else {**SHAPE, "img_size": size}, seed)


def open_mini(request: ModelRequest) -> ModelSource:
    """A mini model: the package's weights, or a file of its shape in timm's naming.

    Raises:
        TeachMattersError: no such file, one of another method, or weights for the untrained model.
    """
    from teachmatters.models import checkpoints, positions, weight_files

    name, size, path = split_size(request.spec.name)[0], request.spec.size, request.weights
    if name == f"{PREFIX}random":
        return _untrained(request)
    native = INFO.input_size
    if path is not None:
        build = partial(_build, request.spec, name, path)
        return weight_files.source(_find(request.spec, path), size or native, native, build)
    path = FOLDER / f"{name}.safetensors"
    if not path.exists():
        raise TeachMattersError(
            f"this installation lacks the weights of {name} ({path.name}); give --weights FILE, which 'tm train "
            f"--method {name.removeprefix(PREFIX)}' makes, or use mini-random"
        )
    digest = positions.identity(checkpoints.identify(path), size, native)
    return ModelSource(digest, partial(_build, request.spec, name, path))


def _find(spec: ModelSpec, path: Path) -> Found:
    from teachmatters.models import weight_files

    make = partial(hollow, ARCHITECTURE, SHAPE)
    wanted = weight_files.Wanted(spec.name, INFO.arch, ARCHITECTURE, make, spec.size)
    return weight_files.find(path, wanted)


def _build(spec: ModelSpec, name: str, path: Path) -> TimmViT:
    from teachmatters.models import weight_files
    from teachmatters.models.timm_vit import TimmViT

    found = _find(spec, path)
    told = SUPERVISIONS.get(_method(name, path), "")
    network = mini_network(size=spec.size)
    weight_files.fill(network, found)
    return TimmViT(network, spec.name, INFO.arch, (INFO.mean, INFO.std), told)


def _method(name: str, path: Path) -> str:
    """Return the method that a file of ``tm train`` names, which must be the model's; nothing for any other file.

    Raises:
        TeachMattersError: it is another model's.
    """
    from safetensors import safe_open

    from teachmatters.models import checkpoints, formats

    file_of_weights = checkpoints.split(path)[0]
    if file_of_weights.is_dir() or formats.format_of(file_of_weights) != "safetensors":
        return ""
    with safe_open(file_of_weights, framework="pt") as file:
        method: str = (file.metadata() or {}).get("method", "")
    if method and PREFIX + method != name:
        raise TeachMattersError(
            f"{path} was trained by the method {method!r}; use --model {PREFIX}{method} with the same --weights"
        )
    return method


def _untrained(request: ModelRequest) -> ModelSource:
    from teachmatters.models.timm_vit import TimmViT

    if request.weights is not None:
        raise TeachMattersError(
            f"--weights {request.weights} for mini-random, which is an untrained network; load the file with the model "
            "of its method, such as mini-dino"
        )
    size = request.spec.size
    text = f"{INFO.arch} seed={request.seed} torch={version('torch')} timm={version('timm')}"
    text += "" if size is None else f" size={size[0]}x{size[1]}"
    return ModelSource(
        hashlib.sha256(text.encode()).hexdigest(),
        lambda: TimmViT(mini_network(request.seed, size), request.spec.name, INFO.arch, (INFO.mean, INFO.std)),
    )
