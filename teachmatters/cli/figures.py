"""Which images are meant, and where the drawings of them go."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    from teachmatters.measures.attention_views import Kind
    from teachmatters.runner.visualize.visualize import ImageViews


def figures_of(paths: Sequence[Path]) -> list[Path]:
    """Files as they are, folders as the images directly in them but for our own drawings; each once.

    Raises:
        TeachMattersError: a folder holds no image.
    """
    from teachmatters.datasets.images import is_image
    from teachmatters.reports.figures.attention_grid import is_drawing

    found: dict[Path, Path] = {}
    for path in paths:
        inside = [path]
        if path.is_dir():
            inside = [one for one in sorted(path.iterdir()) if is_image(one.name) and not is_drawing(one)]
            if not inside:
                raise TeachMattersError(f"folder {str(path)!r} holds no image itself; name files, or a folder of them")
        for one in inside:
            found.setdefault(one.resolve(), one)
    return list(found.values())


def short_names(paths: Sequence[Path]) -> dict[Path, str]:
    """The shortest names that tell the images apart: without suffix, with it, behind their folders.

    >>> short_names([Path("cats/0.png"), Path("dogs/1.png")])[Path("cats/0.png")]
    '0'
    >>> list(short_names([Path("/a/cats/0.png"), Path("/a/dogs/0.png")]).values())
    ['cats-0.png', 'dogs-0.png']
    """
    whole = [path.resolve().parts[1:] for path in paths]
    names = [path.stem for path in paths]
    for count in range(1, max(map(len, whole), default=0) + 1):
        if len(set(names)) == len(names):
            break
        names = ["-".join(parts[-count:]) for parts in whole]
    return dict(zip(paths, names, strict=True))


class Drawings:
    """Where the drawings go, and which were written.

    Args:
        folder: is made when there is something to put into it.
        images: all that may come.
        kinds: which grids to draw.
    """

    def __init__(self, folder: Path, images: Sequence[Path], kinds: Sequence[Kind]) -> None:
        self.folder, self.kinds = folder, kinds
        self.names = short_names(images)
        self.written: list[Path] = []

    def draw(self, seen: ImageViews) -> list[Path]:
        """Draw one image in one model.

        Raises:
            TeachMattersError: a file that is none of ours is in the way, or nothing can be written.
        """
        from teachmatters.reports.figures import attention_grid, plots

        done = []
        for kind in self.kinds:
            grid = seen.views.grid(kind)
            path = self._target(f"{self.names[seen.image]}.{seen.model}", f".{grid.name}.png")
            plots.save(attention_grid.draw(seen.image.name, seen.model, seen.pixels, grid, seen.tokens), path)
            self.written.append(path)
            done.append(path)
        return done

    def _target(self, name: str, ending: str) -> Path:
        from teachmatters.reports.figures.attention_grid import is_drawing
        from teachmatters.reports.tables.atomic_write import fitting

        path = self.folder / fitting(re.sub(r"[^\w.@=+-]+", "-", name), ending)
        if path in self.written or (path.exists() and not is_drawing(path)):
            ours = "was drawn by this command already" if path in self.written else "is none of this command's drawings"
            raise TeachMattersError(f"{str(path)!r} {ours} and would be lost; choose another --out, or a LABEL=NAME")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TeachMattersError(f"--out {str(self.folder)!r}: {error.strerror}; name a folder to make") from error
        return path
