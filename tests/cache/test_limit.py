"""Tests of the size limit: the least recently used entry is removed first, entries in use stay, drafts are removed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from teachmatters.cache import holding
from teachmatters.cache.entry import CacheEntry, entries
from teachmatters.cache.holding import alone, hold, release
from teachmatters.cache.limit import limit_of, make_room
from teachmatters.errors import TeachMattersError
from tests.cache.test_entry import entry

HOLDING = """
import sys, time
from pathlib import Path
from teachmatters.cache.entry import entries
from teachmatters.cache.holding import hold
(entry,) = [each for each in entries(Path(sys.argv[1])) if each.facts["model"] == "b"]
hold(entry)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def three(tmp_path: Path) -> list[CacheEntry]:
    """About 1 kB each; b was not used for longest."""
    return [entry(tmp_path, model=model, size=1000, days=days) for model, days in (("a", 2), ("b", 9), ("c", 1))]


def left(root: Path) -> str:
    return "".join(sorted(each.facts["model"] for each in entries(root)))


@pytest.mark.parametrize(
    ("given", "size"),
    [("0", 0), ("123", 123), ("20GB", 20 * 10**9), (" 500 MB ", 5 * 10**8), ("1.5g", 15 * 10**8), ("2kB", 2000),
     ("3TB", 3 * 10**12), ("7B", 7)],
)  # fmt: skip
def test_sizes_as_people_write_them(monkeypatch: pytest.MonkeyPatch, given: str, size: int) -> None:
    monkeypatch.setenv("TM_CACHE_LIMIT", given)
    assert limit_of(Path("nowhere")) == size


@pytest.mark.parametrize("given", ["much", "-1", "20GX", "1e9", "GB", "1,000", "inf"])
def test_an_invalid_size_is_a_one_line_error(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("TM_CACHE_LIMIT", given)
    with pytest.raises(
        TeachMattersError, match=f"TM_CACHE_LIMIT='{given}' is not a size; give bytes, or a number with kB"
    ):
        limit_of(Path("nowhere"))


@pytest.mark.parametrize(("total", "limit"), [(10**12, 50 * 10**9), (10**11, 10**10)])
def test_by_default_a_tenth_of_the_disk_and_never_more_than_50_gb(
    monkeypatch: pytest.MonkeyPatch, total: int, limit: int
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(total=total))
    assert limit_of(Path("nowhere")) == limit


def test_the_least_recently_used_entry_is_removed_first(
    three: list[CacheEntry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setenv("TM_CACHE_LIMIT", "4kB")
    make_room(tmp_path, said.append)
    assert (left(tmp_path), said) == ("abc", [])
    make_room(tmp_path, said.append, asked=1000)
    assert left(tmp_path) == "ac"
    assert said == [f"dropped from {tmp_path}: 1 entries not used for longest, 1.2 kB (TM_CACHE_LIMIT: 4.0 kB)"]
    three[0].touch()
    monkeypatch.setenv("TM_CACHE_LIMIT", "1500")
    make_room(tmp_path, said.append)
    assert left(tmp_path) == "a"


def test_entries_in_use_are_kept_and_reported(
    three: list[CacheEntry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setenv("TM_CACHE_LIMIT", "0")
    hold(three[1])
    make_room(tmp_path, said.append, asked=5)
    assert left(tmp_path) == "b"
    held = (
        f"{tmp_path} will hold 1.2 kB, more than TM_CACHE_LIMIT (0 B): entries in use are kept until the command ends"
    )
    assert said[1:] == [held]
    release()
    make_room(tmp_path, said.append)
    assert list(tmp_path.iterdir()) == []


def test_entries_of_another_process_are_kept_until_it_ends(
    three: list[CacheEntry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TM_CACHE_LIMIT", "0")
    draft = three[1].path / ".tmpa1B2c3"
    with subprocess.Popen([sys.executable, "-c", HOLDING, str(tmp_path)], stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == b"held\n"
            draft.write_bytes(b"being written")
            make_room(tmp_path, lambda _: None)
            hold(three[1])
            assert (left(tmp_path), draft.exists()) == ("b", True)
        finally:
            other.send_signal(signal.SIGKILL)
    release()
    make_room(tmp_path, lambda _: None)
    assert left(tmp_path) == ""


@pytest.mark.parametrize("name", [".tmpa1B2c3", f".state.safetensors.{'a' * 32}", f".about.json.{'0' * 32}"])
def test_drafts_of_killed_processes_are_removed_by_the_next_command(
    three: list[CacheEntry], tmp_path: Path, name: str
) -> None:
    mine = three[0].path / ".tmp-notes"
    uses: list[Callable[[], None]] = [lambda: hold(three[0]), lambda: make_room(tmp_path, lambda _: None)]
    for use in uses:
        (three[0].path / name).write_bytes(b"half")
        mine.write_text("mine")
        release()
        use()
        assert not (three[0].path / name).exists()
        assert mine.exists()
    assert left(tmp_path) == "abc"


def test_a_folder_with_only_a_draft_is_an_entry(tmp_path: Path) -> None:
    made = CacheEntry.at(tmp_path, "cka", {"model": "a"})
    made.path.mkdir()
    (made.path / f".about.json.{'0' * 32}").write_bytes(b"half")
    make_room(tmp_path, lambda _: None)
    assert list(entries(tmp_path)) == []


def test_a_killed_write_leaves_a_recognisable_draft(tmp_path: Path) -> None:
    """Killed where it is worst: when all bytes are written, and the file is about to get its name."""
    code = """
import os, signal, sys
from pathlib import Path
import numpy as np
from teachmatters.cache.entry import CacheEntry
from teachmatters.cache.states import save_state
entry = CacheEntry.at(Path(sys.argv[1]), "features", {"model": "a"})
entry.begin()
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
save_state(entry.path / "000000-a.safetensors", {"x": np.zeros(1000)}, entry.key)
"""
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == -signal.SIGKILL
    (made,) = entries(tmp_path)
    assert (len(made.drafts()), len(made.files())) == (1, 1)
    hold(made)
    assert [path.name for path in made.path.iterdir() if path.name != ".lock"] == ["about.json"]


KILLED = """
import os, random, signal, sys, time
from pathlib import Path
import numpy as np
from teachmatters.cache.entry import CacheEntry
from teachmatters.cache.holding import hold, release
from teachmatters.cache.states import load_state, save_state

def write(entry):
    for number in range(10**6):
        entry.begin({"shards": number})
        save_state(entry.path / f"{number % 9:06d}-a.safetensors", {"x": np.full(20_000, number)}, entry.key)

moments, entry, found = random.Random(0), CacheEntry.at(Path(sys.argv[1]), "features", {"model": "a"}), 0
for _ in range(int(sys.argv[2])):
    begun, ready = os.pipe()
    child = os.fork()
    if not child:
        hold(entry)
        os.write(ready, b".")
        write(entry)
    os.read(begun, 1)  # on a busy machine it takes its time
    os.close(begun)
    os.close(ready)
    time.sleep(moments.uniform(0.0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    found += bool(entry.drafts())
    hold(entry)
    assert not entry.drafts()
    for path in entry.files():
        if path.name != "about.json":
            assert len(set(np.asarray(load_state(path, entry.key)["x"]))) == 1
    assert entry.holds() is not None or not entry.files()
    release()
print(found)
"""


def test_killed_at_any_moment_it_leaves_whole_files_and_removable_drafts(tmp_path: Path) -> None:
    kills = os.environ.get("TM_TEST_CACHE_KILLS", "60")
    found = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), kills], capture_output=True, text=True, check=False
    )
    assert found.stderr == ""
    assert int(found.stdout) > 0, "none fell into a write: this shows nothing"


def test_an_entry_removed_while_in_use_is_held_again(three: list[CacheEntry]) -> None:
    hold(three[0])
    three[0].remove()
    three[0].begin()
    with alone(three[0]) as free:
        assert free, "the old lock is that of the folder that is gone"
    hold(three[0])
    with alone(three[0]) as free:
        assert not free


def test_without_locks_nothing_is_dropped(
    three: list[CacheEntry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "LOCKS", False)
    monkeypatch.setenv("TM_CACHE_LIMIT", "0")
    hold(three[0])
    make_room(tmp_path, lambda _: None)
    assert left(tmp_path) == "abc"


def test_a_read_only_cache_is_left_alone(
    three: list[CacheEntry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TM_CACHE_LIMIT", "0")

    def denied(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", denied)
    hold(three[0])
    make_room(tmp_path, lambda _: None)
    assert left(tmp_path) == "abc"


def test_many_entries_are_listed_in_one_scan(tmp_path: Path) -> None:
    for number in range(200):
        entry(tmp_path, model=str(number))
    begun = time.process_time()
    make_room(tmp_path, lambda _: None)
    assert time.process_time() - begun < 5
