"""Stand-ins for the few functions and types in the pickles of NumPy arrays, old and new."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeAlias

import numpy as np

SIZES = (1, 2, 4, 8)
MOST_WORDS = 80  # characters of what a file holds, in a message


class Budget:
    """Limit on the bytes created from a file, which may refer to the same bytes again and again."""

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, size: int) -> None:
        """Subtract ``size`` bytes.

        Raises:
            UnpicklingError: fewer bytes are left.
        """
        self.left -= size
        if self.left < 0:
            refuse("arrays that are larger than the file")


# The stand-in for a name; called with the budget and the arguments in the file.
Call: TypeAlias = Callable[..., Any]


def refuse(what: str) -> NoReturn:
    """Reject the content of a file.

    Raises:
        UnpicklingError: always.
    """
    raise pickle.UnpicklingError(f"it holds {what[:MOST_WORDS]}")


class Type:
    """Stand-in for numpy.dtype: kind, size and byte order of a type of numbers."""

    __slots__ = ("code", "order")

    def __init__(self, _: Budget, code: str, *__: object) -> None:
        kind, size = code[:1], code[1:]
        if kind not in "biuf" or not size.isdigit() or int(size) not in SIZES:
            refuse(f"arrays of {code[:MOST_WORDS]!r}")
        self.code, self.order = code, "="

    def build(self, _: Budget, state: tuple[Any, ...]) -> None:
        """Set the byte order, the only other state of a type of numbers."""
        if state[1] not in ("<", ">", "|", "="):
            refuse(f"a byte order {state[1]!r}")
        self.order = state[1]

    def read(self, budget: Budget, raw: bytes | str, shape: tuple[int, ...], order: str) -> Any:
        """Return the entries as nested lists; a number for an array without axes."""
        raw = raw.encode("latin1") if isinstance(raw, str) else raw
        dtype = np.dtype(self.code).newbyteorder(self.order)  # type: ignore[arg-type]
        budget.spend(len(raw) + math.prod(max(axis, 1) for axis in shape))  # a list for each row, also an empty one
        if len(raw) != math.prod(shape) * dtype.itemsize:
            refuse(f"an array of shape {shape} in {len(raw)} bytes")
        return np.frombuffer(raw, dtype).reshape(shape, order=order).tolist()  # type: ignore[call-overload]


class Array(list[Any]):
    """Stand-in for an array: the list of its entries, filled by ``build``."""

    __slots__ = ()

    def build(self, budget: Budget, state: tuple[Any, ...]) -> None:
        """Fill the list from the state of an array."""
        _, shape, dtype, fortran, raw = state
        self[:] = _known(dtype).read(budget, raw, shape, "F" if fortran else "C")


def _known(dtype: object) -> Type:
    if not isinstance(dtype, Type):
        refuse("an array without a type")
    return dtype


def _reconstruct(*_: object) -> Array:
    return Array()


def _frombuffer(budget: Budget, raw: bytes, dtype: object, shape: tuple[int, ...], order: str) -> Any:
    return _known(dtype).read(budget, raw, shape, order)


def _scalar(budget: Budget, dtype: object, raw: bytes | str) -> Any:
    return _known(dtype).read(budget, raw, (), "C")


def _encode(budget: Budget, text: str, encoding: str) -> bytes:
    """Encode a text to bytes, which is how protocol 2 writes bytes."""
    if encoding != "latin1":
        refuse(f"text in {encoding!r}")
    budget.spend(len(text))
    return text.encode("latin1")


def _nothing(_: Budget) -> bytes:
    """Return empty bytes, which protocols up to 2 write as a call without arguments."""
    return b""


def _no_call(*_: object) -> NoReturn:
    refuse("a call of numpy.ndarray")


CALLS: Mapping[tuple[str, str], Call] = {
    ("numpy", "ndarray"): _no_call,  # an unused argument of _reconstruct, never called
    ("numpy", "dtype"): Type,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _nothing,
    ("builtins", "bytes"): _nothing,
}
