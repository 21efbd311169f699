"""Tests of pickles as NumPy 1 and 2 write them, by every protocol, and of malicious ones."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from teachmatters.datasets.pickles.plain import read_plain_pickle
from teachmatters.errors import TeachMattersError

GROUND_TRUTH = {
    "imlist": ["a", "b"],
    "gnd": [{"bbx": [1.5, 2.0, 3, 4], "easy": np.array([3, 1]), "hard": np.array([], dtype=np.int64)}],
    "one": np.int32(7),
    "half": np.float32(0.5),
    "swapped": np.array([1, 258], dtype=">i2"),
    "table": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "flags": np.array([True, False]),
    "raw": b"\xff\x00",
    "more": (None, True, 1 << 70),
}
READ = {
    **GROUND_TRUTH,
    "gnd": [{"bbx": [1.5, 2.0, 3, 4], "easy": [3, 1], "hard": []}],
    "swapped": [1, 258],
    "table": [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]],
    "flags": [True, False],
}


def read(path: Path, raw: bytes) -> Any:
    path.write_bytes(raw)
    return read_plain_pickle(path)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_come_as_lists_by_every_protocol(protocol: int, tmp_path: Path) -> None:
    assert read(tmp_path / "a.pkl", pickle.dumps(GROUND_TRUTH, protocol)) == READ


def test_numpy_arrays_by_their_old_and_new_module_names(tmp_path: Path) -> None:
    for protocol in (2, 4):
        raw = pickle.dumps(GROUND_TRUTH["gnd"], protocol)
        new, old = b"numpy._core.multiarray", b"numpy.core.multiarray"
        present, absent = (new, old) if new in raw else (old, new)
        other = raw.replace(present, absent)
        if protocol == 4:  # its texts carry their length
            other = raw.replace(bytes([len(present)]) + present, bytes([len(absent)]) + absent)
            other = other[:2] + other[11:]  # and the whole its frame, which may be left out
        assert read(tmp_path / "a.pkl", other) == READ["gnd"]


class Calls:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_call_is_refused_and_not_made(protocol: int, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(TeachMattersError, match=r"evil.pkl is not read: it wants to use (posix|nt)\.mkdir\. Ground"):
        read(tmp_path / "evil.pkl", pickle.dumps({"gnd": Calls(os.mkdir, str(mark))}, protocol))
    assert not mark.exists()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (Calls(eval, "1"), r"__builtin__\.eval"),
        (Calls(getattr, [], "append"), r"__builtin__\.getattr"),
        (np.array([{}], dtype=object), "arrays of 'O8'"),
        (np.array(["text"]), "arrays of 'U4'"),
        (np.zeros(1, dtype=[("a", "i4")]), "arrays of 'V4'"),
        (OrderedDict(a=1), "collections.OrderedDict"),
        (Path(), "pathlib"),
    ],
)
def test_an_object_that_is_not_plain_data_is_named(what: object, words: str, tmp_path: Path) -> None:
    with pytest.raises(TeachMattersError, match=words):
        read(tmp_path / "a.pkl", pickle.dumps(what, 2))


def test_an_array_may_not_claim_more_than_it_brings(tmp_path: Path) -> None:
    raw = pickle.dumps(np.arange(3, dtype=np.int64), 2)
    swollen = raw.replace(b"K\x03\x85", b"K\x7f\x85")
    assert swollen != raw
    with pytest.raises(TeachMattersError, match=r"shape \(127,\) in 24 bytes"):
        read(tmp_path / "a.pkl", swollen)


@pytest.mark.parametrize("raw", [b"", b"no pickle", b"\x80\x04\x95", pickle.dumps([1, 2, 3])[:-4], b"\x80\x02N\x81."])
def test_damage_is_a_one_line_error(raw: bytes, tmp_path: Path) -> None:
    with pytest.raises(TeachMattersError, match=r"a\.pkl is not read"):
        read(tmp_path / "a.pkl", raw)


def test_a_missing_file_is_a_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(TeachMattersError, match=r"cannot read .*none\.pkl: No such file"):
        read_plain_pickle(tmp_path / "none.pkl")
