"""States of analyses on disk: one safetensors file each, written atomically."""

from __future__ import annotations

import json
import os
import uuid
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from teachmatters.api import State
from teachmatters.errors import TeachMattersError

_ARRAYS = (np.ndarray, np.generic)
_KINDS = "biuf"  # booleans, integers with and without sign, floats


def save_state(path: Path, state: State, key: str = "") -> None:
    """Write a state to a temporary file and rename it, so that no reader sees an incomplete state.

    Args:
        path: the file; replaced if it exists.
        state: arrays of any shape of bool, integers and floats; numbers; texts.
        key: identifies the state; ``load_state`` must be called with the same key.

    Raises:
        TypeError: a value has a type that a state may not hold.
        TeachMattersError: the disk is full or the folder cannot be written.
    """
    arrays = {name: _storable(name, value) for name, value in state.items() if isinstance(value, _ARRAYS)}
    rest = json.dumps({name: _plain(name, value) for name, value in state.items() if name not in arrays})
    facts = {"rest": rest, "key": key, "crc32": _checksum(key + rest, arrays)}
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        save_file(arrays, draft, metadata={"teachmatters": json.dumps(facts)})
        os.replace(draft, path)  # noqa: PTH105 (one call, atomic, whatever Path.replace becomes)
    except (OSError, SafetensorError) as error:
        raise TeachMattersError(
            f"{path} could not be written: {error}. Free some disk space, or check the folder"
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def load_state(path: Path, key: str = "") -> State:
    """Read a state; every value has the type it was saved with.

    Raises:
        TeachMattersError: the file is missing, damaged, not written by ``save_state``, or has another key.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            facts = json.loads((file.metadata() or {})["teachmatters"])
            arrays: dict[str, NDArray[np.generic]] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        sound = _checksum(facts["key"] + facts["rest"], arrays) == facts["crc32"]
        state: State = {**json.loads(facts["rest"]), **arrays}
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise TeachMattersError(f"{path} cannot be read as a saved state: {error}. Delete it and run again") from error
    if not sound:
        raise TeachMattersError(f"{path} is damaged: its checksum does not match. Delete it and run again")
    if facts["key"] != key:
        raise TeachMattersError(f"{path} belongs to another model or data set. Delete it and run again")
    return state


def _storable(name: str, value: Any) -> NDArray[np.generic]:
    """Return the array in row-major order and native byte order, as the writer of safetensors requires."""
    array = np.asarray(value, order="C")
    if array.dtype.kind not in _KINDS or array.dtype.itemsize > 8:
        raise TypeError(f"state {name!r}: an array of {array.dtype} cannot be saved")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _plain(name: str, value: Any) -> float | int | str:
    if isinstance(value, int | float | str):
        return value
    raise TypeError(f"state {name!r}: a {type(value).__name__} cannot be saved")


def _checksum(rest: str, arrays: dict[str, NDArray[np.generic]]) -> int:
    total = zlib.crc32(rest.encode(errors="surrogatepass"))
    for name, array in sorted(arrays.items()):
        total = zlib.crc32(f"{name}{array.dtype}{array.shape}".encode(errors="surrogatepass"), total)
        total = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, total)
    return total
