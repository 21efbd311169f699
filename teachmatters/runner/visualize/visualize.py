"""``tm visualize``: computes the attention of images, layer by layer, without storing anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from teachmatters.api import Crop, ModelInfo, ModelRequest
from teachmatters.datasets.images import read_image
from teachmatters.errors import TeachMattersError
from teachmatters.measures.attention.attention_views import Views
from teachmatters.registry import call, load
from teachmatters.runner.forward.build import build_model
from teachmatters.runner.forward.device import find_device, find_dtype
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.models import LabelledModel, labelled_models
from teachmatters.runner.requests import Dtype, NoProgress, Progress
from teachmatters.runner.visualize.views import ViewSelection, chosen_numbers, chosen_positions, views_of


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualizeRequest:
    """The arguments of one visualize command.

    Attributes:
        images: files.
        models, weights: as for ``tm analyze``.
        layers, heads: from 1; empty: all.
        positions: of POSITIONS, ``ROW:COLUMN`` or ``diagonal``; empty: POSITIONS.
        device, dtype, seed: as for ``tm analyze``.
    """

    images: Sequence[Path]
    models: Sequence[str]
    weights: Sequence[str] = ()
    layers: tuple[int, ...] = ()
    heads: tuple[int, ...] = ()
    positions: tuple[str, ...] = ()
    device: str = "auto"
    dtype: Dtype = "float32"
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageViews:
    """The attention of one image in one model.

    Attributes:
        model: label of the model.
        image: the file.
        pixels: uint8 (height, width, 3), the input of the model.
        tokens: number of tokens that the attention of one token is divided among.
        views: the attention.
    """

    model: str
    image: Path
    pixels: NDArray[np.uint8]
    tokens: int
    views: Views


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedImage:
    """An image, or a whole model, that could not be shown."""

    what: str
    error: Exception

    @property
    def reason(self) -> str:
        """The error in one line."""
        kind = "" if isinstance(self.error, TeachMattersError) else f"{type(self.error).__name__}: "
        return kind + " ".join(str(self.error).split())


def visualize(request: VisualizeRequest, progress: Progress | None = None) -> Iterator[ImageViews | FailedImage]:
    """Yield the attention of every image in every model, one at a time; a failure does not stop the rest.

    Raises:
        TeachMattersError: the request is invalid.
    """
    progress = progress or NoProgress()
    dtype = find_dtype(request.dtype)
    if request.seed < 0:
        raise TeachMattersError(f"--seed {request.seed}: it must be at least 0")
    models = labelled_models(load(), request.models, request.weights)
    settings = PassSettings(
        device=find_device(request.device),
        dtype=dtype,
        seed=request.seed,
    )
    return _all(request, models, settings, progress)


def _all(
    request: VisualizeRequest, models: Sequence[LabelledModel], settings: PassSettings, progress: Progress
) -> Iterator[ImageViews | FailedImage]:
    readable = []
    for path in request.images:  # checked before a model is downloaded for them
        try:
            _read(path)
            readable.append(path)
        except TeachMattersError as error:
            yield FailedImage(what=str(path), error=error)
    for model in models if readable else ():
        progress.begin(model.label, len(readable))
        try:
            yield from _in_model(request, model, settings, readable, progress)
        except Exception as error:  # noqa: BLE001  plugin code may raise anything; it is reported at the end
            yield FailedImage(what=model.label, error=error)
        finally:
            progress.finish()


def _in_model(
    request: VisualizeRequest, model: LabelledModel, settings: PassSettings, paths: Sequence[Path], progress: Progress
) -> Iterator[ImageViews | FailedImage]:
    source = call(model.spec.factory, ModelRequest(spec=model.spec, weights=model.weights, seed=request.seed))
    adapter = build_model(source, settings)
    for remark in source.remarks:
        progress.say(f"{model.label}: {remark}")
    info = adapter.info
    wanted = ViewSelection(
        layers=chosen_numbers("--layers", request.layers, info.depth, model.label),
        heads=chosen_numbers("--heads", request.heads, info.heads, model.label),
        positions=chosen_positions(request.positions, info, model.label),
    )
    for path in paths:
        try:
            pixels = _transformed(_read(path), path, info)
            views = views_of(adapter, pixels, wanted, (settings.device, settings.dtype))
        except TeachMattersError as error:
            yield FailedImage(what=f"{path} in {model.label}", error=error)
            continue
        yield ImageViews(model=model.label, image=path, pixels=pixels, tokens=info.tokens, views=views)
        progress.advance(1)


def _read(path: Path) -> Image:
    try:
        return read_image(path, upright=True)
    except FileNotFoundError as error:
        raise TeachMattersError(f"no image {str(path)!r}: there is no such file; check the path") from error
    except (OSError, ValueError, SyntaxError) as error:
        why = " ".join(str(error).split())
        raise TeachMattersError(f"{str(path)!r} cannot be read as an image: {why}; name another") from error


def _transformed(image: Image, path: Path, info: ModelInfo) -> NDArray[np.uint8]:
    try:
        inputs = Crop().apply(image, {}, info).inputs
    except ValueError as error:
        raise TeachMattersError(f"{str(path)!r}: {error}; name another") from error
    return np.ascontiguousarray(inputs[0].transpose(1, 2, 0))
