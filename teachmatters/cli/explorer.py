"""The explorer: from a request to one HTML document."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

from teachmatters.cli.images import short_names
from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    from teachmatters.api.progress import Progress
    from teachmatters.reports.explorer.data import ExplorerModel
    from teachmatters.runner.visualize.request import FailedImage, VisualizeRequest
    from teachmatters.runner.visualize.tokens import ModelTokens

TITLE = "Attention explorer"


def explorer_page(
    request: VisualizeRequest, progress: Progress | None = None, *, only_foreground: bool = False, title: str = TITLE
) -> tuple[str, list[FailedImage]]:
    """Run the models of a request on its images and return the explorer's HTML, and what could not be shown.

    An image that fails in one model is left out of all.

    Args:
        request: images, models, layers and heads.
        progress: receives the progress.
        only_foreground: whether the principal components are those of the foreground.
        title: the title of the document.

    Raises:
        TeachMattersError: the request is invalid, or nothing can be shown.
    """
    from teachmatters.reports.explorer.build import build
    from teachmatters.runner.visualize.tokens import ModelTokens, visualize_tokens

    answers = list(visualize_tokens(request, progress, attention=True))
    models = [answer for answer in answers if isinstance(answer, ModelTokens)]
    failed = [answer for answer in answers if not isinstance(answer, ModelTokens)]
    seen = [{image.image for image in model.images} for model in models]
    common = [path for path in request.images if seen and all(path in each for each in seen)]
    if not common:
        reasons = "; ".join(dict.fromkeys(each.reason for each in failed))
        raise TeachMattersError(f"no image can be shown in all models: {reasons}")
    names = short_names(common)
    shown = [replace(m, images=tuple(image for image in m.images if image.image in names)) for m in models]
    return build([_explored(model, only_foreground) for model in shown], list(names.values()), title), failed


def _explored(model: ModelTokens, only_foreground: bool) -> ExplorerModel:
    from teachmatters.reports.explorer.data import ExplorerImage, ExplorerModel
    from teachmatters.runner.visualize.patch_maps import pca_colours, similarities

    colours = pca_colours(model, only_foreground=only_foreground)
    images = []
    for image, own in zip(model.images, colours, strict=True):
        assert image.attention is not None
        images.append(ExplorerImage(image.pixels, *image.attention, own.reshape(len(model.layers), -1, 3)))
    return ExplorerModel(
        label=model.label,
        about=", ".join(filter(None, (model.info.arch, model.supervision))),
        grid=model.info.grid,
        class_token=model.info.class_token,
        registers=model.info.registers,
        layers=model.layers,
        heads=model.heads,
        images=tuple(images),
        similarity={p: similarities(model, *p) for p in combinations_with_replacement(range(len(images)), 2)},
    )
