"""The arrays of a store, read by the thousand."""

from __future__ import annotations

import io
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LENGTHS = {1: 2, 2: 4}
"""Bytes that say how long the header is, by version of the format."""


def read(data: bytes) -> NDArray[Any]:
    """What ``np.load`` reads from the bytes of an ``.npy``, without pickles; read-only.

    NumPy parses each header as Python. A store holds thousands of arrays with few different headers: each is parsed
    once.

    Raises:
        ValueError: it is no ``.npy``, holds Python objects, or is cut off.

    >>> import numpy as np
    >>> file = io.BytesIO()
    >>> np.save(file, np.arange(3.0))
    >>> read(file.getvalue())
    array([0., 1., 2.])
    """
    import numpy as np

    start = _start(data)
    if not start:
        loaded: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
        return loaded
    dtype, shape, order = _layout(data[:start])
    count = math.prod(shape)
    if len(data) - start < count * dtype.itemsize:
        raise ValueError(f"an array of shape {shape} and dtype {dtype} is cut off after {len(data) - start} bytes")
    return np.frombuffer(data, dtype, count, start).reshape(shape, order=order)


def _start(data: bytes) -> int:
    """Where the numbers begin; 0 for what NumPy should judge: newer versions, and what is no ``.npy``."""
    if not data.startswith(b"\x93NUMPY") or len(data) < 12 or data[6] not in _LENGTHS:
        return 0
    length = _LENGTHS[data[6]]
    return 8 + length + int.from_bytes(data[8 : 8 + length], "little")


@lru_cache(maxsize=256)
def _layout(header: bytes) -> tuple[np.dtype[Any], tuple[int, ...], Any]:
    import numpy as np

    file = io.BytesIO(header)
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
    shape, in_columns, dtype = read_header(file)
    if dtype.hasobject:
        raise ValueError("an array of Python objects is not read")
    return dtype, shape, "F" if in_columns else "C"
