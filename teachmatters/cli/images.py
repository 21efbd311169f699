"""The images on a command line: files and folders, and short names for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from teachmatters.errors import TeachMattersError


def image_files(paths: Sequence[Path]) -> list[Path]:
    """Return the given files, and the images directly in the given folders except our own figures, each once.

    Raises:
        TeachMattersError: a folder has no image.
    """
    from teachmatters.datasets.images import is_image
    from teachmatters.reports.figures.panel_sheet import is_our_figure

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
