"""List the classes that a checkpoint may hold next to its tensors: plain values, which run no code."""

from __future__ import annotations

import argparse
import datetime
import pathlib
import types
from collections.abc import Callable
from typing import Any

import numpy as np

Allowed = list[Callable[..., Any] | tuple[Callable[..., Any], str]]


def plain_data() -> Allowed:
    """List the classes that training scripts save next to the weights, for ``torch.serialization.safe_globals``.

    These are training arguments (Namespace), the best accuracy (a NumPy scalar), random states (NumPy arrays), logs
    (defaultdict) and dates. Each makes a value out of values; PyTorch's own unpickler rejects everything else.

    >>> dict in plain_data(), eval in plain_data()
    (True, False)
    """
    builtin: Allowed = [bool, bytes, dict, float, frozenset, int, list, range, slice, str, tuple]
    standard: Allowed = [
        argparse.Namespace, types.SimpleNamespace,
        datetime.date, datetime.datetime, datetime.timedelta, datetime.timezone,
    ]  # fmt: skip
    # A path of another system cannot be created here, so it becomes a pure path.
    paths: Allowed = [
        (pathlib.PurePosixPath, "pathlib.PosixPath"),
        (pathlib.PureWindowsPath, "pathlib.WindowsPath"),
    ]
    # PyTorch's unpickler fills plain containers only.
    containers: Allowed = [(_empty_dict, "collections.defaultdict"), (_empty_list, "collections.deque")]
    return [*builtin, *standard, *paths, *containers, *_numpy()]


def _empty_dict(*_: object) -> dict[Any, Any]:
    return {}


def _empty_list(*_: object) -> list[Any]:
    return []


def _numpy() -> Allowed:
    """Return the constructors of arrays and scalars, under their names in NumPy 1 and NumPy 2."""
    scalar: Any = np.float64(0).__reduce__()[0]
    reconstruct: Any = np.zeros(1).__reduce__()[0]
    dtypes: Allowed = [getattr(np.dtypes, name) for name in np.dtypes.__all__]
    return [
        np.ndarray,
        np.dtype,
        *dtypes,
        *((scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
        *((reconstruct, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    ]
