from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from teachmatters.api import State
from teachmatters.cache.states import load_state, save_state
from teachmatters.errors import TeachMattersError

ARRAYS = {
    "bool": np.array([[True, False]]),
    "uint8": np.arange(6, dtype=np.uint8).reshape(2, 3),
    "int64": np.array([-(2**62), 2**62]),
    "float16": np.array([1.5, -0.0, np.inf], dtype=np.float16),
    "float32": np.linspace(0, 1, 7, dtype=np.float32),
    "float64": np.array([0.1, np.nan]),
    "0-d": np.array(3.25),
    "0-d integer": np.array(7, dtype=np.int32),
    "empty": np.zeros((0, 4), dtype=np.float32),
    "transposed": np.arange(12.0).reshape(3, 4).T,
    "strided": np.arange(10)[::2],
    "big-endian": np.arange(4, dtype=">f8"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_come_back_as_they_were(tmp_path: Path, name: str) -> None:
    array, before = ARRAYS[name], ARRAYS[name].copy()
    save_state(tmp_path / "s", {"x": array})
    back = load_state(tmp_path / "s")["x"]
    assert isinstance(back, np.ndarray)
    assert back.shape == array.shape
    assert back.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(back, array)
    np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("value", [0, -3, 2**80, True, 0.1, -0.0, 1e308, math.inf, "", "ä\n\0'\"", "1"])
def test_numbers_and_texts_keep_their_types(tmp_path: Path, value: float | str) -> None:
    save_state(tmp_path / "s", {"x": value})
    back = load_state(tmp_path / "s")["x"]
    assert type(back) is type(value)
    assert repr(back) == repr(value)


def test_nan_comes_back(tmp_path: Path) -> None:
    save_state(tmp_path / "s", {"x": math.nan})
    back = load_state(tmp_path / "s")["x"]
    assert isinstance(back, float)
    assert math.isnan(back)


def test_an_empty_state_and_all_at_once(tmp_path: Path) -> None:
    states: list[State] = [{}, {**ARRAYS, "n": 3, "name": "x"}]
    for state in states:
        save_state(tmp_path / "s", state)
        assert load_state(tmp_path / "s").keys() == state.keys()


def test_a_memory_map_can_be_saved(tmp_path: Path) -> None:
    array = np.memmap(tmp_path / "map", dtype=np.float32, mode="w+", shape=(3, 2))
    array[:] = 2.5
    save_state(tmp_path / "s", {"x": array})
    np.testing.assert_array_equal(load_state(tmp_path / "s")["x"], np.full((3, 2), 2.5, np.float32))


def test_any_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    save_state(path, {"x": np.arange(20), "y": np.ones((1, 3), np.uint8), "n": 12345, "name": "abc"})
    whole = path.read_bytes()
    for at in range(len(whole)):
        for bit in (1, 2, 4, 16):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
            with pytest.raises(TeachMattersError):
                load_state(path)


@pytest.mark.parametrize("content", [b"", b"x" * 5, b"not a state at all", b"\xff" * 64])
def test_a_file_that_is_not_a_state_is_a_one_line_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s"
    path.write_bytes(content)
    with pytest.raises(TeachMattersError, match="cannot be read as a saved state") as caught:
        load_state(path)
    assert str(path) in str(caught.value)


def test_a_truncated_state_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s"
    save_state(path, {"x": np.arange(1000.0)})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TeachMattersError, match="Delete it and run again"):
        load_state(path)


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"x": np.ones(3)}, tmp_path / "s")
    with pytest.raises(TeachMattersError, match="cannot be read as a saved state"):
        load_state(tmp_path / "s")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TeachMattersError, match="cannot be read"):
        load_state(tmp_path / "none")


@pytest.mark.parametrize("value", [np.array(["text"]), np.array([1j]), [1, 2], None])
def test_unsupported_values_in_a_state_are_refused(tmp_path: Path, value: object) -> None:
    state: State = {"odd": value}  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="'odd'"):
        save_state(tmp_path / "s", state)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_the_old_state(tmp_path: Path) -> None:
    path = tmp_path / "s"
    save_state(path, {"x": 1})
    code = (
        "import resource, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from teachmatters.cache.states import save_state\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "save_state(Path(sys.argv[1]), {'x': np.zeros(10_000)})\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False, capture_output=True, text=True)
    assert "TeachMattersError" in done.stderr
    assert load_state(path) == {"x": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["s"]


def test_no_torch_is_imported() -> None:
    code = "import sys, teachmatters.cache.states; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
