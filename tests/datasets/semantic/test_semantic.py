"""Tests of PASCAL VOC, ADE20K, and a folder of images next to a folder of masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from teachmatters.api import VOID, DatasetRequest
from teachmatters.datasets.semantic.mask_folder import open_mask_folder
from teachmatters.datasets.semantic.masked_images import MaskedImages
from teachmatters.datasets.semantic.official import open_ade20k, open_voc
from teachmatters.datasets.task_specs import ADE20K, MASK_FOLDER, VOC
from teachmatters.errors import TeachMattersError
from tests import annotated


def keys(dataset: MaskedImages, role: str) -> list[str]:
    return [item.key for item in dataset.items("semantic", role) or ()]  # type: ignore[arg-type]


def put(path: Path, values: list[int], mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array([values], np.uint8)).convert(mode).save(path)


def classes_of(dataset: MaskedImages, role: str, number: int = 0) -> list[int]:
    item = (dataset.items("semantic", role) or ())[number]  # type: ignore[arg-type]
    pixels: np.ndarray = dataset.annotations(item, "semantic")["mask"].pixels
    assert pixels.dtype == np.uint8
    return sorted(set(pixels.ravel().tolist()))


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    annotated.voc(tmp_path, train=3, val=2)
    return tmp_path / "VOCdevkit"


def opened(root: Path) -> MaskedImages:
    return open_voc(DatasetRequest(spec=VOC, root=root))


@pytest.mark.parametrize("inside", ["", "VOC2012"])
def test_voc_in_the_order_of_its_lists(voc: Path, inside: str) -> None:
    lists = voc / "VOC2012" / "ImageSets" / "Segmentation"
    (lists / "train.txt").write_text("2007_000002\n2007_000000\n")
    dataset = opened(voc / inside)
    assert keys(dataset, "gallery") == ["JPEGImages/2007_000002.jpg", "JPEGImages/2007_000000.jpg"]
    assert keys(dataset, "queries") == keys(dataset, "all") == [f"JPEGImages/2008_00000{i}.jpg" for i in range(2)]
    assert (dataset.split("semantic"), dataset.items("images", "gallery")) == ("val", None)
    assert dataset.categories("semantic")[15] == "person"
    assert len(dataset.categories("semantic")) == 21
    assert set(classes_of(dataset, "gallery")) <= {0, 1, 8, 12, 15, VOID}
    assert dataset.image((dataset.items("semantic", "queries") or ())[0]).size == (225, 300)
    assert len(dataset.annotation_files("semantic")) == 4


def test_missing_files_are_named(voc: Path) -> None:
    (voc / "VOC2012" / "SegmentationClass" / "2007_000001.png").unlink()
    dataset = opened(voc)
    assert dataset.missing("semantic") == ["SegmentationClass/2007_000001.png"]
    every = {role: dataset.items("semantic", role) or [] for role in ("queries", "gallery")}
    assert dataset.remarks("semantic", every) == ["masks that are not there: SegmentationClass/2007_000001.png"]  # type: ignore[arg-type]
    assert dataset.annotations(every["gallery"][1], "semantic") == {}


def test_a_class_that_voc_lacks_is_an_error(voc: Path) -> None:
    put(voc / "VOC2012" / "SegmentationClass" / "2007_000000.png", [0, 21, 255])
    with pytest.raises(TeachMattersError, match="holds 21; its 21 classes go from 0 to 20, and 255 is void"):
        classes_of(opened(voc), "gallery")


@pytest.mark.parametrize("text", ["", "../../etc/passwd\n"])
def test_a_list_without_images_is_an_error(voc: Path, text: str) -> None:
    (voc / "VOC2012" / "ImageSets" / "Segmentation" / "val.txt").write_text(text)
    with pytest.raises(TeachMattersError, match="unpack VOCtrainval"):
        opened(voc)


def test_ade20k_counts_from_1_and_0_is_void(tmp_path: Path) -> None:
    for part, values in (("training", [0, 1, 150]), ("validation", [7, 7, 0])):
        for folder, suffix in (("images", "jpg"), ("annotations", "png")):
            put(tmp_path / folder / part / f"ADE_{part}_1.{suffix}", values, "RGB" if suffix == "jpg" else "L")
    dataset = open_ade20k(DatasetRequest(spec=ADE20K, root=tmp_path))
    assert keys(dataset, "gallery") == ["images/training/ADE_training_1.jpg"]
    assert (classes_of(dataset, "gallery"), classes_of(dataset, "queries")) == ([0, 149, VOID], [6, VOID])
    names = dataset.categories("semantic")
    assert (len(set(names)), names[0], names[6], names[149]) == (150, "wall", "road", "flag")
    put(tmp_path / "annotations" / "training" / "ADE_training_1.png", [151])
    with pytest.raises(TeachMattersError, match="holds 151; its 150 classes go from 1 to 150"):
        classes_of(dataset, "gallery")


def test_a_folder_of_masks_next_to_the_images(tmp_path: Path) -> None:
    for name in ("b", "a"):
        put(tmp_path / "images" / f"{name}.png", [1, 2, 3])
        put(tmp_path / "masks" / f"{name}.png", [0, 4, 255])
    dataset = open_mask_folder(DatasetRequest(spec=MASK_FOLDER, root=tmp_path))
    assert keys(dataset, "all") == ["images/a.png", "images/b.png"]
    assert dataset.items("semantic", "queries") is None
    assert classes_of(dataset, "all") == [0, 4, VOID]
    assert dataset.categories("semantic") == ["0", "1", "2", "3", "4"]
    (tmp_path / "classes.txt").write_text("ground\nroad\n\nsky\ntree\nhouse\n")
    named = open_mask_folder(DatasetRequest(spec=MASK_FOLDER, root=tmp_path))
    assert named.categories("semantic") == ["ground", "road", "sky", "tree", "house"]
    (tmp_path / "classes.txt").write_text("ground\nground\n")
    with pytest.raises(TeachMattersError, match="write 1 to 255 different ones"):
        open_mask_folder(DatasetRequest(spec=MASK_FOLDER, root=tmp_path))


def test_splits_of_a_folder_are_those_of_image_folders(tmp_path: Path) -> None:
    for part in ("train", "Validation"):
        put(tmp_path / "images" / part / "city" / "a.png", [1])
        put(tmp_path / "masks" / part / "city" / "a.png", [2])
    dataset = open_mask_folder(DatasetRequest(spec=MASK_FOLDER, root=tmp_path))
    assert keys(dataset, "gallery") == ["images/train/city/a.png"]
    assert keys(dataset, "queries") == keys(dataset, "all") == ["images/Validation/city/a.png"]
    assert (dataset.split("semantic"), dataset.missing("semantic")) == ("val", [])
    (tmp_path / "images" / "train" / "city" / "a.png").unlink()
    (tmp_path / "images" / "Validation" / "city" / "a.png").unlink()
    with pytest.raises(TeachMattersError, match="no images below"):
        open_mask_folder(DatasetRequest(spec=MASK_FOLDER, root=tmp_path))
