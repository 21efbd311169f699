"""The figures of one ``tm visualize`` command, drawn as its models yield them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from teachmatters.cli.measure.figures import FigureWriter
from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    from teachmatters.api.progress import Progress
    from teachmatters.runner.visualize.request import FailedImage, VisualizeRequest

GridChoice: TypeAlias = Literal["all", "layers-heads", "heads-positions", "layers-positions"]
ViewChoice: TypeAlias = Literal["attention", "pca", "similarity"]
NormChoice: TypeAlias = Literal["none", "final"]
ScaleChoice: TypeAlias = Literal["own", "shared", "uniform"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureChoices:
    """The figures to draw, and their options.

    Attributes:
        view: what they show.
        grid: for attention: the grids.
        at: for similarity: the patch of the first image.
        foreground: for pca: whether to leave out the background.
        scale: the upper end of the colours; None for ``uniform`` for attention, else ``shared``.
    """

    view: ViewChoice = "attention"
    grid: GridChoice = "all"
    at: str = "center"
    foreground: bool = False
    scale: ScaleChoice | None = None


def draw_figures(
    writer: FigureWriter, request: VisualizeRequest, choices: FigureChoices, progress: Progress
) -> Iterator[FailedImage]:
    """Draw all figures of a request and yield what could not be drawn.

    Raises:
        TeachMattersError: the request is invalid.
    """
    if choices.view == "attention":
        yield from _draw_attention(writer, request, choices, progress)
    else:
        yield from _draw_patches(writer, request, choices, progress)


def _draw_attention(
    writer: FigureWriter, request: VisualizeRequest, choices: FigureChoices, progress: Progress
) -> Iterator[FailedImage]:
    from teachmatters.measures.attention.attention_views import KINDS
    from teachmatters.runner.visualize.visualize import ImageViews, visualize

    kinds = KINDS if choices.grid == "all" else (choices.grid,)
    scale = choices.scale or "uniform"
    for views in visualize(request, progress):
        if isinstance(views, ImageViews):
            what = f"{views.image} in {views.model}"
            yield from _attempt(what, partial(writer.draw_attention, views, kinds, scale), progress)
        else:
            yield views


def _draw_patches(
    writer: FigureWriter, request: VisualizeRequest, choices: FigureChoices, progress: Progress
) -> Iterator[FailedImage]:
    from teachmatters.runner.visualize.tokens import ModelTokens, visualize_tokens
    from teachmatters.runner.visualize.views import chosen_patch

    scale = choices.scale or "shared"
    if scale == "uniform":
        raise TeachMattersError("--scale uniform compares with uniform attention; use own or shared for this view")

    def draw(tokens: ModelTokens) -> list[Path]:
        if choices.view == "pca":
            return [writer.draw_components(tokens, only_foreground=choices.foreground, own_scale=scale == "own")]
        return [writer.draw_similarity(tokens, chosen_patch(choices.at, tokens.info.grid, tokens.label), scale)]

    for tokens in visualize_tokens(request, progress):
        if isinstance(tokens, ModelTokens):
            yield from _attempt(tokens.label, partial(draw, tokens), progress)
        else:
            yield tokens


def _attempt(what: str, draw: Callable[[], list[Path]], progress: Progress) -> Iterator[FailedImage]:
    from teachmatters.runner.visualize.request import FailedImage

    try:
        for path in draw():
            progress.say(f"Drew {path}")
    except TeachMattersError as error:
        yield FailedImage(what=what, error=error)
