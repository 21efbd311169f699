"""Loads and transforms images in background threads, in order, and checks that annotations match their size."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeAlias

from teachmatters.api import Box, IndexMask, Mask, ModelInfo, SemanticMask, Transform, TransformedImage
from teachmatters.errors import TeachMattersError
from teachmatters.runner.forward.schedule import ScheduledImage

# A core reads about 140 photographs per second, while a GPU can process thousands.
WORKERS = min(16, os.cpu_count() or 1)

# The fraction of the side by which a box may exceed its image: annotators draw boxes slightly too large.
BEYOND = 0.1

Loaded: TypeAlias = TransformedImage | Exception


def load_in_order(
    entries: Sequence[ScheduledImage], transform: Transform, model: ModelInfo, ahead: int, threads: int = WORKERS
) -> Iterator[tuple[ScheduledImage, Loaded]]:
    """Yield each entry with its transformed image, or with the exception if the image cannot be read.

    At most ``ahead`` images are loaded in advance, so memory does not grow with the data set.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="images") as pool:
        remaining = iter(entries)
        waiting: deque[tuple[ScheduledImage, Future[Loaded]]] = deque()
        try:
            while True:
                for entry in islice(remaining, ahead - len(waiting)):
                    waiting.append((entry, pool.submit(load_image, entry, transform, model)))
                if not waiting:
                    return
                entry, future = waiting.popleft()
                yield entry, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def load_image(entry: ScheduledImage, transform: Transform, model: ModelInfo) -> Loaded:
    """Return an image ready for the model, or the exception if it cannot be read."""
    wanted = {kind: assignment.member.dataset for assignment in entry.assignments for kind in assignment.member.kinds}
    try:
        image = entry.dataset.image(entry.item)
        annotations: dict[str, Mapping[str, Any]] = {
            kind: dataset.annotations(entry.item, kind) for kind, dataset in wanted.items()
        }
        check_sizes(entry.item.key, image.size, annotations)
        return transform.apply(image, annotations, model)
    except (OSError, ValueError, SyntaxError) as error:  # the exceptions that the contracts allow for a bad image
        return error


def check_sizes(key: str, size: tuple[int, int], annotations: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that annotations match the size of their image.

    Args:
        key: the key of the item.
        size: width and height of the image.
        annotations: by kind and name.

    Raises:
        TeachMattersError: a mask has another size, or a box reaches far beyond the image; names both sizes.
    """
    (width, height), values = size, [value for named in annotations.values() for value in named.values()]
    for value in [item for entry in values for item in (entry if isinstance(entry, tuple) else (entry,))]:
        if isinstance(value, Mask | IndexMask | SemanticMask) and value.pixels.shape != (height, width):
            problem = "its mask is {1} x {0} pixels".format(*value.pixels.shape)
        elif isinstance(value, Box) and _beyond(value, width, height):
            problem = f"its box reaches from ({value.left:g}, {value.top:g}) to ({value.right:g}, {value.bottom:g})"
        else:
            continue
        raise TeachMattersError(
            f"{key} is {width} x {height} pixels, but {problem}; images and annotations must have the same size: "
            "download both again"
        )


def _beyond(box: Box, width: int, height: int) -> bool:
    x, y = BEYOND * width, BEYOND * height
    return box.left < -x or box.top < -y or box.right > width + x or box.bottom > height + y
