"""The input images of ``tm visualize`` and the files of its figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    from teachmatters.measures.attention.attention_views import Kind
    from teachmatters.runner.visualize.visualize import ImageViews


def image_files(paths: Sequence[Path]) -> list[Path]:
    """Return the given files, and the images directly in the given folders except our own figures, each once.

    Raises:
        TeachMattersError: a folder has no image.
    """
    from teachmatters.datasets.images import is_image
    from teachmatters.reports.figures.attention_grid import is_our_figure

    found: dict[Path, Path] = {}
    for path in paths:
        files = [path]
        if path.is_dir():
            files = [file for file in sorted(path.iterdir()) if is_image(file.name) and not is_our_figure(file)]
            if not files:
                raise TeachMattersError(
                    f"folder {str(path)!r} has no image directly in it; name files or another folder"
                )
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def short_names(paths: Sequence[Path]) -> dict[Path, str]:
    """Return the shortest distinct names of images: without suffix, with it, or with folders in front.

    >>> short_names([Path("cats/0.png"), Path("dogs/1.png")])[Path("cats/0.png")]
    '0'
    >>> list(short_names([Path("/a/cats/0.png"), Path("/a/dogs/0.png")]).values())
    ['cats-0.png', 'dogs-0.png']
    """
    full = [path.resolve().parts[1:] for path in paths]
    names = [path.stem for path in paths]
    for count in range(1, max(map(len, full), default=0) + 1):
        if len(set(names)) == len(names):
            break
        names = ["-".join(parts[-count:]) for parts in full]
    return dict(zip(paths, names, strict=True))


class FigureWriter:
    """Writer of the figures of one command.

    Args:
        folder: the output folder, created with the first figure.
        images: every image that ``draw`` may get.
        kinds: the grids to draw.
    """

    def __init__(self, folder: Path, images: Sequence[Path], kinds: Sequence[Kind]) -> None:
        self.folder, self.kinds = folder, kinds
        self.names = short_names(images)
        self.written: list[Path] = []

    def draw(self, views: ImageViews) -> list[Path]:
        """Draw one model's attention over one image and return the files.

        Raises:
            TeachMattersError: another file has the name of a figure, or the folder cannot be written.
        """
        from teachmatters.reports.figures import attention_grid, plots

        files = []
        for kind in self.kinds:
            grid = views.views.grid(kind)
            path = self._target(f"{self.names[views.image]}.{views.model}", f".{grid.name}.png")
            plots.save(attention_grid.draw(views.image.name, views.model, views.pixels, grid, views.tokens), path)
            self.written.append(path)
            files.append(path)
        return files

    def _target(self, name: str, ending: str) -> Path:
        from teachmatters.reports.figures.attention_grid import is_our_figure
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
