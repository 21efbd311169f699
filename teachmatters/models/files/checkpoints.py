"""Read a file of weights as data only; nothing in it is executed."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from teachmatters.errors import TeachMattersError, listing
from teachmatters.models.files.formats import format_of
from teachmatters.models.files.npz import read_npz
from teachmatters.models.files.plain_data import plain_data

ADVICE = "give a PyTorch (.pth, .pt, .bin), .safetensors or .npz file of weights"

SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".safetensors", ".npz", ".tar")

# File names of weights in a folder of transformers, best first; an index lists the parts of large weights.
FOLDER = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")


def split(given: Path) -> tuple[Path, str]:
    """Split ``FILE#NAME`` into a file of weights and the name of a network in it.

    >>> split(Path("run/checkpoint.pth#teacher"))
    (PosixPath('run/checkpoint.pth'), 'teacher')
    """
    file, sign, name = str(given).rpartition("#")
    if not sign or given.exists():  # a file's own name may hold a '#'
        return given, ""
    return Path(file), name


def files_of(path: Path) -> list[Path]:
    """List the files of one network's weights: the file itself, or those in a folder of transformers'.

    Raises:
        TeachMattersError: the file does not exist, the folder has no weights, or a part of an index is missing.
    """
    if not path.is_dir() and not path.name.endswith(".index.json"):
        if not path.exists():
            raise TeachMattersError(f"--weights {path}: there is no such file; {ADVICE}")
        return [path]
    names = FOLDER if path.is_dir() else (path.name,)
    folder = path if path.is_dir() else path.parent
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        raise _no_weights(path)
    return [found] if found.suffix != ".json" else _parts(found)


def _no_weights(folder: Path) -> TeachMattersError:
    """Make the error for a folder that transformers did not write; name the files that may be meant."""
    inside = sorted(file.name for file in folder.iterdir() if file.suffix in SUFFIXES)
    there = f"it holds {listing(inside, 3)}: give --weights {folder / inside[0]}" if inside else ADVICE
    return TeachMattersError(f"--weights {folder} is a folder without {FOLDER[0]} or {FOLDER[2]}; {there}")


def _parts(index: Path) -> list[Path]:
    try:
        named = json.loads(index.read_text("utf-8"))["weight_map"]
        parts = sorted(set(map(str, named.values())))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        parts = []
    missing = [part for part in parts if part != Path(part).name or not (index.parent / part).is_file()]
    if missing or not parts:
        raise TeachMattersError(
            f"{index} names {missing[0] if missing else 'no file'}, which is not there; fetch it again"
        )
    return [index.parent / part for part in parts]


def identify(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hex.

    Raises:
        TeachMattersError: the path is a folder, does not exist, or is an empty file.
    """
    if path.is_dir():
        raise TeachMattersError(f"--weights {path} is a folder; {ADVICE}")
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise TeachMattersError(f"--weights {path}: there is no such file; {ADVICE}") from None
    except OSError as error:
        raise TeachMattersError(f"--weights {path} cannot be read ({error.strerror}); {ADVICE}") from None
    if path.stat().st_size == 0:
        raise TeachMattersError(f"{path} is empty: the download or copy failed; fetch it again")
    return digest


def read(path: Path) -> Mapping[Any, Any]:
    """Read a checkpoint in the format of its content; nothing in it is executed.

    Args:
        path: a file, or a folder of transformers' with the files of one network.

    Returns:
        the tensors and plain data of the file, with its nesting.

    Raises:
        TeachMattersError: the file is not a checkpoint, is damaged, or would run code (TorchScript, some pickles).
    """
    content: dict[Any, Any] = {}
    for file in files_of(path):
        content |= _read_file(file)
    return content


def _read_file(path: Path) -> Mapping[Any, Any]:
    match format_of(path):
        case "safetensors":
            return _read_safetensors(path)
        case "npz":
            return read_npz(path)
    content = _read_torch(path)
    if not isinstance(content, Mapping):
        raise TeachMattersError(f"{path} holds a {type(content).__name__}, not a dictionary of weights; {ADVICE}")
    return content


def _read_safetensors(path: Path) -> Mapping[Any, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        content: Mapping[Any, Any] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise TeachMattersError(
            f"{path} is not a readable .safetensors file ({_line(error)}); fetch it again"
        ) from None
    return content


def _read_torch(path: Path) -> object:
    try:
        with torch.serialization.safe_globals(plain_data()):
            return _load(path)
    except Exception as error:  # noqa: BLE001  any bytes may be given, and the reader fails on them in any way
        raise _unreadable(path, error) from None


def _load(path: Path) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about old formats; the user cannot change them
        if path.suffix != ".safetensors":
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
        with path.open("rb") as file:  # given the name, PyTorch would read a .safetensors file
            return torch.load(file, map_location="cpu", weights_only=True)


def _unreadable(path: Path, error: Exception) -> TeachMattersError:
    if isinstance(error, pickle.UnpicklingError):
        named = re.search(r"GLOBAL:? ([\w.]+)", str(error))
        if named or _begins_as_pickle(path):
            what = f" ({named[1]})" if named else ""
            return TeachMattersError(
                f"{path} is a pickle that asks for more than tensors{what}: it could run code and was not loaded; save "
                "the model's state_dict() with torch.save and give that file"
            )
    return TeachMattersError(
        f"{path} is not a checkpoint, or a damaged one ({_line(error)}); {ADVICE}, or fetch it again"
    )


def _begins_as_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1) == b"\x80"


def _line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0][:120] if text and not isinstance(error, KeyError | pickle.UnpicklingError) else type(error).__name__
