"""The models of one visualize command, built one after another, and the images that they see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image

from teachmatters.api import Crop, ModelAdapter, ModelInfo, ModelRequest, Sink, Tap
from teachmatters.api.progress import Progress
from teachmatters.datasets.images import read_image
from teachmatters.errors import TeachMattersError
from teachmatters.registry import call, load
from teachmatters.runner.forward.build import build_model
from teachmatters.runner.forward.device import find_device, find_dtype, full_precision, out_of_memory
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.models import LabelledModel, labelled_models
from teachmatters.runner.visualize.request import FailedImage, VisualizeRequest

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OpenModel:
    """A built model on its device.

    Attributes:
        label: its name in the command.
        supervision: how it was trained, or an empty text.
        adapter: the network.
        device, dtype: where and in which numbers it runs.
    """

    label: str
    supervision: str
    adapter: ModelAdapter
    device: torch.device
    dtype: torch.dtype

    @property
    def info(self) -> ModelInfo:
        """Return the shape of the network."""
        return self.adapter.info

    def pixels(self, path: Path) -> NDArray[np.uint8]:
        """Return the model's input for an image file, (height, width, 3).

        Raises:
            TeachMattersError: the image cannot be read, or is too narrow.
        """
        image = _read(path)
        try:
            inputs = Crop().apply(image, {}, self.info).inputs
        except ValueError as error:
            raise TeachMattersError(f"{str(path)!r}: {error}; name another") from error
        return np.ascontiguousarray(inputs[0].transpose(1, 2, 0))

    def stream(self, pixels: NDArray[np.uint8], taps: frozenset[Tap], sink: Sink) -> None:
        """Run one forward pass over an input that ``pixels`` returned.

        Raises:
            TeachMattersError: memory runs out.
        """
        mean, std = (torch.tensor(c, device=self.device).view(1, 3, 1, 1) for c in (self.info.mean, self.info.std))
        with out_of_memory(), full_precision(), torch.inference_mode():
            inputs = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None].to(self.device)
            self.adapter.stream(inputs.float().div(255).sub(mean).div(std).to(self.dtype), taps, sink)


# A function that visualises the readable images in one model, and advances the progress by one for each.
Work = Callable[[OpenModel, Sequence[Path]], Iterator[T | FailedImage]]


def in_every_model(request: VisualizeRequest, work: Work[T], progress: Progress) -> Iterator[T | FailedImage]:
    """Yield what ``work`` yields for each model; a failure does not stop the rest.

    Raises:
        TeachMattersError: the request is invalid.
    """
    dtype = find_dtype(request.dtype)
    if request.seed < 0:
        raise TeachMattersError(f"--seed {request.seed}: it must be at least 0")
    models = labelled_models(load(), request.models, request.weights)
    settings = PassSettings(device=find_device(request.device), dtype=dtype, seed=request.seed)
    return _all(request.images, models, settings, work, progress)


def _all(
    images: Sequence[Path],
    models: Sequence[LabelledModel],
    settings: PassSettings,
    work: Work[T],
    progress: Progress,
) -> Iterator[T | FailedImage]:
    readable = []
    for path in images:  # checked before a model is downloaded for them
        try:
            _read(path)
            readable.append(path)
        except TeachMattersError as error:
            yield FailedImage(what=str(path), error=error)
    for model in models if readable else ():
        progress.begin(model.label, len(readable))
        try:
            yield from work(_open(model, settings, progress), readable)
        except Exception as error:  # noqa: BLE001  plugin code may raise anything; it is reported at the end
            yield FailedImage(what=model.label, error=error)
        finally:
            progress.finish()


def _open(model: LabelledModel, settings: PassSettings, progress: Progress) -> OpenModel:
    source = call(model.spec.factory, ModelRequest(spec=model.spec, weights=model.weights, seed=settings.seed))
    adapter = build_model(source, settings)
    for remark in source.remarks:
        progress.say(f"{model.label}: {remark}")
    trained = model.supervision or adapter.info.supervision or ("" if model.weights else model.spec.supervision)
    return OpenModel(model.label, trained, adapter, settings.device, settings.dtype)


def _read(path: Path) -> Image:
    try:
        return read_image(path, upright=True)
    except FileNotFoundError as error:
        raise TeachMattersError(f"no image {str(path)!r}: there is no such file; check the path") from error
    except (OSError, ValueError, SyntaxError) as error:
        why = " ".join(str(error).split())
        raise TeachMattersError(f"{str(path)!r} cannot be read as an image: {why}; name another") from error
