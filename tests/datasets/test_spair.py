from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from teachmatters.api import Box, DatasetRequest
from teachmatters.datasets.spair import SPair, open_spair
from teachmatters.datasets.task_specs import SPAIR
from teachmatters.errors import TeachMattersError
from tests import annotated

PAIRS = Path("PairAnnotation") / "test"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spair")
    annotated.spair(folder, pairs=3)
    return folder


def opened(root: Path | None) -> SPair:
    return open_spair(DatasetRequest(spec=SPAIR, root=root))


def test_images_by_category_and_pairs_by_name(root: Path) -> None:
    dataset = opened(root)
    items, pairs = dataset.items("pairs", "all") or [], dataset.pairs()
    assert [item.key for item in items] == [
        f"JPEGImages/{c}/2008_{i:06d}.jpg" for c in ("bus", "cat") for i in range(4)
    ]
    assert [(pair.category, pair.source, pair.target) for pair in pairs] == [
        ("bus", 0, 1), ("cat", 4, 5), ("bus", 1, 2), ("cat", 5, 6), ("bus", 2, 3), ("cat", 6, 7)
    ]  # fmt: skip
    assert [item.units for item in items] == [(0,), (0, 2), (2, 4), (4,), (1,), (1, 3), (3, 5), (5,)]
    assert {item.group for item in items} == {"bus", "cat"}
    assert (dataset.split("pairs"), len(dataset.annotation_files("pairs"))) == ("test", 6)


def test_points_and_boxes_are_those_of_the_pair_files(root: Path) -> None:
    dataset = opened(root)
    items = dataset.items("pairs", "all") or []
    for path, pair in zip(dataset.annotation_files("pairs"), dataset.pairs(), strict=True):
        content = json.loads(path.read_text())
        for side, where, which in (
            ("src", pair.source, pair.source_points), ("trg", pair.target, pair.target_points)
        ):  # fmt: skip
            known = dataset.annotations(items[where], "pairs")
            assert known["points"].xy[list(which)].tolist() == content[f"{side}_kps"]
            assert known["box"] == Box(*content[f"{side}_bndbox"])
            assert items[where].key.endswith(content[f"{side}_imname"])
            assert dataset.image(items[where]).size == tuple(content[f"{side}_imsize"][:2])
        assert pair.difficulty == dict.fromkeys(("viewpoint", "scale", "truncation", "occlusion"), 0)


def changed(root: Path, folder: Path, **changes: Any) -> Path:
    """One pair, with changes, in a folder of its own; links to the images."""
    (folder / PAIRS).mkdir(parents=True)
    (folder / "JPEGImages").symlink_to(root / "JPEGImages")
    first = sorted((root / PAIRS).iterdir())[0]
    (folder / PAIRS / first.name).write_text(json.dumps({**json.loads(first.read_text()), **changes}))
    return folder


def test_names_with_a_colon_are_the_same_pairs(root: Path, tmp_path: Path) -> None:
    (tmp_path / PAIRS).mkdir(parents=True)
    (tmp_path / "JPEGImages").symlink_to(root / "JPEGImages")
    for path in (root / PAIRS).iterdir():
        name = path.name.replace("_cat.json", ":cat.json")
        (tmp_path / PAIRS / name).write_bytes(path.read_bytes())
        if name.startswith("000001"):  # both at once are one pair
            (tmp_path / PAIRS / path.name).write_bytes(path.read_bytes())
    assert opened(tmp_path).pairs() == opened(root).pairs()
    assert opened(tmp_path).items("pairs", "all") == opened(root).items("pairs", "all")


def test_an_image_with_two_boxes_is_two_items(root: Path, tmp_path: Path) -> None:
    folder = changed(root, tmp_path / "a")
    (path,) = (folder / PAIRS).iterdir()
    content = json.loads(path.read_text())
    content["src_bndbox"] = [0, 0, 5, 5]
    path.with_name("000009-a-b_bus.json").write_text(json.dumps(content))
    dataset = opened(folder)
    items = dataset.items("pairs", "all") or []
    assert len(items) == 3
    assert len({item.key for item in items}) == 3
    assert len(dataset.items("images", "all") or []) == 2
    boxes = [dataset.annotations(items[pair.source], "pairs")["box"] for pair in dataset.pairs()]
    assert boxes[0] != boxes[1] == Box(0, 0, 5, 5)
    assert dataset.image(items[dataset.pairs()[1].source]).size == dataset.image(items[0]).size


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"src_imname": "../../secret.jpg"}, r"'\.\./\.\./secret.jpg' is not a name"),
        ({"category": None}, "None is not a name"),
        ({"src_kps": [[1, 2]]}, "5 kps_ids, but 1 points in src_kps"),
        ({"src_imsize": [1]}, "not enough values"),
        ({"trg_bndbox": [1, 2]}, "TypeError: Box"),
        ({"src_kps": None}, "TypeError"),
    ],
)
def test_an_invalid_pair_is_a_one_line_error(changes: dict[str, Any], words: str, root: Path, tmp_path: Path) -> None:
    with pytest.raises(TeachMattersError, match=rf"not a pair of SPair-71k .*{words}"):
        opened(changed(root, tmp_path / "a", **changes))


def test_missing_pairs_and_a_missing_folder_are_one_line_errors(tmp_path: Path) -> None:
    (tmp_path / PAIRS).mkdir(parents=True)
    (tmp_path / PAIRS / ".000.json").write_text("{}")
    with pytest.raises(TeachMattersError, match="holds no pairs; expected"):
        opened(tmp_path)
    with pytest.raises(TeachMattersError, match="SPair-71k"):
        opened(None)


@pytest.mark.parametrize("side", ["src", "trg"])
def test_an_image_of_another_size_is_an_error_with_both_sizes(side: str, root: Path, tmp_path: Path) -> None:
    folder = changed(root, tmp_path / "a")
    (path,) = (folder / PAIRS).iterdir()
    width, height, channels = json.loads(path.read_text())[f"{side}_imsize"]
    path.write_text(json.dumps(json.loads(path.read_text()) | {f"{side}_imsize": [height, width, channels]}))
    dataset = opened(folder)
    (pair,) = dataset.pairs()
    item = (dataset.items("pairs", "all") or [])[pair.source if side == "src" else pair.target]
    with pytest.raises(TeachMattersError, match=rf"is {width} x {height} pixels, but .* of {height} x {width}; unpack"):
        dataset.image(item)


def test_pairs_may_omit_sizes_but_must_not_disagree(root: Path, tmp_path: Path) -> None:
    folder = changed(root, tmp_path / "a")
    (path,) = (folder / PAIRS).iterdir()
    content = json.loads(path.read_text())
    path.with_name("000009-a-b_bus.json").write_text(json.dumps(content | {"src_imsize": [9, 9, 3]}))
    with pytest.raises(TeachMattersError, match=r"has the size \(9, 9\) here and"):
        opened(folder)
    path.with_name("000009-a-b_bus.json").unlink()
    path.write_text(json.dumps({name: value for name, value in content.items() if not name.endswith("imsize")}))
    dataset = opened(folder)
    assert all(dataset.image(item).width for item in dataset.items("pairs", "all") or [])
