"""The patch tokens, and on request the whole attention, of single images, for figures of several images together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from teachmatters.api import ModelInfo, Tap
from teachmatters.api.progress import NoProgress, Progress
from teachmatters.errors import TeachMattersError
from teachmatters.measures.attention.quantised import quantise
from teachmatters.runner.visualize.models import OpenModel, in_every_model
from teachmatters.runner.visualize.request import FailedImage, Norm, VisualizeRequest
from teachmatters.runner.visualize.views import chosen_numbers, finite

# Bytes in an HTML file, because a browser keeps its text in memory: the attention of one image, and the attention and
# the similarities of all images in one model.
MOST_BYTES, MOST_TOGETHER = 40_000_000, 160_000_000


@dataclass(frozen=True, slots=True)
class ImageTokens:
    """One image in one model.

    Attributes:
        image: the file.
        pixels: uint8 (height, width, 3), the input of the model.
        patches: float32 (layers, h w, D), the patch tokens of the blocks' outputs, normed if the request asks for it.
        attention: of ``quantise``: uint8 (layers, heads, T, T) and float32 (layers, heads, T); None unless wanted.
    """

    image: Path
    pixels: NDArray[np.uint8]
    patches: NDArray[np.float32]
    attention: tuple[NDArray[np.uint8], NDArray[np.float32]] | None


@dataclass(frozen=True, slots=True)
class ModelTokens:
    """All images in one model.

    Attributes:
        label, supervision: the label and supervision of the model.
        info: its shape.
        layers, heads: the numbers of those that are shown, from 1.
        images: in the order of the command; at least one.
    """

    label: str
    supervision: str
    info: ModelInfo
    layers: tuple[int, ...]
    heads: tuple[int, ...]
    images: tuple[ImageTokens, ...]


def visualize_tokens(
    request: VisualizeRequest, progress: Progress | None = None, *, attention: bool = False
) -> Iterator[ModelTokens | FailedImage]:
    """Yield the tokens of all images for every model, one model at a time; a failure does not stop the rest.

    Args:
        request: its positions are not read.
        progress: receives the progress.
        attention: whether to keep the attention too.

    Raises:
        TeachMattersError: the request is invalid.
    """
    shown = progress or NoProgress()

    def work(model: OpenModel, paths: Sequence[Path]) -> Iterator[ModelTokens | FailedImage]:
        layers = chosen_numbers("--layers", request.layers, model.info.depth, model.label)
        heads = chosen_numbers("--heads", request.heads, model.info.heads, model.label)
        if request.norm == "final" and not model.info.last_norm:
            raise TeachMattersError(f"--norm final: {model.label} has no last norm to apply; use --norm none")
        if attention:
            _check_size(len(layers), len(heads), len(paths), model)
        images = []
        for path in paths:
            try:
                images.append(_tokens_of(model, path, layers, heads if attention else (), request.norm))
            except TeachMattersError as error:
                yield FailedImage(what=f"{path} in {model.label}", error=error)
            shown.advance(1)
        if images:
            yield ModelTokens(model.label, model.supervision, model.info, layers, heads, tuple(images))

    return in_every_model(request, work, shown)


def _check_size(layers: int, heads: int, images: int, model: OpenModel) -> None:
    """Reject a request for more than an HTML file may hold, before any pass."""
    matrix = layers * model.info.tokens**2
    each, together = heads * matrix, images * heads * matrix + images * (images + 1) // 2 * matrix
    if each <= MOST_BYTES and together <= MOST_TOGETHER:
        return
    raise TeachMattersError(
        f"{images} images of {model.info.tokens:,} tokens: {each / 1e6:,.0f} MB of attention per image and "
        f"{together / 1e6:,.0f} MB with all similarities; an HTML file holds at most {MOST_BYTES / 1e6:.0f} and "
        f"{MOST_TOGETHER / 1e6:.0f} MB of a model; choose --layers and --heads, fewer images, or a smaller NAME@SIZE"
    )


def _tokens_of(model: OpenModel, path: Path, layers: Sequence[int], heads: Sequence[int], norm: Norm) -> ImageTokens:
    pixels = model.pixels(path)
    patches: dict[int, Tensor] = {}
    attention: dict[int, tuple[Tensor, Tensor]] = {}

    def sink(layer: int, tap: Tap, values: Tensor) -> None:
        if layer not in layers:
            return
        if tap == "block":
            tokens = values[0, model.info.prefix :]
            patches[layer] = (model.adapter.last_norm(tokens) if norm == "final" else tokens).float().cpu()
        else:
            steps, largest = quantise(values[0, [head - 1 for head in heads]])
            attention[layer] = steps.cpu(), finite(largest, "attention").cpu()

    taps: frozenset[Tap] = frozenset({"block", "attention"}) if heads else frozenset({"block"})
    model.stream(pixels, taps, sink)
    kept = None
    if attention:
        steps, largest = (torch.stack([attention[layer][part] for layer in layers]).numpy() for part in (0, 1))
        kept = (steps, largest)
    tokens = finite(torch.stack([patches[layer] for layer in layers]), "output")
    return ImageTokens(path, pixels, tokens.numpy(), kept)
