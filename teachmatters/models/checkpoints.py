"""Reading a file of weights as data only: nothing in it is ever run."""

from __future__ import annotations

import argparse
import hashlib
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from teachmatters.errors import TeachMattersError
from teachmatters.models.npz import read_npz

ADVICE = "give a PyTorch (.pth, .pt, .bin), .safetensors or .npz file of weights"


def identify(path: Path) -> str:
    """The sha256 of a file of weights, in hex.

    Raises:
        TeachMattersError: no such file, a folder, or an empty file.
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
    """What a checkpoint holds; nothing in it is ever run.

    Raises:
        TeachMattersError: not a checkpoint, damaged, a TorchScript program, or a pickle that would run code.
    """
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    members = _members(path)
    if any(name.endswith(".npy") for name in members):
        return read_npz(path)
    if any(name.endswith("/constants.pkl") for name in members):
        raise TeachMattersError(
            f"{path} is a TorchScript program, not a file of weights, and is not run; save its state_dict() with "
            "torch.save and give that file, or use the published .safetensors"
        )
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


def _members(path: Path) -> list[str]:
    """What a zip archive holds; nothing for any other file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except zipfile.BadZipFile:  # an older format, or damaged: reading it will tell
        return []


def _read_torch(path: Path) -> object:
    try:
        return _load(path)
    except pickle.UnpicklingError:
        pass  # official files hold their training arguments: those and nothing else are let in
    except Exception as error:  # noqa: BLE001  any bytes may be given, and the reader fails on them in any way
        raise _unreadable(path, error) from None
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            return _load(path)
    except Exception as error:  # noqa: BLE001  as above
        raise _unreadable(path, error) from None


def _load(path: Path) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about old formats: nothing the user could act on
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))


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
