"""Tests that stored arrays equal what NumPy reads."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from teachmatters.errors import DamagedError
from teachmatters.reports.tables.arrays import read, stacked


def npy(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version)
    return file.getvalue()


ARRAYS = [
    np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.array(2.5),
    np.zeros((0, 4)),
    np.array([True, False]),
    np.arange(5, dtype=">i2"),
    np.array([(1, 2.5)], dtype=[("a", "i4"), ("ü", "f8")]),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: str(array.dtype))
@pytest.mark.parametrize("version", [None, (2, 0), (3, 0)])
def test_it_is_what_numpy_reads(array: np.ndarray, version: Any) -> None:
    if version == (2, 0) and array.dtype.names:
        pytest.skip("names in UTF-8 are of version 3")
    data = npy(array, version)
    for found in (read(data), read(data + b"more")):
        expected = np.load(io.BytesIO(data))
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(found, expected)


def test_one_header_serves_many(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = npy(np.arange(3.0)), npy(np.arange(3.0) + 1)
    read(first)
    monkeypatch.setattr(np.lib.format, "read_array_header_1_0", None)
    assert read(second).tolist() == [1, 2, 3]


@pytest.mark.filterwarnings("ignore:.*3.0 file format")
def test_arrays_that_numpy_refuses_are_refused() -> None:
    objects = io.BytesIO()
    np.save(objects, np.array([None, 1]), allow_pickle=True)
    whole = npy(np.arange(3.0))
    for data in (
        objects.getvalue(),
        whole[:-1],
        whole[:50],
        whole[:9],
        b"",
        b"hello",
        whole.replace(b"shape", b"shade"),
    ):
        with pytest.raises((ValueError, EOFError)):
            np.load(io.BytesIO(data), allow_pickle=False)
        with pytest.raises((ValueError, EOFError)):
            read(data)


@pytest.mark.parametrize("others", [np.arange(3.0), np.arange(3), np.arange(3.0, dtype=np.float32)])
@pytest.mark.parametrize("end", [b"", b"more"])
def test_stacked_equals_numpy_stack(others: np.ndarray, end: bytes) -> None:
    """Of one header or several, with or without bytes after the array."""
    arrays = [np.array([5.0, -1.0, 0.5]), others, np.array([2.0, 3.0, 4.0])]
    found = stacked([npy(array) + end for array in arrays])
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, np.stack([np.asarray(array, np.float64) for array in arrays]))


@pytest.mark.parametrize("second", [npy(np.arange(2.0)), npy(np.arange(3.0))[:-1], npy(np.ones((3, 1)))])
def test_stacked_refuses_different_shapes(second: bytes) -> None:
    with pytest.raises(DamagedError):
        stacked([npy(np.arange(3.0)), second])
