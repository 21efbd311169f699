"""Tests of cached features: precision, interruptions, damage and repeated extraction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from teachmatters.cache.entry import CacheEntry, entries
from teachmatters.cache.features import FeatureShards, Ids, joined
from teachmatters.errors import TeachMattersError

DEPTH, WIDTH = 3, 8


def ids_of(*numbers: int) -> Ids:
    return joined(number.to_bytes(16, "big") for number in numbers)


def vectors(count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(DEPTH, count, WIDTH)).astype(np.float32)


def open_at(root: Path, said: list[str] | None = None, shard_rows: int = 4, **facts: Any) -> FeatureShards:
    entry = CacheEntry.at(root, "features", {"model": "toy"} | facts)
    feature_shards = FeatureShards(entry, DEPTH, WIDTH, (said if said is not None else []).append)
    feature_shards.shard_rows = shard_rows
    return feature_shards


def filled(root: Path, count: int = 10, batch: int = 3, **options: Any) -> FeatureShards:
    feature_shards, values = open_at(root, **options), vectors(count)
    for start in range(0, count, batch):
        rows = range(start, min(start + batch, count))
        feature_shards.add(ids_of(*rows), values[:, rows.start : rows.stop])
    feature_shards.flush()
    return feature_shards


def shards(feature_shards: FeatureShards) -> list[Path]:
    return sorted(feature_shards.entry.path.glob("*.safetensors"))


def read(feature_shards: FeatureShards, *numbers: int) -> NDArray[np.float32]:
    places = feature_shards.find(ids_of(*numbers))
    return np.stack([feature_shards.read(places, layer) for layer in range(1, DEPTH + 1)])


def test_images_can_be_read_in_any_order_and_by_another_reader(tmp_path: Path) -> None:
    for feature_shards in (filled(tmp_path), open_at(tmp_path)):
        for numbers in ([0], [3, 4], list(range(10)), [9, 0, 5, 5, 1]):
            np.testing.assert_allclose(read(feature_shards, *numbers), vectors(10)[:, numbers], atol=2e-3)


def test_missing_images_are_reported(tmp_path: Path) -> None:
    assert open_at(tmp_path).find(ids_of(1, 2)).tolist() == [-1, -1]
    found = filled(tmp_path).find(ids_of(99, 4, 2**70, 0)) >= 0
    assert found.tolist() == [False, True, False, True]


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e6, 1e12])
def test_differences_between_vectors_keep_their_precision(tmp_path: Path, scale: float) -> None:
    """Of an untrained network they differ by far less than they measure; some are too large for half precision."""
    values = scale * (vectors(6) + 1000).astype(np.float64)
    feature_shards = open_at(tmp_path)
    feature_shards.add(ids_of(*range(6)), values.astype(np.float32))
    feature_shards.flush()
    whole = read(feature_shards, *range(6)).astype(np.float64)
    # float32 itself loses 2^-24 of 1000; half precision of a difference of about 3 loses 2^-12 of that
    assert np.abs(whole - values).max() / scale < 3e-3
    differences = (whole - whole[:, :1]) / scale
    np.testing.assert_allclose(differences, vectors(6) - vectors(6)[:, :1], atol=3e-3)


def test_rounding_depends_only_on_the_first_image(tmp_path: Path) -> None:
    one = filled(tmp_path / "one", batch=1, shard_rows=1)
    other = filled(tmp_path / "other", batch=5, shard_rows=4)
    np.testing.assert_array_equal(read(one, *range(10)), read(other, *range(10)))


def test_half_precision_on_disk(tmp_path: Path) -> None:
    feature_shards = open_at(tmp_path, shard_rows=10_000)
    count = 4000
    feature_shards.add(ids_of(*range(count)), vectors(count))
    feature_shards.flush()
    assert feature_shards.size_of(count) == count * DEPTH * WIDTH * 2
    overhead = count * (16 + 4 * DEPTH)  # what an image is known by, and a unit for each of its vectors
    assert feature_shards.entry.bytes() == pytest.approx(feature_shards.size_of(count) + overhead, rel=0.01)


@pytest.mark.parametrize(
    ("depth", "width", "gigabytes"), [(12, 384, 12), (12, 768, 25), (24, 1024, 65), (32, 1280, 109)]
)
def test_the_documented_size_of_all_layers_of_imagenet(tmp_path: Path, depth: int, width: int, gigabytes: int) -> None:
    entry = CacheEntry.at(tmp_path, "features", {})
    size = FeatureShards(entry, depth, width, print).size_of(1_331_167)
    assert round(size / 1e9) == gigabytes


def test_complete_shards_survive_a_killed_process(tmp_path: Path) -> None:
    feature_shards, values = open_at(tmp_path), vectors(10)
    for number in range(10):  # two shards of four, and two images that never were written
        feature_shards.add(ids_of(number), values[:, number : number + 1])
    (feature_shards.entry.path / f".000002-abc.safetensors.{'0' * 32}").write_bytes(b"half a shard")
    said: list[str] = []
    after = open_at(tmp_path, said)
    assert (after.find(ids_of(*range(10))) >= 0).tolist() == [True] * 8 + [False] * 2
    assert said == []


@pytest.mark.parametrize("harm", ["cut", "flipped", "emptied", "foreign", "another model's", "of another shape"])
def test_a_damaged_shard_is_reported_and_removed(tmp_path: Path, harm: str) -> None:
    path = shards(filled(tmp_path))[1]
    content = path.read_bytes()
    match harm:
        case "cut":
            path.write_bytes(content[:-10])
        case "flipped":
            path.write_bytes(content[:-10] + bytes([content[-10] ^ 1]) + content[-9:])
        case "emptied":
            path.write_bytes(b"")
        case "foreign":
            path.write_bytes(b"something else entirely")
        case "another model's":
            path.write_bytes(shards(filled(tmp_path, model="another"))[1].read_bytes())
        case _:
            other = FeatureShards(CacheEntry.at(tmp_path / "x", "features", {}), DEPTH, WIDTH + 1, print)
            other.add(ids_of(1), np.ones((DEPTH, 1, WIDTH + 1), np.float32))
            other.flush()
            path.write_bytes(shards(other)[0].read_bytes())
    said: list[str] = []
    feature_shards = open_at(tmp_path, said)
    assert said == [f"{path} is damaged or belongs to another model and was deleted: its features are extracted again"]
    assert not path.exists()
    assert (feature_shards.find(ids_of(*range(10))) >= 0).sum() == 10 - 3


def test_features_extracted_by_two_processes_count_once(tmp_path: Path) -> None:
    one, two = open_at(tmp_path), open_at(tmp_path)
    for feature_shards in (one, two):
        feature_shards.add(ids_of(*range(4)), vectors(4))
        feature_shards.flush()
    whole = open_at(tmp_path)
    assert len(whole.paths) == 2
    np.testing.assert_allclose(read(whole, 3, 0), vectors(4)[:, [3, 0]], atol=2e-3)


def test_only_requested_shards_and_layers_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from teachmatters.cache import features

    feature_shards = filled(tmp_path, count=40, batch=4)
    read_of: list[tuple[str, int, int]] = []
    original = features._layer

    def counting(path: Path, layer: int, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        read_of.append((path.name[:6], layer, len(rows)))
        return original(path, layer, rows)

    monkeypatch.setattr(features, "_layer", counting)
    feature_shards.read(feature_shards.find(ids_of(*range(6, 13))), 2)
    assert read_of == [("000001", 2, 2), ("000002", 2, 4), ("000003", 2, 1)]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_are_not_kept(tmp_path: Path, bad: float) -> None:
    feature_shards, values = open_at(tmp_path), vectors(2)
    values[1, 1, 3] = bad
    with pytest.raises(TeachMattersError, match="not finite"):
        feature_shards.add(ids_of(0, 1), values)
    feature_shards.flush()
    assert not feature_shards.entry.path.exists()


def test_a_vanished_shard_is_an_error_with_its_name(tmp_path: Path) -> None:
    feature_shards = filled(tmp_path)
    feature_shards.entry.remove()
    with pytest.raises(TeachMattersError, match=r"cannot be read: .* run again"):
        read(feature_shards, 0)


def test_other_fields_are_another_extraction(tmp_path: Path) -> None:
    filled(tmp_path, dtype="float32")
    assert open_at(tmp_path, dtype="bfloat16").find(ids_of(0)).tolist() == [-1]
    assert open_at(tmp_path, dtype="float32").find(ids_of(0)).tolist() == [0]


def test_entries_written_after_a_prune_can_be_found_and_pruned(tmp_path: Path) -> None:
    feature_shards = filled(tmp_path, count=4)
    feature_shards.entry.remove()
    feature_shards.add(ids_of(7), vectors(1))
    feature_shards.flush()
    assert open_at(tmp_path).find(ids_of(7, 0)).tolist() == [0, -1]
    assert [entry.path for entry in entries(tmp_path)] == [feature_shards.entry.path]
