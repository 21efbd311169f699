"""Tests of .npz archives: NumPy's are read, others are refused in one line and in little memory."""

from __future__ import annotations

import contextlib
import io
import os
import random
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from teachmatters.errors import TeachMattersError
from teachmatters.models.files.npz import read_npz

HEADER = "{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}"
ENOUGH = 40 * 2**20  # bytes of memory


def npy(header: str, data: bytes = b"", version: tuple[int, int] = (1, 0), length: int | None = None) -> bytes:
    """The bytes of an array file with this header, whatever that says."""
    text = header.encode()
    size = struct.pack("<H" if version == (1, 0) else "<I", len(text) if length is None else length)
    return b"\x93NUMPY" + bytes(version) + size + text + data


def archive(path: Path, member: bytes, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("w.npy", member)
    return path


def refusal(path: Path) -> str:
    """What is said of a file, within little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(TeachMattersError) as error:
            read_npz(path)
        assert tracemalloc.get_traced_memory()[1] < ENOUGH
    finally:
        tracemalloc.stop()
    return str(error.value)


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_are_read_as_they_were_written(tmp_path: Path, compressed: bool) -> None:
    arrays: dict[str, NDArray[Any]] = {
        "w": np.arange(6.0, dtype=np.float32).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "block/0": np.array(7, dtype=np.int64),
        "empty": np.zeros((3, 0)),
        "zeros": np.zeros(2**20, dtype=np.float32),  # shrinks a thousand times
        "half": np.ones(4, dtype=np.float16),
    }
    (np.savez_compressed if compressed else np.savez)(tmp_path / "w.npz", allow_pickle=False, **arrays)
    read = read_npz(tmp_path / "w.npz")
    assert list(read) == list(arrays)
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


def test_members_that_are_not_arrays_are_skipped(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", w=np.ones(2))
    with zipfile.ZipFile(tmp_path / "w.npz", "a") as file:
        file.writestr("notes.txt", "trained for 300 epochs")
    assert list(read_npz(tmp_path / "w.npz")) == ["w"]


def test_an_encrypted_archive(tmp_path: Path) -> None:
    raw = bytearray(archive(tmp_path / "w.npz", npy(HEADER.format(descr="<f4", shape="(1,)"), bytes(4))).read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(signature) + place] |= 1
    (tmp_path / "w.npz").write_bytes(raw)
    assert "'w.npy' is encrypted" in refusal(tmp_path / "w.npz")


@pytest.mark.parametrize("method", [97, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_another_compression_than_numpys(tmp_path: Path, method: int) -> None:
    raw = bytearray(archive(tmp_path / "w.npz", npy(HEADER.format(descr="<f4", shape="(1,)"), bytes(4))).read_bytes())
    for signature, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        raw[raw.index(signature) + place] = method
    (tmp_path / "w.npz").write_bytes(raw)
    assert f"'w.npy' has compression method {method}; stored and deflated are read" in refusal(tmp_path / "w.npz")


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (npy("[" * 4000), "not a readable .npz file"),
        (npy("-" * 4000 + "1"), "not a readable .npz file"),
        (npy("{}" + " " * 10_000), "array header"),
        (npy(HEADER.format(descr="<f4", shape="(1,)"), version=(2, 0), length=2**32 - 1), "array header"),
        (npy(HEADER.format(descr="<f4", shape="(1,)"), version=(9, 9)), r"format version (9, 9)"),
        (npy(HEADER.format(descr="<f8", shape="(30000000000,)")), "240,000,000,000 bytes, and has 0"),
        (npy(HEADER.format(descr="<f8", shape="(2,)"), bytes(8)), "16 bytes, and has 8"),
        (npy(HEADER.format(descr="<f8", shape="(1,)"), bytes(80)), "8 bytes, and has 80"),
        (npy(HEADER.format(descr="<f8", shape="(-1, -1)"), bytes(8)), "not a readable .npz file"),
        (npy(HEADER.format(descr="<f8", shape=f"({2**70}, 0)")), "not a readable .npz file"),
        (npy(HEADER.format(descr="|V4000000000", shape="(1,)")), "not a readable .npz file"),
        (npy(HEADER.format(descr="|S0", shape="(1000000000,)")), "not numbers"),
        (npy(HEADER.format(descr="|O", shape="(1,)"), b"N."), "not numbers"),
        (b"hello", "magic"),
        (b"", "not a readable .npz file"),
    ],
)  # fmt: skip
def test_a_header_that_does_not_fit(tmp_path: Path, member: bytes, words: str) -> None:
    said = refusal(archive(tmp_path / "w.npz", member))
    assert words in said
    assert len(said) < 500


def declared(path: Path, size: int) -> Path:
    """The archive, whose directory gives its member another size."""
    raw = bytearray(path.read_bytes())
    place = raw.index(b"PK\x01\x02") + 24
    raw[place : place + 4] = struct.pack("<I", size)
    path.write_bytes(raw)
    return path


def test_a_decompression_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = archive(tmp_path / "w.npz", npy(HEADER.format(descr="<f4", shape="(75000000,)")))
    assert "bytes unpack to 300,000,000; at most 268,435,456 are allowed" in refusal(declared(path, 300_000_000))


def test_a_size_hidden_by_the_directory_is_not_unpacked(tmp_path: Path) -> None:
    path = archive(tmp_path / "w.npz", npy(HEADER.format(descr="<f4", shape="(10000000,)"), bytes(40_000_000)))
    assert "40,000,000 bytes, and has 7,9" in refusal(declared(path, 8000))


def test_a_changed_byte_is_detected(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", w=np.arange(100.0))
    raw = bytearray((tmp_path / "w.npz").read_bytes())
    raw[raw.index(struct.pack("<d", 50.0)) + 6] ^= 1
    (tmp_path / "w.npz").write_bytes(raw)
    assert "Bad CRC-32" in refusal(tmp_path / "w.npz")


def test_every_truncation_is_a_one_line_error(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, w=np.arange(3.0))
    for end in range(0, len(buffer.getvalue()), 7):
        (tmp_path / "w.npz").write_bytes(buffer.getvalue()[:end])
        with pytest.raises(TeachMattersError, match=r"not a readable \.npz file"):
            read_npz(tmp_path / "w.npz")


CASES = int(os.environ.get("TM_TEST_CHANGES", "200"))


def test_a_changed_file_is_read_or_refused(tmp_path: Path) -> None:
    """Bytes replaced, cut out and doubled anywhere, by a fixed seed."""
    generator, path = random.Random(0), tmp_path / "w.npz"
    whole = []
    for save in (np.savez, np.savez_compressed):
        save(path, w=np.arange(30.0), v=np.ones((2, 3), dtype=np.float16))
        whole.append(path.read_bytes())
    tracemalloc.start()
    try:
        for number in range(CASES):
            raw = bytearray(whole[number % 2])
            for _ in range(generator.randrange(1, 4)):
                at, count = generator.randrange(len(raw)), generator.randrange(1, 9)
                raw[at : at + generator.choice((0, 1, count))] = generator.randbytes(generator.choice((0, 1, count)))
            path.write_bytes(raw)
            with contextlib.suppress(TeachMattersError):
                read_npz(path)
        assert tracemalloc.get_traced_memory()[1] < ENOUGH
    finally:
        tracemalloc.stop()
