"""Tests of small pickles that demand much time or memory: refused quickly and without side effects."""

from __future__ import annotations

import contextlib
import os
import pickle
import random
import struct
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from teachmatters.datasets.pickles import arrays, machine
from teachmatters.datasets.pickles.plain import MOST_BYTES, read_plain_pickle
from teachmatters.errors import TeachMattersError

ENOUGH = 64 * 2**20  # bytes of memory
SOON = 5.0  # seconds; on a busy machine

RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
FLOAT64 = b"cnumpy\ndtype\n(U\x02f8tR(K\x03U\x01<tb"
RAW = b"B" + struct.pack("<I", 80_000) + bytes(80_000)


def array(shape: bytes, raw: bytes) -> bytes:
    """The bytes by which an array of float64 is pickled."""
    return RECONSTRUCT + b")R(K\x01" + shape + FLOAT64 + b"\x89" + raw + b"tb"


HOSTILE = {
    "memo": b"\x80\x02K\x01r\xff\xff\xff\x0f.",
    "memo in decimals": b"K\x01p999999999999999999999\n.",
    "rows without entries": array(b"J\x80\xc3\xc9\x01K\x00\x86", b"U\x00") + b".",
    "axes without entries": array(b"(" + b"J\x00\x00\x01\x00" * 3 + b"K\x00t", b"U\x00") + b".",
    "negative axes": array(b"J\xff\xff\xff\xffJ\xf8\xff\xff\xff\x86", b"U\x40" + bytes(64)) + b".",
    "one content for many arrays": RAW + b"q\x000(" + array(b"M\x10'\x85", b"h\x00") * 2000 + b"t.",
    "one text for many bytes": b"X" + struct.pack("<I", 80_000) + b"x" * 80_000 + b"q\x000("
    + b"c_codecs\nencode\nh\x00U\x06latin1\x86R" * 20_000 + b"t.",
    "long number": b"\x8b\xff\xff\xff\x7f\x01.",
    "negative length": b"T\xff\xff\xff\xffx.",
    "long bytes": b"\x8e" + struct.pack("<Q", 2**62) + b".",
    "long text": b"\x8d" + struct.pack("<Q", 2**62) + b".",
    "long bytearray": b"\x96" + struct.pack("<Q", 2**62) + b".",
    "digits": b"I" + b"9" * 10**6 + b"\n.",
    "letters of a type": b"cnumpy\ndtype\n(X" + struct.pack("<I", 10**6) + b"f" * 10**6 + b"tR.",
    "objects": RECONSTRUCT + b")R(K\x01K\x01\x85cnumpy\ndtype\n(U\x02O8tR\x89](K\x01ltb.",
    "deep": b"]" * 20_000 + b"a" * 19_999 + b".",
    "deep tuples": b")" + b"\x85" * 20_000 + b".",
    "doubled": b"]q\x00" + b"0](h\x00h\x00eq\x00" * 40 + b".",
    "in itself": b"]q\x00h\x00a.",
    "marks": b"(" * 10**5,
    "lists": b"(" + b"]" * 10**5 + b"l" + b"0" * 3,
    "keys that collide": b"(" + b"".join(
        b"\x8a\x0c" + (i * (2**61 - 1)).to_bytes(12, "little") + b"N" for i in range(20_000)
    ) + b"d.",
    "an empty stack": b"0.",
    "a state for a function": RECONSTRUCT + b"}U\x04codeK\x01sb.",
    "slots of a function": RECONSTRUCT + b"N}U\x0c__defaults__)s\x86b.",
    "a state for a type's name": b"cnumpy\ndtype\n}U\x04readK\x01sb.",
    "a name alone": b"cnumpy\ndtype\n.",
    "a type alone": b"cnumpy\ndtype\n(U\x02f8tR.",
    "a call of an array": b"cnumpy\nndarray\n(J\x00\x00\x00@tR.",
    "a call of a text": b"U\x01a)R.",
    "a persistent name": b"Pname\n.",
    "an instance": b"(ios\nsystem\n.",
    "an extension": b"\x82\x01.",
    "a new object": b"cnumpy\nndarray\n)\x81.",
    "a buffer from elsewhere": b"\x97.",
    "a set": b"\x8f.",
}  # fmt: skip


def state_of_ours() -> str:
    """All that a file could set on what its names stand for."""
    names = ("__dict__", "__defaults__", "__kwdefaults__")
    return repr([[getattr(call, name, None) for name in names] for call in arrays.CALLS.values()])


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_pickle_is_refused_quickly_and_in_little_memory(what: str, tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(HOSTILE[what])
    before = state_of_ours()
    tracemalloc.start()
    begun = time.process_time()
    try:
        with pytest.raises(TeachMattersError, match=r"a\.pkl is not read: ") as error:
            read_plain_pickle(tmp_path / "a.pkl")
        assert time.process_time() - begun < SOON
        assert tracemalloc.get_traced_memory()[1] < max(ENOUGH, 200 * len(HOSTILE[what]))
    finally:
        tracemalloc.stop()
    assert len(str(error.value)) < 600
    assert state_of_ours() == before


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.pkl").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(TeachMattersError, match="more than 16,777,216 bytes"):
        read_plain_pickle(tmp_path / "a.pkl")


def test_the_number_of_steps_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MOST_STEPS", 1000)
    (tmp_path / "a.pkl").write_bytes(b"N0" * 1000 + b"N.")
    with pytest.raises(TeachMattersError, match="more than 1,000 instructions"):
        read_plain_pickle(tmp_path / "a.pkl")


def drawn(generator: random.Random, levels: int) -> Any:
    """A plain value of any kind."""
    leaves: tuple[Any, ...] = (
        None, True, False, generator.randrange(-300, 300), generator.randrange(-(2**70), 2**70), generator.random(),
        "ü" * generator.randrange(300), "\udce9", "line\nline'", b"\xff\n\0" * generator.randrange(100), (), [], {},
    )  # fmt: skip
    if not levels or generator.random() < 0.3:
        return generator.choice(leaves)
    parts = [drawn(generator, levels - 1) for _ in range(generator.randrange(6))]
    keys = [generator.choice([f"k{n}", n, f"{n}".encode()]) for n in range(len(parts))]
    return generator.choice([parts, tuple(parts), dict(zip(keys, parts, strict=True)), [parts, parts]])


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_are_read_as_pickle_reads_them(protocol: int, tmp_path: Path) -> None:
    generator = random.Random(protocol)
    for _ in range(40):
        value = [drawn(generator, 4) for _ in range(3)] + [0] * 2000  # its shared parts are few beside all of it
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(value, protocol))
        assert read_plain_pickle(tmp_path / "a.pkl") == value


@pytest.mark.parametrize("raw", [bytes(range(256)), b"\\'\"\n\r\t", b""])
def test_texts_of_python_2(raw: bytes, tmp_path: Path) -> None:
    """Protocol 0 writes them as Python 2 prints them: with escapes, between quotes."""
    printed = b"".join(b"\\x%02x" % byte if byte in b"\n\\'" else bytes([byte]) for byte in raw)
    for written in (
        b"S'" + printed + b"'\n.",
        b"U" + struct.pack("<B", len(raw)) + raw + b"." if len(raw) < 256 else b"",
    ):
        if written:
            (tmp_path / "a.pkl").write_bytes(written)
            assert read_plain_pickle(tmp_path / "a.pkl") == raw.decode("latin1")


def test_ground_truth_of_the_official_size_is_read_at_once(tmp_path: Path) -> None:
    names = [f"all_souls_{number:06d}" for number in range(5000)]
    truth = [{level: np.arange(200) for level in ("easy", "hard", "junk")} | {"bbx": [1.5] * 4} for _ in range(70)]
    begun = time.process_time()
    for protocol in (0, 2, 4):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps({"imlist": names, "qimlist": names[:70], "gnd": truth}, protocol))
        found = read_plain_pickle(tmp_path / "a.pkl")
        assert (found["imlist"], found["gnd"][69]["junk"]) == (names, list(range(200)))
    assert time.process_time() - begun < 3 * SOON


CASES = int(os.environ.get("TM_TEST_CHANGES", "400"))


def test_a_changed_file_is_read_or_refused(tmp_path: Path) -> None:
    """Bytes replaced, cut out and doubled anywhere, by a fixed seed."""
    generator, path = random.Random(0), tmp_path / "a.pkl"
    truth = {"imlist": ["a", "b"], "gnd": [{"bbx": [1.5] * 4, "easy": np.arange(9), "hard": np.float32(2)}, None, b"x"]}
    whole = [pickle.dumps(truth, protocol) for protocol in range(6)]
    slowest = 0.0
    tracemalloc.start()
    try:
        for number in range(CASES):
            raw = bytearray(whole[number % 6])
            for _ in range(generator.randrange(1, 5)):
                at, count = generator.randrange(len(raw)), generator.randrange(1, 9)
                raw[at : at + generator.choice((0, 1, count))] = generator.randbytes(generator.choice((0, 1, count)))
            path.write_bytes(raw)
            begun = time.process_time()
            with contextlib.suppress(TeachMattersError):
                read_plain_pickle(path)
            slowest = max(slowest, time.process_time() - begun)
        assert tracemalloc.get_traced_memory()[1] < ENOUGH
    finally:
        tracemalloc.stop()
    assert slowest < SOON
