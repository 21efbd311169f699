"""``tm visualize``: computes the attention of images, layer by layer, without storing anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from teachmatters.api.progress import NoProgress, Progress
from teachmatters.errors import TeachMattersError
from teachmatters.measures.attention.attention_views import Views
from teachmatters.runner.visualize.models import OpenModel, in_every_model
from teachmatters.runner.visualize.request import FailedImage, VisualizeRequest
from teachmatters.runner.visualize.views import ViewSelection, chosen_numbers, chosen_positions, views_of


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


def visualize(request: VisualizeRequest, progress: Progress | None = None) -> Iterator[ImageViews | FailedImage]:
    """Yield the attention of every image in every model, one at a time; a failure does not stop the rest.

    Raises:
        TeachMattersError: the request is invalid.
    """
    shown = progress or NoProgress()

    def work(model: OpenModel, paths: Sequence[Path]) -> Iterator[ImageViews | FailedImage]:
        wanted = ViewSelection(
            layers=chosen_numbers("--layers", request.layers, model.info.depth, model.label),
            heads=chosen_numbers("--heads", request.heads, model.info.heads, model.label),
            positions=chosen_positions(request.positions, model.info, model.label),
        )
        for path in paths:
            try:
                pixels = model.pixels(path)
                views = views_of(model, pixels, wanted)
            except TeachMattersError as error:
                yield FailedImage(what=f"{path} in {model.label}", error=error)
            else:
                yield ImageViews(model=model.label, image=path, pixels=pixels, tokens=model.info.tokens, views=views)
            shown.advance(1)

    return in_every_model(request, work, shown)
