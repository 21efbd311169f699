"""Tests of PartImageNet's original release with its known faults."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from teachmatters import registry
from teachmatters.api import Item, Mask
from teachmatters.datasets.partimagenet import PartImageNet, sampled
from teachmatters.errors import TeachMattersError
from teachmatters.runner.plan.datasets import open_dataset
from teachmatters.runner.plan.parameters import effective
from tests import annotated

SPEC = registry.load().dataset("partimagenet")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "PartImageNet"
    annotated.partimagenet(root)
    return root


def parts(dataset: PartImageNet, item: Item) -> tuple[Mask, ...]:
    masks: tuple[Mask, ...] = dataset.annotations(item, "parts")["parts"]
    return masks


def names(dataset: PartImageNet) -> list[str]:
    return [item.key.rpartition("/")[2].removesuffix(".JPEG") for item in dataset.items("parts", "all") or []]


def test_the_three_parts_are_one_data_set_by_class_and_name(folder: Path) -> None:
    dataset = PartImageNet(folder)
    classes = ("n01440764", "n01443537", "n02006656", "n02009912")
    assert names(dataset) == [f"{wnid}_{i:04d}" for wnid in classes for i in range(3)]
    items = dataset.items("parts", "all") or []
    assert items[0].key == "train/n01440764/n01440764_0000.JPEG"
    assert items[3].key == "val/n01443537/n01443537_0000.JPEG"
    assert items[-1].key == "test/n02009912/n02009912_0002.JPEG"
    assert items[0].size == (folder / items[0].key).stat().st_size
    assert dataset.image(items[1]).size == (300, 240)
    assert (dataset.split("parts"), dataset.items("parts", "gallery")) == ("all", None)
    assert dataset.categories("parts") == ["Bird Head", "Bird Wing", "Fish Body", "Fish Head"]
    assert len(dataset.annotation_files("parts")) == 3


def test_masks_are_the_parts_of_that_image(folder: Path) -> None:
    """Image ids begin anew in each file, so the image of one must not get the parts of another."""
    dataset = PartImageNet(folder)
    for part in ("train", "val", "test"):
        content = json.loads((folder / f"{part}.json").read_text())
        labels = {category["id"]: category["name"] for category in content["categories"]}
        for image in content["images"]:
            item = next(item for item in dataset._items if item.key.endswith(image["file_name"]))
            entries = [each for each in content["annotations"] if each["image_id"] == image["id"]]
            for mask, entry in zip(parts(dataset, item), entries, strict=True):
                assert dataset.categories("parts")[mask.label] == labels[entry["category_id"]]
                filled = Image.new("L", (image["width"], image["height"]))
                if len(entry["segmentation"][0]) > 4:
                    ImageDraw.Draw(filled).polygon(entry["segmentation"][0], fill=255)
                assert (np.asarray(filled) != mask.pixels).mean() < 0.01


def test_the_known_faulty_annotations_give_an_empty_mask_and_no_image(folder: Path) -> None:
    dataset = PartImageNet(folder)
    assert not any(".DS_Store" in item.key for item in dataset._items)
    third = parts(dataset, dataset._items[2])
    assert [bool(mask.pixels.any()) for mask in third] == [True, True, False], "its polygon has four numbers"


def test_a_polygon_without_area_keeps_the_others_of_its_part(folder: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(folder, tmp_path / "PartImageNet"))
    content = json.loads((root / "val.json").read_text())
    content["annotations"][0]["segmentation"].insert(0, [1.0, 1.0, 9.0, 9.0])
    (root / "val.json").write_text(json.dumps(content))
    before, after = PartImageNet(folder), PartImageNet(root)
    assert (parts(before, before._items[3])[0].pixels == parts(after, after._items[3])[0].pixels).all()


def test_files_may_number_their_categories_differently(folder: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(folder, tmp_path / "PartImageNet"))
    content = json.loads((root / "val.json").read_text())
    swapped = {0: 1, 1: 0}
    for entry in [*content["categories"], *content["annotations"]]:
        name = "id" if "name" in entry else "category_id"
        entry[name] = swapped.get(entry[name], entry[name])
    (root / "val.json").write_text(json.dumps(content))
    before, after = PartImageNet(folder), PartImageNet(root)
    for item in before._items:
        assert [mask.label for mask in parts(before, item)] == [mask.label for mask in parts(after, item)]


def test_each_supercategory_is_sampled_round_robin_over_its_classes(folder: Path) -> None:
    # Fish are n01440764 (train) and n01443537 (val), birds n02006656 (train) and n02009912 (test).
    assert names(PartImageNet(folder, 3)) == [
        "n01440764_0000", "n01440764_0001", "n01443537_0000", "n02006656_0000", "n02006656_0001", "n02009912_0000",
    ]  # fmt: skip
    assert names(PartImageNet(folder, 100)) == names(PartImageNet(folder))


def test_an_exhausted_class_leaves_its_turn_to_the_others() -> None:
    fish = {"a": ["train/a/a_1"], "b": ["val/b/b_1", "val/b/b_2", "val/b/b_3"], "c": ["test/c/c_1", "test/c/c_2"]}
    assert sampled({"Fish": fish}, 5) == ["train/a/a_1", "val/b/b_1", "val/b/b_2", "test/c/c_1", "test/c/c_2"]
    assert sampled({"Fish": fish, "Bird": {"0": ["val/0/0_1", "val/0/0_2"]}}, 1) == ["val/0/0_1", "train/a/a_1"]


def test_how_many_images_an_analysis_gets() -> None:
    assert effective(SPEC, "attention-iou", {}) == {"per_supercategory": 500}
    assert effective(SPEC, "segment-clustering", {}) == {"per_supercategory": 100}
    assert effective(SPEC, "attention", {}) == {"per_supercategory": None}


def test_a_missing_annotation_file_is_named(folder: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(folder, tmp_path / "PartImageNet"))
    (root / "test.json").unlink()
    with pytest.raises(TeachMattersError, match=r"no 'partimagenet' at .*expected layout: \{train,val,test\}\.json"):
        open_dataset(SPEC, tmp_path, {}, seed=0)
    (root / "test.json").write_text("{")
    with pytest.raises(TeachMattersError, match=r"test\.json is damaged"):
        open_dataset(SPEC, tmp_path, effective(SPEC, "", {}), seed=0)


def test_a_root_must_be_named() -> None:
    with pytest.raises(TeachMattersError, match="--data-root"):
        open_dataset(SPEC, None, {}, seed=0)
