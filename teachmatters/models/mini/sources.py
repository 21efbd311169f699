"""The mini models' weights: those in the package, a file that ``tm train`` wrote, or none."""

from __future__ import annotations

import hashlib
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from teachmatters.api import ModelRequest, ModelSource, ModelSpec, Size, split_size
from teachmatters.errors import TeachMattersError
from teachmatters.models.mini.specs import ARCHITECTURE, INFO, POSITION_BASE, PREFIX, SHAPE, SUPERVISIONS
from teachmatters.models.networks import create, described, hollow

if TYPE_CHECKING:
    from torch import Tensor, nn

    from teachmatters.models.timm.vit import TimmViT
    from teachmatters.models.weights.weight_files import Found

FOLDER = Path(__file__).parent


def mini_network(seed: int = 0, size: Size | None = None) -> nn.Module:
    """Build the network of all mini models: timm's initialisation from a seed, with sine and cosine positions.

    Args:
        seed: of timm's initialisation.
        size: rows and columns of pixels; None for 64 x 64.

    >>> network = mini_network()
    >>> sum(parameter.numel() for parameter in network.parameters())
    1367136
    """
    import torch

    network: Any = create(ARCHITECTURE, SHAPE if size is None else {**SHAPE, "img_size": size}, seed)
    with torch.no_grad():
        network.pos_embed[:, 1:] = sine_positions(network.patch_embed.grid_size, INFO.width)
    return cast("nn.Module", network)


def sine_positions(grid: tuple[int, int], width: int) -> Tensor:
    """Return the position embeddings at the start of training.

    The first half of the channels encodes the row, the second half the column: sines, then cosines, of the position
    divided by powers of POSITION_BASE. The base of 10,000 of Vaswani et al. is made for long sequences: on a grid of
    8 x 8 it leaves most channels constant, and attention learns to look nearby much later.

    Args:
        grid: rows and columns of patches; the positions of any grid lie within the native one.
        width: channels, a multiple of 4.

    Returns:
        float32 (1, rows * columns, width), -1..1.
    """
    import torch

    count = width // 4
    frequencies = POSITION_BASE ** -(torch.arange(count, dtype=torch.float64) / count)
    places = [
        (torch.arange(side, dtype=torch.float64) + 0.5) * native / side - 0.5
        for side, native in zip(grid, INFO.grid, strict=True)
    ]
    angles = [place.reshape(-1, 1) * frequencies for place in torch.meshgrid(*places, indexing="ij")]
    return torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=1)[None].float()


def open_mini(request: ModelRequest) -> ModelSource:
    """Open a mini model: the package's weights, or a file of the same shape in timm's naming.

    Raises:
        TeachMattersError: the file does not exist or is another method's, or mini-random was given weights.
    """
    from teachmatters.models.files import checkpoints
    from teachmatters.models.weights import positions, weight_files

    name, size, path = split_size(request.spec.name)[0], request.spec.size, request.weights
    if name == f"{PREFIX}random":
        return _untrained(request)
    native = INFO.input_size
    if path is not None:
        build = partial(_build, request.spec, name, path)
        network = described(ARCHITECTURE, SHAPE, (INFO.mean, INFO.std))
        return weight_files.source(_find(request.spec, path), network, size or native, native, build)
    path = FOLDER / f"{name}.safetensors"
    if not path.exists():
        raise TeachMattersError(
            f"this installation lacks the weights of {name} ({path.name}); give --weights FILE, which 'tm train "
            f"--method {name.removeprefix(PREFIX)}' makes, or use mini-random"
        )
    digest = positions.identity(checkpoints.identify(path), size, native)
    return ModelSource(digest, partial(_build, request.spec, name, path))


def _find(spec: ModelSpec, path: Path) -> Found:
    from teachmatters.models.weights import weight_files
    from teachmatters.models.weights.wanted import Wanted

    make = partial(hollow, ARCHITECTURE, SHAPE)
    wanted = Wanted(spec.name, INFO.arch, ARCHITECTURE, make, spec.size)
    return weight_files.find(path, wanted)


def _build(spec: ModelSpec, name: str, path: Path) -> TimmViT:
    from teachmatters.models.timm.vit import TimmViT
    from teachmatters.models.weights import weight_files

    found = _find(spec, path)
    told = SUPERVISIONS.get(_method(name, path), "")
    network = mini_network(size=spec.size)
    weight_files.fill(network, found)
    return TimmViT(network, spec.name, INFO.arch, (INFO.mean, INFO.std), told)


def _method(name: str, path: Path) -> str:
    """Return the method that a file of ``tm train`` names, or an empty text for any other file.

    Raises:
        TeachMattersError: the method is another model's.
    """
    from safetensors import safe_open

    from teachmatters.models.files import checkpoints, formats

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
    from teachmatters.models.timm.vit import TimmViT

    if request.weights is not None:
        raise TeachMattersError(
            f"--weights {request.weights} for mini-random, which is an untrained network; load the file with the model "
            "of its method, such as mini-dino"
        )
    size = request.spec.size
    text = f"{INFO.arch} positions={POSITION_BASE} seed={request.seed} torch={version('torch')} timm={version('timm')}"
    text += "" if size is None else f" size={size[0]}x{size[1]}"
    return ModelSource(
        hashlib.sha256(text.encode()).hexdigest(),
        lambda: TimmViT(mini_network(request.seed, size), request.spec.name, INFO.arch, (INFO.mean, INFO.std)),
    )
