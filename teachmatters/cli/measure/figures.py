"""The input images of ``tm visualize`` and the files of its figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from teachmatters.cli.images import short_names
from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from teachmatters.measures.attention.attention_views import Kind
    from teachmatters.reports.figures.attention_grid import Scale
    from teachmatters.runner.visualize.tokens import ModelTokens
    from teachmatters.runner.visualize.visualize import ImageViews


class FigureWriter:
    """Writer of the figures of one command.

    Args:
        folder: the output folder, created with the first figure.
        images: every image that may be drawn.
    """

    def __init__(self, folder: Path, images: Sequence[Path]) -> None:
        self.folder = folder
        self.names = short_names(images)
        self.written: list[Path] = []

    def draw_attention(self, views: ImageViews, kinds: Sequence[Kind], scale: Scale) -> list[Path]:
        """Draw one model's attention over one image, one figure for each kind of grid, and return the files.

        Raises:
            TeachMattersError: another file has the name of a figure, or the folder cannot be written.
        """
        from teachmatters.reports.figures import attention_grid

        files = []
        for kind in kinds:
            grid = views.views.grid(kind)
            figure = attention_grid.draw(views.image.name, views.model, views.pixels, grid, views.tokens, scale)
            files.append(self._save(figure, f"{self.names[views.image]}.{views.model}", f".{grid.name}.png"))
        return files

    def draw_components(self, model: ModelTokens, *, only_foreground: bool, own_scale: bool) -> Path:
        """Draw the principal components of all images in one model and return the file.

        Raises:
            TeachMattersError: as for ``draw_attention``.
        """
        from teachmatters.reports.figures import patch_grid
        from teachmatters.runner.visualize.patch_maps import pca_colours

        colours = pca_colours(model, only_foreground=only_foreground, own_scale=own_scale)
        about = "the first three, of all images together, as red, green and blue"
        ending = ".pca.png"
        if only_foreground:
            about, ending = f"{about}; black: background, by the first component", ".pca-foreground.png"
        figure = patch_grid.draw_components(model.label, self._images(model), model.layers, colours, about)
        return self._save(figure, f"{self._together(model)}.{model.label}", ending)

    def draw_similarity(self, model: ModelTokens, patch: tuple[int, int], scale: Literal["own", "shared"]) -> Path:
        """Draw the similarity of one patch of the first image to all others in one model and return the file.

        Raises:
            TeachMattersError: as for ``draw_attention``.
        """
        from teachmatters.reports.figures import patch_grid
        from teachmatters.runner.visualize.patch_maps import similarity_to

        maps = similarity_to(model, patch)
        figure = patch_grid.draw_similarity(model.label, self._images(model), model.layers, maps, patch, scale)
        place = f".similarity-{patch[0] + 1}-{patch[1] + 1}.png"
        return self._save(figure, f"{self._together(model)}.{model.label}", place)

    def _images(self, model: ModelTokens) -> list[tuple[str, NDArray[np.uint8]]]:
        return [(self.names[image.image], image.pixels) for image in model.images]

    def _together(self, model: ModelTokens) -> str:
        """Return a name of all images: that of the first, and the number of others."""
        first, *others = (self.names[image.image] for image in model.images)
        return f"{first}+{len(others)}" if others else first

    def _save(self, figure: Figure, name: str, ending: str) -> Path:
        from teachmatters.reports.figures import plots

        path = self._target(name, ending)
        plots.save(figure, path)
        self.written.append(path)
        return path

    def _target(self, name: str, ending: str) -> Path:
        from teachmatters.reports.figures.panel_sheet import is_our_figure
        from teachmatters.reports.tables.atomic_write import fitting

        path = self.folder / fitting(re.sub(r"[^\w.@=+-]+", "-", name), ending)
        if path in self.written or (path.exists() and not is_our_figure(path)):
            reason = "was just written" if path in self.written else "is not a figure of this command"
            raise TeachMattersError(
                f"{str(path)!r} {reason} and would be overwritten; use another --out or a LABEL=NAME"
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TeachMattersError(
                f"--out {str(self.folder)!r}: {error.strerror}; name a folder that can be created"
            ) from error
        return path
