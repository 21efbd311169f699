"""The explorer as one HTML document that needs neither a network nor a server."""

from __future__ import annotations

import base64
import html
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from importlib import resources
from string import Template
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from teachmatters.reports.explorer.data import ExplorerImage, ExplorerModel
from teachmatters.reports.figures.attention_grid import UNIFORM

SCRIPTS = ("data.js", "draw.js", "state.js", "panels.js", "show.js", "explorer.js")  # in this order
ATTENTION, SIMILARITY = "inferno", "viridis"
# Images of fewer pixels are stored without loss.
SMALL = 128 * 128


def build(models: Sequence[ExplorerModel], images: Sequence[str], title: str = "Attention explorer") -> str:
    """Return an HTML document that shows the attention, principal components and similarity of images.

    Arrays are stored in 8 bits, compressed, in base64: attention in steps of 1/255 of the maximum of its row, cosines
    in steps of 1/255 of their range in a layer.

    Args:
        models: at least one; each has all images.
        images: their names.
        title: the title of the document.
    """
    described = [_described(model, place) for place, model in enumerate(models)]
    fill = {
        "title": html.escape(title),
        "style": _asset("explorer.css"),
        "data": "\n".join(blob for place, model in enumerate(models) for blob in _blobs(model, place)),
        "index": _json(
            {
                "uniform": UNIFORM,
                "images": list(images),
                "models": described,
                "colours": [_table(ATTENTION), _table(SIMILARITY)],
            }
        ),
        "script": "\n".join(_asset(name) for name in SCRIPTS),
    }
    return Template(_asset("explorer.html")).substitute(fill)


def _described(model: ExplorerModel, place: int) -> dict[str, Any]:
    """Return what the page must know about a model before it reads an array."""
    return {
        "label": model.label,
        "about": model.about,
        "rows": model.grid[0],
        "columns": model.grid[1],
        "classToken": model.class_token,
        "registers": model.registers,
        "layers": model.layers,
        "heads": model.heads,
        "pictures": [_picture(image) for image in model.images],
        "ranges": {_pair(place, *pair): _ranges(values).tolist() for pair, values in model.similarity.items()},
    }


def _blobs(model: ExplorerModel, place: int) -> Iterator[str]:
    for number, image in enumerate(model.images):
        largest = image.largest.astype("<f4").tobytes()
        yield _blob(f"attention-{place}-{number}", largest + image.steps.tobytes())
        yield _blob(f"pca-{place}-{number}", np.rint(255 * image.colours).astype(np.uint8).tobytes())
    for pair, values in model.similarity.items():
        low, high = _ranges(values).T[..., None, None]
        steps = np.rint(255 * (values - low) / np.where(high > low, high - low, 1))
        yield _blob(_pair(place, *pair), steps.astype(np.uint8).tobytes())


def _pair(model: int, first: int, second: int) -> str:
    return f"similarity-{model}-{first}-{second}"


def _ranges(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the smallest and the largest cosine of each layer, (layers, 2)."""
    return np.stack([values.min((1, 2)), values.max((1, 2))], axis=1).astype(np.float64).round(6)


def _blob(name: str, data: bytes) -> str:
    text = base64.b64encode(zlib.compress(data, 9)).decode()
    return f'<script type="application/octet-stream" id="{name}">{text}</script>'


def _picture(image: ExplorerImage) -> str:
    file, height, width = io.BytesIO(), *image.pixels.shape[:2]
    lossless = height * width < SMALL
    form, options = ("png", {"optimize": True}) if lossless else ("jpeg", {"quality": 92, "subsampling": 0})
    Image.fromarray(image.pixels).save(file, form, **options)
    return f"data:image/{form};base64,{base64.b64encode(file.getvalue()).decode()}"


def _table(colours: str) -> list[int]:
    """Return 256 colours, each as one number, 0xRRGGBB."""
    red, green, blue = (mpl.colormaps[colours](np.arange(256), bytes=True)[:, :3].astype(int)).T
    return [int(colour) for colour in (red << 16) + (green << 8) + blue]


def _json(value: object) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _asset(name: str) -> str:
    return (resources.files(__package__) / name).read_text("utf-8")
