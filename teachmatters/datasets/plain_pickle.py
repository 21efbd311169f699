"""Ground truth that is published as pickles, read without running what they say."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from teachmatters.errors import TeachMattersError

MOST_BYTES = 2**28
SIZES = (1, 2, 4, 8)


def read_plain_pickle(path: Path) -> Any:
    """What a pickle holds, if that is dicts, lists, tuples, texts, numbers and NumPy arrays of numbers.

    Arrays come as lists, NumPy's numbers as Python's. Nothing that the file names is imported or called: the few names
    by which NumPy pickles itself, old and new, stand for functions and classes of this module.

    Raises:
        TeachMattersError: no such file, a damaged one, or one that holds anything else.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise pickle.UnpicklingError(f"more than {MOST_BYTES:,} bytes")
        with path.open("rb") as file:
            return _Plain(file, encoding="latin1").load()  # latin1: arrays pickled by Python 2
    except OSError as error:
        raise TeachMattersError(f"cannot read {path}: {error.strerror}; check its path and permissions") from None
    except Exception as error:  # noqa: BLE001  bytes that are no pickle raise whatever they stumble over
        raise TeachMattersError(
            f"{path} is not read: {str(error) or type(error).__name__}. Ground truth is a pickle of plain lists, "
            "dicts, texts, numbers and NumPy arrays; fetch the file again from its source"
        ) from None


class _Plain(pickle.Unpickler):
    """Refuses every name but those in PLAIN."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return PLAIN[module.replace("numpy._core", "numpy.core"), name]
        except KeyError:
            raise pickle.UnpicklingError(f"it wants to use {module}.{name}") from None


class _Type:
    """In place of numpy.dtype: a kind and a size that can be told from a few letters."""

    __slots__ = ("code", "order")

    def __init__(self, code: str, *_: object) -> None:
        kind, size = code[:1], code[1:]
        if kind not in "biuf" or not size.isdigit() or int(size) not in SIZES:
            _refuse(f"arrays of {code!r}")
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">", "|", "="):
            _refuse(f"a byte order {state[1]!r}")
        self.order = state[1]

    def read(self, raw: bytes | bytearray | str, shape: tuple[int, ...], order: str) -> np.ndarray[Any, Any]:
        raw = raw.encode("latin1") if isinstance(raw, str) else raw
        dtype = np.dtype(self.code).newbyteorder(self.order)  # type: ignore[arg-type]
        if len(raw) != math.prod(shape) * dtype.itemsize:
            _refuse(f"an array of shape {shape} in {len(raw)} bytes")
        return np.frombuffer(raw, dtype).reshape(shape, order=order)  # type: ignore[call-overload,no-any-return]


class _Array(list[Any]):
    """In place of an array: the list of its entries, filled when its state comes."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, raw = state
        self[:] = dtype.read(raw, shape, "F" if fortran else "C").tolist()


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _frombuffer(raw: bytes, dtype: _Type, shape: tuple[int, ...], order: str) -> list[Any]:
    return list(dtype.read(raw, shape, order).tolist())


def _scalar(dtype: _Type, raw: bytes | str) -> int | float | bool:
    value: int | float | bool = dtype.read(raw, (), "C").item()
    return value


def _encode(text: str, encoding: str) -> bytes:
    """How protocol 2 writes bytes."""
    if encoding != "latin1":
        _refuse(f"text in {encoding!r}")
    return text.encode("latin1")


def _nothing() -> bytes:
    """How protocols up to 2 write no bytes."""
    return b""


def _refuse(what: str) -> NoReturn:
    raise pickle.UnpicklingError(f"it holds {what}")


PLAIN: Mapping[tuple[str, str], Callable[..., Any] | None] = {
    ("numpy", "ndarray"): None,  # only ever handed to _reconstruct, which needs it not
    ("numpy", "dtype"): _Type,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _nothing,
}
