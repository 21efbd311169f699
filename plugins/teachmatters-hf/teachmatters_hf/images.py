"""Read mean, standard deviation and size of a model's images from the image processor's config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teachmatters.errors import TeachMattersError
from teachmatters_hf.families import Family, MeanStd
from teachmatters_hf.places import read_json

# Newer models may have it inside the first file; the second contains nothing else.
PROCESSORS = ("processor_config.json", "preprocessor_config.json")


@dataclass(frozen=True, slots=True)
class Images:
    """The input images of a model.

    Attributes:
        mean_std: mean and standard deviation of the channels, for values in 0..1.
        size: rows and columns of pixels; None for the size in the network's config.
        file: the config with these values; None without such a file.
        asked: True if the size comes from the model's name.
    """

    mean_std: MeanStd
    size: tuple[int, int] | None = None
    file: Path | None = None
    asked: bool = False


def read_images(folder: Path, family: Family, asked: tuple[int, int] | None = None) -> Images:
    """Read the image processor's config in a folder; without one, return the family's usual mean and std.

    Args:
        folder: the model's folder.
        family: the network's family.
        asked: rows and columns of pixels, if the model's name requests them.

    Raises:
        TeachMattersError: the file cannot be read or has invalid values.
    """
    for file in PROCESSORS:
        path = folder / file
        content = read_json(path) if path.is_file() else {}
        said = content.get("image_processor") if file == PROCESSORS[0] else content
        if isinstance(said, Mapping) and said:
            try:
                return Images(_mean_std(said, family), asked or _size(said), path, asked is not None)
            except (TypeError, ValueError, ZeroDivisionError) as error:
                raise TeachMattersError(f"{path}: {error}; fetch it again") from None
    return Images(family.mean_std, asked, asked=asked is not None)


def _mean_std(said: Mapping[str, Any], family: Family) -> MeanStd:
    """Return mean and std for values in 0..1, independent of the config's rescale factor.

    Raises:
        TypeError, ValueError: the config has other than three numbers, or a std of 0.
    """
    if not said.get("do_normalize", True):
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    else:
        mean = _three(said, "image_mean", family.mean_std[0])
        std = _three(said, "image_std", family.mean_std[1])
    largest = 255 * float(said.get("rescale_factor", 1 / 255)) if said.get("do_rescale", True) else 255.0
    if min(std) <= 0 or largest <= 0:
        raise ValueError(f"image_std {std} and rescale_factor must be above 0")
    return (mean[0] / largest, mean[1] / largest, mean[2] / largest), (
        std[0] / largest,
        std[1] / largest,
        std[2] / largest,
    )


def _three(said: Mapping[str, Any], key: str, usual: tuple[float, float, float]) -> tuple[float, float, float]:
    given = said.get(key)
    if given is None:
        return usual
    values = [float(given)] * 3 if isinstance(given, int | float) else [float(value) for value in given]
    if len(values) != 3:
        raise ValueError(f"{key} holds {len(values)} numbers where 3 are expected")
    return values[0], values[1], values[2]


def _size(said: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the size of the crop, or else of the resized image; None if neither has one.

    >>> _size({"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": {"height": 224, "width": 224}})
    (224, 224)
    """
    crop = said.get("crop_size") if said.get("do_center_crop", "crop_size" in said) else None
    given = crop or said.get("size")
    if isinstance(given, int):
        return given, given
    if not isinstance(given, Mapping):
        return None
    edge = given.get("shortest_edge")
    rows, columns = given.get("height") or edge, given.get("width") or edge
    return (int(rows), int(columns)) if rows and columns else None
