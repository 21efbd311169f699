"""Read ground truth from pickles without running code, within bounds given by their size."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from teachmatters.datasets.pickles.machine import Machine
from teachmatters.errors import TeachMattersError

MOST_BYTES = 2**24  # the official files have less than 1 MB; a list takes 80 bytes of memory and one of the file
MOST_LEVELS = 100  # of lists in lists


def read_plain_pickle(path: Path) -> Any:
    """Read a pickle of dicts, lists, tuples, texts, numbers and NumPy arrays of numbers.

    Arrays are returned as lists, NumPy's numbers as Python's. Nothing that the file names is imported or called. Memory
    and time are bounded by the size of the file; a walk through the result meets at most as many values as the file has
    bytes.

    Raises:
        TeachMattersError: the file does not exist, is damaged, has more than 16 MiB, or holds anything else.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise pickle.UnpicklingError(f"more than {MOST_BYTES:,} bytes")
        data = path.read_bytes()
        content = Machine(data).run()
        _check(content, len(data))
        return content
    except OSError as error:
        raise TeachMattersError(f"cannot read {path}: {error.strerror}; check its path and permissions") from None
    except Exception as error:  # noqa: BLE001  other bytes than a pickle raise many kinds of errors
        raise TeachMattersError(
            f"{path} is not read: {str(error)[:200] or type(error).__name__}. Ground truth is a pickle of plain lists, "
            "dicts, texts, numbers and NumPy arrays; fetch the file again from its source"
        ) from None


def _check(content: object, most: int) -> None:
    """Reject values that are not plain, and lists that contain each other or themselves."""
    met, waiting = 0, [(content, 0)]
    while waiting:
        value, level = waiting.pop()
        met += 1
        if met > most or level > MOST_LEVELS:
            raise pickle.UnpicklingError("it holds lists that contain each other too often")
        if isinstance(value, dict):
            waiting.extend((each, level + 1) for each in value.values())
        elif isinstance(value, list | tuple):
            waiting.extend((each, level + 1) for each in value)
        elif not isinstance(value, str | bytes | int | float | None):
            raise pickle.UnpicklingError(f"it holds {type(value).__name__} where a value should be")
