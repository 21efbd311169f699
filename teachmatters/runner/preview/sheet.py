"""The contact sheet, with a section for every kind of data that a data set offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image

from teachmatters.api import Kind
from teachmatters.errors import TeachMattersError
from teachmatters.runner.plan.datasets import OpenDataset
from teachmatters.runner.preview import sections, tiles
from teachmatters.runner.preview.source import WIDTH, Source

MARGIN = 24

SECTIONS: Mapping[Kind, Callable[[Source], Image.Image]] = {
    "images": sections.images,
    "labels": sections.images,
    "masks": sections.masks,
    "parts": sections.masks,
    "semantic": sections.semantic,
    "retrieval": sections.retrieval,
    "videos": sections.videos,
    "pairs": sections.pairs,
}


def write_preview(opened: OpenDataset, path: Path) -> None:
    """Write the sheet as a PNG.

    Raises:
        TeachMattersError: the file cannot be written, or the data set is empty.
    """
    sheet = contact_sheet(opened)
    try:
        sheet.save(path, "PNG")
    except OSError as error:
        raise TeachMattersError(f"cannot write {str(path)!r}: {error.strerror or error}.") from error


def contact_sheet(opened: OpenDataset) -> Image.Image:
    """Draw the sheet, which is the same for the same data; unlabelled images have a section if there are no labels."""
    offered = [kind for kind in SECTIONS if kind in opened.dataset.kinds]
    if "labels" in offered and "images" in offered:
        offered.remove("images")
    title = tiles.words(opened.spec.name, WIDTH, 22, bold=True)
    blocks = [tiles.stack([title, tiles.words(opened.spec.summary, WIDTH, 13, tiles.FAINT)], gap=2)]
    blocks += [SECTIONS[kind](Source(opened, kind)) for kind in offered]
    body = tiles.stack(blocks, gap=30)
    sheet = Image.new("RGB", (body.width + 2 * MARGIN, body.height + 2 * MARGIN), tiles.PAPER)
    sheet.paste(body, (MARGIN, MARGIN))
    return sheet
