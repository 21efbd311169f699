"""Read an .npz file of weights: plain arrays only, with memory bounded by the size of the file."""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachmatters.errors import TeachMattersError

ENCRYPTED = 0x1  # bit of a zip member's flags
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what numpy.savez and savez_compressed write
MOST_HEADER = 4096  # bytes; that of an array of numbers takes about 128
MOST_TIMES = 20  # weights hardly shrink when they are compressed
ALWAYS_ALLOWED = 2**28  # bytes; a small network of zeros shrinks a thousand times


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz file by name; other members are ignored.

    Every size is checked before memory is allocated: all arrays together take at most 20 times the bytes of the file,
    or 256 MiB if that is more.

    Raises:
        TeachMattersError: the file is not a zip archive, is damaged or encrypted, uses a compression that NumPy does
            not write, holds arrays of objects, or has inconsistent sizes.
    """
    try:
        with warnings.catch_warnings(), zipfile.ZipFile(path) as archive:
            warnings.simplefilter("ignore")  # about headers written by Python 2; the user cannot change them
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            _check_total(members, path.stat().st_size)
            return {member.filename.removesuffix(".npy"): _array(archive, member) for member in members}
    except Exception as error:  # noqa: BLE001  any bytes may be given, and the readers fail on them in any way
        raise TeachMattersError(
            f"{path} is not a readable .npz file of plain arrays ({_line(error)}); fetch it again, or save the weights "
            "with numpy.savez"
        ) from None


def _check_total(members: list[zipfile.ZipInfo], size: int) -> None:
    """Reject an archive that unpacks to far more bytes than it has; its members may share bytes."""
    total, most = sum(member.file_size for member in members), max(ALWAYS_ALLOWED, MOST_TIMES * size)
    if total > most:
        raise ValueError(f"its {size:,} bytes unpack to {total:,}; at most {most:,} are allowed")


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    name = member.filename
    if member.flag_bits & ENCRYPTED:
        raise ValueError(f"{name!r} is encrypted")
    if member.compress_type not in METHODS:
        raise ValueError(f"{name!r} has compression method {member.compress_type}; stored and deflated are read")
    with archive.open(member) as file:
        _check_header(member, file.read(MOST_HEADER))
    with archive.open(member) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False, max_header_size=MOST_HEADER)
    return array


def _check_header(member: zipfile.ZipInfo, beginning: bytes) -> None:
    """Reject an array whose shape and type need another number of bytes than the member has."""
    file = io.BytesIO(beginning)  # bounded, so the length in the header cannot matter
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"{member.filename!r} has format version {version}; 1.0 and 2.0 are read")
    shape, _, dtype = readers[version](file)
    if dtype.hasobject or not dtype.itemsize:
        raise ValueError(f"{member.filename!r} holds {dtype!r}, not numbers")
    there, asked = member.file_size - file.tell(), math.prod(shape) * dtype.itemsize
    if asked != there:
        raise ValueError(f"{member.filename!r} is {dtype} of shape {shape}, {asked:,} bytes, and has {there:,}")


def _line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0][:200] if text else type(error).__name__
