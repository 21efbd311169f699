"""Tests of cache folders: they depend on every field, and other files are never touched."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from teachmatters.cache.entry import CacheEntry, entries
from teachmatters.cache.inventory import inventory, prune
from teachmatters.cache.location import cache_folder
from teachmatters.cache.sizes import in_words, remark_on_space
from teachmatters.errors import TeachMattersError, UnknownNameError
from teachmatters.store.location import Server


def entry(root: Path, kind: str = "features", size: int = 100, days: float = 0, **facts: Any) -> CacheEntry:
    made = CacheEntry.at(root, kind, facts)
    made.begin()
    (made.path / "000000-abc.safetensors").write_bytes(b"x" * size)
    then = time.time() - 86400 * days
    os.utime(made.path / "about.json", (then, then))
    return made


def test_entries_depend_on_every_field_and_not_on_their_order(tmp_path: Path) -> None:
    facts = {"model": "a", "limit": None, "parameters": {"k": (1, 2)}}
    one = CacheEntry.at(tmp_path, "features", facts)
    assert CacheEntry.at(tmp_path, "features", dict(reversed(facts.items()))).path == one.path
    for other in ({**facts, "limit": 1}, {**facts, "parameters": {"k": (1,)}}, {**facts, "model": "b"}):
        assert CacheEntry.at(tmp_path, "features", other).path != one.path
    assert CacheEntry.at(tmp_path, "cka", facts).path != one.path


def test_an_entry_is_replaced_only_on_request(tmp_path: Path) -> None:
    made = CacheEntry.at(tmp_path, "cka", {})
    assert made.holds() is None
    made.begin({"images": 3})
    made.begin()
    assert made.holds() == {"images": 3}
    made.begin({})
    assert made.holds() == {}


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "[]",
        "null",
        "3",
        '{"teachmatters": "features"}',
        '{"teachmatters": 3, "facts": [], "holds": 1}',
        "ÿ",
    ],
)
def test_a_damaged_description_is_listed_pruned_and_rewritten(tmp_path: Path, text: str) -> None:
    made = entry(tmp_path, model="a")
    (made.path / "about.json").write_text(text, encoding="latin1")
    assert made.holds() is None
    (line,) = inventory(tmp_path)
    assert (line.kind, line.model, line.bytes) == ("features", "", 100 + len(text))
    made.begin()
    assert (made.holds(), next(entries(tmp_path)).facts) == ({}, {"model": "a"})
    (made.path / "about.json").write_text(text, encoding="latin1")
    assert len(prune(tmp_path)) == 1
    assert not made.path.exists()


def test_a_description_under_another_name_is_ignored(tmp_path: Path) -> None:
    one, two = entry(tmp_path, model="a"), entry(tmp_path, model="b")
    (two.path / "about.json").write_bytes((one.path / "about.json").read_bytes())
    assert two.holds() is None


def test_only_files_of_the_cache_are_removed(tmp_path: Path) -> None:
    made = entry(tmp_path, model="a")
    draft = made.path / f".000001-abc.safetensors.{'a' * 32}"
    draft.write_bytes(b"xyz")
    mine = made.path / "thesis.txt"
    mine.write_text("mine")
    for name in ("features-like", "photos"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "about.json").write_text('{"about": "me"}')
    (tmp_path / "notes.txt").write_text("mine")
    elsewhere = entry(tmp_path / "elsewhere", model="b")
    (tmp_path / elsewhere.path.name).symlink_to(elsewhere.path)
    assert [one.path for one, _ in prune(tmp_path)] == [made.path]
    assert not draft.exists()
    assert [path.name for path in made.path.iterdir()] == ["thesis.txt"]
    assert (elsewhere.path / "000000-abc.safetensors").exists()
    assert {path.name for path in tmp_path.iterdir()} >= {"features-like", "photos", "notes.txt"}


def test_pruning_by_name_pattern_and_age(tmp_path: Path) -> None:
    def left() -> list[str]:
        return sorted(one.facts["model"] for one in entries(tmp_path))

    for model, days in (("dino-b16", 0), ("dino-s16", 5), ("mae-b16", 9)):
        entry(tmp_path, model=model, dataset="digits", days=days)
    entry(tmp_path, "cka", model="clip-b16", dataset="scenes", days=20)
    with pytest.raises(UnknownNameError, match="Did you mean 'dino-b16'"):
        prune(tmp_path, ["dino-b61"])
    assert prune(tmp_path, ["dino-*"], older_than=7) == []
    assert len(prune(tmp_path, ["dino-*"], older_than=3)) == 1
    assert left() == ["clip-b16", "dino-b16", "mae-b16"]
    prune(tmp_path, ["cka", "mae-b16"])
    assert left() == ["dino-b16"]
    ((gone, freed),) = prune(tmp_path, ["digits"])
    assert freed > 100
    assert not gone.path.exists()
    assert prune(tmp_path) == []
    assert prune(tmp_path / "nowhere") == []


def test_an_inventory_of_half_a_shard_and_of_nothing(tmp_path: Path) -> None:
    assert inventory(tmp_path / "nowhere") == []
    entry(tmp_path, model="a", dataset="digits", weights="0123456789", readout={"feature": "cls"})
    (line,) = inventory(tmp_path)
    assert (line.model, line.weights, line.data, line.readout, line.images) == ("a", "01234567", "digits", "cls", 0)


def test_the_location_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder(tmp_path / "results.db") == tmp_path / "results.db.cache"
    assert cache_folder(Server("postgresql://me:secret@lab/my%2Fresults")) == Path("my-results.cache")
    monkeypatch.setenv("TM_CACHE", str(tmp_path / "elsewhere"))
    assert cache_folder(Path("results.db")) == tmp_path / "elsewhere"
    assert cache_folder(Server("postgresql://lab/results")) == tmp_path / "elsewhere"


def test_an_impossible_cache_folder_is_an_error_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TeachMattersError, match="TM_CACHE"):
        CacheEntry.at(tmp_path / "file", "features", {}).begin()


def test_sizes_are_shown_from_a_tenth_of_the_free_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=50_000_000_000))
    folder = tmp_path / "not" / "yet"
    assert remark_on_space(folder, 5_000_000_000, "features") is None
    assert remark_on_space(folder, 24_500_000_000, "features") == (
        f"features take 24.5 GB in {folder}, where 50.0 GB are free"
    )
    with pytest.raises(TeachMattersError, match=r"features need 109\.0 GB, but only 50\.0 GB are free on the disk of"):
        remark_on_space(folder, 109_000_000_000, "features")
    assert [in_words(size) for size in (0, 1000, 999_950, 5 * 10**12)] == ["0 B", "1.0 kB", "1.0 MB", "5.0 TB"]
