"""Locate a model, in a folder or a repository of the Hugging Face hub, and read its JSON files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teachmatters.errors import TeachMattersError, did_you_mean

PREFIX = "hf/"

CONFIG = "config.json"

# File names of weights, best first; an index lists the parts of large weights.
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")


@dataclass(frozen=True, slots=True)
class Place:
    """The part of a name after ``hf/``.

    Attributes:
        given: the id or folder as written.
        folder: the path; None for an id.
    """

    given: str
    folder: Path | None

    @property
    def name(self) -> str:
        """Return the model's name."""
        return PREFIX + self.given


def locate(name: str) -> Place:
    """Parse a name: a folder if it exists, else an id of the hub.

    Raises:
        TeachMattersError: the name is neither a folder nor a valid id, or has characters that no model name can have.

    >>> locate("hf/facebook/dinov2-base")
    Place(given='facebook/dinov2-base', folder=None)
    """
    given = name.removeprefix(PREFIX)
    given = given.rstrip("/") or given
    folder = Path(given).expanduser()
    if folder.is_dir():
        if re.search(r"[\s=:]", given) or given.startswith("-"):
            raise TeachMattersError(
                f"{name}: the name of a model holds no space, '=' or ':' and begins with no '-'; rename the folder, or "
                "link to it ('ln -s')"
            )
        return Place(given, folder)
    if folder.is_file():
        raise TeachMattersError(f"{name}: {given} is a file; name the folder that contains it and its {CONFIG}")
    if not re.fullmatch(r"(\w[\w.-]*/)?\w[\w.-]*", given, re.ASCII):
        raise TeachMattersError(
            f"{name}: there is no folder {given}, and it is not an id of the Hugging Face hub. {near(given)}Write "
            "hf/<folder>, or hf/<owner>/<name> such as hf/facebook/dinov2-base"
        )
    return Place(given, None)


def near(given: str) -> str:
    """Return ``"Did you mean 'hf/my-vit'? "`` for a model folder of a similar name, or an empty text."""
    wanted = Path(given).expanduser()
    try:
        folders = [each.name for each in wanted.parent.iterdir() if (each / CONFIG).is_file()]
    except OSError:
        return ""
    parent = given[: -len(wanted.name)] if given.endswith(wanted.name) else ""
    return did_you_mean(PREFIX + given, [PREFIX + parent + folder for folder in folders])


def read_config(folder: Path) -> Mapping[str, Any]:
    """Read the model's config.

    Raises:
        TeachMattersError: there is no config, or it cannot be read.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise TeachMattersError(
            f"{folder} has no {CONFIG}, so it holds no model of transformers; name a folder that save_pretrained wrote"
        )
    return read_json(path)


def read_json(path: Path) -> Mapping[str, Any]:
    """Read the object in a JSON file.

    Raises:
        TeachMattersError: the file cannot be read or holds something else.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise TeachMattersError(f"cannot read {path} ({error}); fetch it again") from None
    if not isinstance(content, dict):
        raise TeachMattersError(
            f"{path} holds a {type(content).__name__} where a JSON object is expected; fetch it again"
        )
    return content


def weights_in(folder: Path) -> list[Path]:
    """Return the weight files in a folder: one, or the parts in an index.

    Raises:
        TeachMattersError: there are no weights, or a part is missing.
    """
    found = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if found is None:
        raise TeachMattersError(
            f"{folder} has no {WEIGHTS[0]} or {WEIGHTS[2]}; save the model there with save_pretrained, or give "
            "--weights FILE"
        )
    if found.suffix != ".json":
        return [found]
    named = read_json(found).get("weight_map")
    parts = sorted(set(map(str, named.values()))) if isinstance(named, dict) else []
    missing = [part for part in parts if part != Path(part).name or not (folder / part).is_file()]
    if missing or not parts:
        raise TeachMattersError(
            f"{found} names {missing[0] if missing else 'no file'}, which is not there; fetch it again"
        )
    return [folder / part for part in parts]
