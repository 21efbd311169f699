"""Tests of COCO in both layouts: polygons, run lengths, crowds and damaged files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pycocotools import mask as official

from teachmatters import registry
from teachmatters.api import Mask
from teachmatters.datasets.coco import Coco
from teachmatters.datasets.outlines import draw
from teachmatters.errors import TeachMattersError
from teachmatters.runner.plan.datasets import OpenDataset, fingerprint, items_of, open_dataset
from teachmatters.runner.plan.parameters import effective
from tests import annotated
from tests.measuring import measure, task

SPEC = registry.load().dataset("coco")
ANNOTATIONS = Path("annotations/instances_val2017.json")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("coco")
    annotated.coco(root)
    return root


@pytest.fixture
def broken(folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(folder, tmp_path / "coco"))


def opened(root: Path, analysis: str = "", *given: str) -> OpenDataset:
    values = effective(SPEC, analysis, dict(text.split("=", 1) for text in given))
    return open_dataset(SPEC, root, values, seed=0)


def objects(dataset: Coco, number: int) -> tuple[Mask, ...]:
    masks: tuple[Mask, ...] = dataset.annotations(dataset._items[number], "masks")["objects"]
    return masks


def change(root: Path, what: Callable[[Any], object]) -> None:
    content = json.loads((root / ANNOTATIONS).read_text())
    what(content)
    (root / ANNOTATIONS).write_text(json.dumps(content))


def test_items_come_by_id_with_their_sizes(folder: Path) -> None:
    dataset = Coco(folder)
    items = dataset.items("masks", "all") or []
    assert [item.key for item in items] == [f"val2017/{i:012d}.jpg" for i in range(1, 13)]
    assert items[4].size == (folder / "images/val2017/000000000005.jpg").stat().st_size
    assert dataset.image(items[0]).size == (240, 320)
    assert (dataset.split("masks"), dataset.items("masks", "queries")) == ("val2017", None)
    assert dataset.items("images", "all") == items


def test_masks_are_those_of_the_file(folder: Path) -> None:
    """Polygons against PIL's own filling: they differ along the outline only. A crowd to the pixel."""
    dataset = Coco(folder)
    content = json.loads((folder / ANNOTATIONS).read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    for number, image in enumerate(content["images"]):
        entries = [each for each in content["annotations"] if each["image_id"] == image["id"]]
        for mask, entry in zip(objects(dataset, number), entries, strict=True):
            assert dataset.categories("masks")[mask.label] == names[entry["category_id"]]
            assert mask.pixels.shape == (image["height"], image["width"])
            assert set(np.unique(mask.pixels)) == {0, 255}
            if entry["iscrowd"]:
                x, y, w, h = entry["bbox"]
                assert (mask.pixels[y : y + h, x : x + w] == 255).all()
                assert (mask.pixels == 255).sum() == w * h
            else:
                filled = Image.new("L", (image["width"], image["height"]))
                ImageDraw.Draw(filled).polygon(entry["segmentation"][0], fill=255)
                assert (np.asarray(filled) != mask.pixels).mean() < 0.01
    assert [len(objects(dataset, i)) for i in range(4)] == [1, 2, 3, 2], "image 4 has a crowd beside its object"


def test_several_polygons_are_one_object_and_compressed_runs_are_read() -> None:
    left, right = [1.0, 1, 3, 1, 3, 6, 1, 6], [6.0, 1, 9, 1, 9, 6, 6, 6]
    polygons = [np.array(left), np.array(right)]
    both = draw(polygons, 8, 10)
    assert (both == np.maximum(draw(polygons[:1], 8, 10), draw(polygons[1:], 8, 10))).all()
    packed = official.encode(np.asfortranarray(both // 255))
    as_text = {"size": packed["size"], "counts": packed["counts"].decode()}
    assert (draw(as_text, 8, 10) == both).all()


def test_both_layouts_give_the_same_fingerprint(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "annotations", tmp_path / "annotations")
    shutil.copytree(folder / "images" / "val2017", tmp_path / "val2017")
    marks = []
    for root in (folder, tmp_path):
        data = opened(root)
        marks.append(fingerprint(data, ["masks"], items_of(data, "masks", ["all"], None)))
        data.dataset.image(items_of(data, "masks", ["all"], None)["all"][0])
    assert marks[0] == marks[1]
    change(tmp_path, lambda content: content["annotations"].pop())
    data = opened(tmp_path)
    assert fingerprint(data, ["masks"], items_of(data, "masks", ["all"], None)) != marks[0]


def test_how_many_images_an_analysis_gets(folder: Path) -> None:
    assert opened(folder, "attention-iou").parameters == {"images": 5000}
    assert opened(folder, "segment-clustering").parameters == {"images": 1000}
    assert opened(folder, "attention").parameters == {"images": None}
    some = opened(folder, "attention-iou", "images=3")
    assert [item.key[-5:-4] for item in items_of(some, "masks", ["all"], None)["all"]] == ["1", "2", "3"]


def test_an_image_without_annotations_has_no_objects(broken: Path) -> None:
    change(broken, lambda content: content["annotations"].clear())
    assert objects(Coco(broken), 0) == ()


def test_a_missing_image_is_listed_and_unreadable(broken: Path) -> None:
    (broken / "images/val2017/000000000002.jpg").unlink()
    dataset = Coco(broken)
    assert dataset._items[1].size == 0
    with pytest.raises(OSError, match="000000000002"):
        dataset.image(dataset._items[1])


def test_polygons_without_area_give_an_empty_mask(broken: Path) -> None:
    change(broken, lambda content: content["annotations"][0].update(segmentation=[]))
    change(broken, lambda content: content["annotations"][1].update(segmentation=[[1.0, 1, 9, 9]]))
    dataset = Coco(broken)
    assert not objects(dataset, 0)[0].pixels.any()
    assert not objects(dataset, 1)[0].pixels.any()
    assert objects(dataset, 1)[1].pixels.any()


def test_a_missing_annotation_file_is_named(broken: Path) -> None:
    (broken / ANNOTATIONS).unlink()
    with pytest.raises(TeachMattersError, match=r"expected layout: annotations/instances_val2017\.json.*found there"):
        opened(broken)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (lambda content: content.pop("images"), "it has no list of images"),
        (lambda content: content["images"][0].pop("file_name"), "image 1 has no file_name"),
        (lambda content: content["images"][0].update(width=10**9), "1000000000 x"),
        (lambda content: content["images"][0].update(file_name=3), "file_name of image 1 is not a string"),
        (lambda content: content["images"][0].update(height=None), "image 1 has no height"),
        (lambda content: content["images"][0].update(id=2), "several of its images have the id 2"),
        (lambda content: content["categories"][0].update(id=3), "several of its categories have the id 3"),
        (lambda content: content["annotations"][0].pop("segmentation"), "annotation 1 has no segmentation"),
        (lambda content: content["annotations"][0].pop("image_id"), "annotation 1 has no image_id"),
        (lambda content: content.update(annotations={}), "it has no list of annotations"),
        (lambda content: content["annotations"][0].update(category_id=9), "unknown category 9"),
        (lambda content: content["annotations"][0].update(segmentation=[["a"] * 6]), "could not convert"),
        (lambda content: content["annotations"][0].update(segmentation=[[1.0, 2, 3, 4, 5, 1e12]]), "far outside"),
        (lambda content: content["annotations"][0].update(segmentation=[[1.0, 2, 3, 4, 5, float("nan")]]), "far"),
        (lambda content: content["annotations"][0].update(segmentation=3), "TypeError"),
    ],
)
def test_a_damaged_annotation_file_is_a_one_line_error(broken: Path, what: Callable[[Any], object], told: str) -> None:
    change(broken, what)
    with pytest.raises(TeachMattersError, match=rf"instances_val2017\.json is damaged or not .*{told}"):
        opened(broken)


@pytest.mark.parametrize("content", ["", "{", '{"images": 3}', "[]", "[" * 100_000])
def test_a_file_that_is_not_an_annotation_file_is_refused(broken: Path, content: str) -> None:
    (broken / ANNOTATIONS).write_text(content)
    with pytest.raises(TeachMattersError, match="damaged or not in COCO's format"):
        opened(broken)


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        ({"size": [240, 320], "counts": [76800]}, r"are for \[240, 320\]"),
        ({"size": [320, 240], "counts": [5, 10]}, "sum to 15"),
        ({"size": [320, 240], "counts": [-1, 76801]}, "out of bounds"),
        ({"size": [320, 240], "counts": ["a"]}, "unsupported operand"),
        ({"size": [320, 240], "counts": "o" * 400}, "Invalid RLE"),
        ({"counts": [5]}, "are for None"),
    ],
)
def test_damaged_run_lengths_are_a_one_line_error(broken: Path, runs: Any, told: str) -> None:
    change(broken, lambda content: content["annotations"][0].update(segmentation=runs))
    dataset = Coco(broken)
    with pytest.raises(TeachMattersError, match=rf"damaged mask for 000000000001\.jpg: .*{told}"):
        objects(dataset, 0)


def test_a_root_must_be_named() -> None:
    with pytest.raises(TeachMattersError, match="--data-root"):
        open_dataset(SPEC, None, {}, seed=0)


def remarks(root: Path) -> list[str]:
    whole = opened(root)
    return list(whole.dataset.remarks("masks", items_of(whole, "masks", ["all"], None)))


def test_a_complete_data_set_has_no_remarks(folder: Path) -> None:
    assert remarks(folder) == []


def test_annotations_of_unlisted_images_are_skipped_and_reported(broken: Path) -> None:
    before = [len(objects(Coco(broken), number)) for number in range(12)]
    change(broken, lambda content: content["annotations"].append(content["annotations"][0] | {"image_id": 555}))
    change(broken, lambda content: content["images"].pop(0))
    assert [len(objects(Coco(broken), number)) for number in range(11)] == before[1:]
    assert remarks(broken) == [
        "instances_val2017.json has 2 annotations of images that it does not list (id 1, id 555); they are left out"
    ]


def test_two_images_of_one_file_are_two_items_with_their_own_objects(broken: Path) -> None:
    before = [len(objects(Coco(broken), number)) for number in range(12)]
    change(broken, lambda content: content["images"][4].update(file_name="000000000003.jpg"))
    dataset = Coco(broken)
    assert [len(objects(dataset, number)) for number in range(12)] == before
    third, fifth = dataset._items[2], dataset._items[4]
    assert (third.key, fifth.key) == ("val2017/000000000003.jpg", "val2017/000000000003.jpg (id 5)")
    assert dataset.image(third).tobytes() == dataset.image(fifth).tobytes()
    assert fifth.size == third.size > 0
    assert remarks(broken) == [
        "instances_val2017.json lists 000000000003.jpg more than once; each counts as a separate image"
    ]


def test_two_files_that_would_be_one_are_refused(broken: Path) -> None:
    change(broken, lambda content: content["images"][0].update(file_name="a/1.jpg"))
    change(broken, lambda content: content["images"][1].update(file_name="b/1.jpg"))
    with pytest.raises(
        TeachMattersError, match=r"lists a/1\.jpg and b/1\.jpg, which map to the same file, val2017/1\.jpg"
    ):
        Coco(broken)


@pytest.mark.usefixtures("toys")
def test_a_file_that_swaps_width_and_height_is_an_error_with_both_sizes(broken: Path) -> None:
    def swap(content: Any) -> None:
        for image in content["images"]:
            image["width"], image["height"] = image["height"], image["width"]
        content["annotations"] = [each for each in content["annotations"] if not each["iscrowd"]]

    change(broken, swap)
    with pytest.raises(TeachMattersError, match=r"0001\.jpg is 240 x 320 pixels, but its mask is 320 x 240 pixels"):
        measure(task("attention-iou", "coco", root=broken, limit=2))
