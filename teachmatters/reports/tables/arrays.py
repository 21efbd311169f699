"""Read the arrays of a store, fast enough for thousands of them."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from teachmatters.errors import DamagedError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BROKEN = (ValueError, EOFError, MemoryError, TypeError, OverflowError, SyntaxError)  # what NumPy raises for a bad file
# The number of bytes that hold the length of the header, by version of the format.
_LENGTHS = {1: 2, 2: 4}


def read(data: bytes) -> NDArray[Any]:
    """Read a read-only array from the bytes of an ``.npy`` as ``np.load`` does, without pickles.

    NumPy parses each header as Python. A store holds thousands of arrays with few different headers, so each header is
    parsed only once.

    Raises:
        ValueError: the bytes are not an ``.npy``, hold Python objects, or are truncated.

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
        raise ValueError(f"an array of shape {shape} and dtype {dtype} is truncated after {len(data) - start} bytes")
    return np.frombuffer(data, dtype, count, start).reshape(shape, order=order)


def stored(data: bytes, *dimensions: int) -> NDArray[Any]:
    """Read an array of a store as ``read`` does, and reject implausible ones.

    Args:
        data: the bytes of an ``.npy``.
        dimensions: the allowed numbers of dimensions; if given, the array must also be numeric.

    Raises:
        DamagedError: the array cannot be read, has more elements than bytes, other dimensions, or no numbers.
    """
    try:
        array = read(data)
    except _BROKEN as error:
        raise _refused(str(error)) from error
    if math.prod(max(1, length) for length in array.shape) > len(data):
        raise _refused(f"its shape is {array.shape}, but it has only {len(data)} bytes")
    if dimensions and (array.ndim not in dimensions or array.dtype.kind not in "biuf"):
        raise _refused(f"its shape is {array.shape} and its dtype {array.dtype}")
    return array


def stacked(files: Sequence[bytes]) -> NDArray[Any]:
    """Read arrays of one dimension as ``stored`` does, and stack them. Those with one header are read at once.

    Args:
        files: the bytes of an ``.npy`` each, at least one.

    Returns:
        (files, length).

    Raises:
        DamagedError: an array cannot be read, or they differ in length.

    >>> import numpy as np
    >>> file = io.BytesIO()
    >>> np.save(file, np.arange(3.0))
    >>> stacked([file.getvalue(), file.getvalue()])
    array([[0., 1., 2.],
           [0., 1., 2.]])
    """
    import numpy as np

    first, size = stored(files[0], 1), len(files[0])
    start = _start(files[0])
    header = files[0][:start]
    if start and size == start + first.nbytes and all(len(each) == size and each.startswith(header) for each in files):
        return np.frombuffer(b"".join(each[start:] for each in files), first.dtype).reshape(len(files), first.size)
    arrays = [stored(each, 1) for each in files]
    if len({array.size for array in arrays}) > 1:
        raise DamagedError("the layers of a run in the store have different numbers of unit scores. Restore a backup")
    return np.stack(arrays)


def _refused(told: str) -> DamagedError:
    return DamagedError(f"an array of the store cannot be shown: {told}. Restore a backup, or name another store")


def _start(data: bytes) -> int:
    """Return where the numbers begin; 0 for other versions of the format and other files, which NumPy then reads."""
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
