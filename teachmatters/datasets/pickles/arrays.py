"""The few names by which NumPy pickles itself, old and new: what they stand for when ground truth is read."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeAlias

import numpy as np

SIZES = (1, 2, 4, 8)
MOST_WORDS = 80  # characters of what a file holds, in a message


class Budget:
    """Bytes that may still be made of what a file holds: a file may name the same bytes again and again."""

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, size: int) -> None:
        """Take so many.

        Raises:
            UnpicklingError: there are fewer left.
        """
        self.left -= size
        if self.left < 0:
            refuse("arrays that are larger than the file")


# What a name stands for: takes the budget, then what the file hands to it.
Call: TypeAlias = Callable[..., Any]


def refuse(what: str) -> NoReturn:
    """Say what a file holds that it should not.

    Raises:
        UnpicklingError: always.
    """
    raise pickle.UnpicklingError(f"it holds {what[:MOST_WORDS]}")


class Type:
    """In place of numpy.dtype: a kind and a size that can be told from a few letters."""

    __slots__ = ("code", "order")

    def __init__(self, _: Budget, code: str, *__: object) -> None:
        kind, size = code[:1], code[1:]
        if kind not in "biuf" or not size.isdigit() or int(size) not in SIZES:
            refuse(f"arrays of {code[:MOST_WORDS]!r}")
        self.code, self.order = code, "="

    def build(self, _: Budget, state: tuple[Any, ...]) -> None:
        """Take the byte order, all that a type of numbers has beside its letters."""
        if state[1] not in ("<", ">", "|", "="):
            refuse(f"a byte order {state[1]!r}")
        self.order = state[1]

    def read(self, budget: Budget, raw: bytes | str, shape: tuple[int, ...], order: str) -> Any:
        """Return the entries as lists in lists, those of an array without axes as a number."""
        raw = raw.encode("latin1") if isinstance(raw, str) else raw
        dtype = np.dtype(self.code).newbyteorder(self.order)  # type: ignore[arg-type]
        budget.spend(len(raw) + math.prod(max(axis, 1) for axis in shape))  # a list for each row, also an empty one
        if len(raw) != math.prod(shape) * dtype.itemsize:
            refuse(f"an array of shape {shape} in {len(raw)} bytes")
        return np.frombuffer(raw, dtype).reshape(shape, order=order).tolist()  # type: ignore[call-overload]


class Array(list[Any]):
    """In place of an array: the list of its entries, filled when its state comes."""

    __slots__ = ()

    def build(self, budget: Budget, state: tuple[Any, ...]) -> None:
        """Take what an array is made of."""
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
    """How protocol 2 writes bytes."""
    if encoding != "latin1":
        refuse(f"text in {encoding!r}")
    budget.spend(len(text))
    return text.encode("latin1")


def _nothing(_: Budget) -> bytes:
    """How protocols up to 2 write no bytes."""
    return b""


def _no_call(*_: object) -> NoReturn:
    refuse("a call of numpy.ndarray")


CALLS: Mapping[tuple[str, str], Call] = {
    ("numpy", "ndarray"): _no_call,  # only ever handed to _reconstruct, which needs it not
    ("numpy", "dtype"): Type,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _nothing,
    ("builtins", "bytes"): _nothing,
}
