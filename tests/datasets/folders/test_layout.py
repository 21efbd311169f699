"""Tests that a folder, its tar and its table follow the same rules."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from teachmatters.api import Dataset, DatasetRequest, Role
from teachmatters.datasets.folders.image_folder import open_folder
from teachmatters.datasets.specs import FOLDER
from teachmatters.errors import TeachMattersError
from teachmatters.runner.plan.datasets import OpenDataset, fingerprint, items_of
from tests.fixtures import image

DIVIDED = {"all": "val", "queries": "val", "gallery": "train"}
TESTED = {"all": "test", "queries": "test", "gallery": "train"}
WHOLE = {"all": ""}


def draw(root: Path, names: Sequence[str]) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in (".jpg", ".png", ".pgm"):
            image(name).save(path, "PNG")
        else:
            path.write_text("no image")
    return root


def pack(folder: Path, root: Path) -> Path:
    root.mkdir()
    with tarfile.open(root / "all.tar", "w") as tar:
        tar.add(folder, ".")
    return root


def opened(root: Path) -> Any:
    return open_folder(DatasetRequest(spec=FOLDER, root=root))


def listed(dataset: Dataset, role: Role = "all") -> list[tuple[str, int, int | None]]:
    return [(item.key, item.size, item.label) for item in dataset.items("images", role) or ()]


def remarks(dataset: Any, kind: Any = "labels") -> list[str]:
    roles = [role for role in ("all", "queries", "gallery") if role in dataset.parts]
    return list(dataset.remarks(kind, {role: dataset.items(kind, role) for role in roles}))


@pytest.mark.parametrize(
    ("names", "parts", "classes", "said"),
    [
        (("train/a/1.jpg", "val/b/1.jpg"), DIVIDED, ["a", "b"], []),
        (("Train/a/1.jpg", "Val/a/1.jpg"), DIVIDED, ["a"], ["1 class: a"]),
        (("TRAINING/a/1.JPG", "Validation/b/1.jpg"), DIVIDED, ["a", "b"], []),
        (("train/a/1.jpg", "test/b/1.jpg"), TESTED, ["a", "b"], []),
        (("Training/a/1.jpg", "Testing/b/1.jpg"), TESTED, ["a", "b"], []),
        (
            ("train/a/1.jpg", "val/b/1.jpg", "test/c/1.jpg"),
            DIVIDED,
            ["a", "b"],
            ["not looked at: test/; train and val are used"],
        ),
        (
            ("train/a/1.jpg", "val/b/1.jpg", "more/2.jpg", "readme.txt"),
            DIVIDED,
            ["a", "b"],
            ["not looked at: more/; train and val are used", "files not read: 1 .txt"],
        ),
        (("train/a/1.jpg", "train/b/1.jpg"), {"all": "train"}, ["a", "b"], []),
        (("val/a/1.jpg", "test/b/1.jpg"), {"all": "val"}, ["a"], ["1 class: a", "not looked at: test/; val is used"]),
        (
            ("train/a/1.jpg", "val/1.jpg"),
            DIVIDED,
            [],
            ["no labels: "],
        ),
        (("train/1.jpg", "test/1.jpg"), TESTED, [], []),
        (("bus/1.jpg", "car/1.jpg", "train/1.jpg"), WHOLE, ["bus", "car", "train"], ["classes: bus, car, train, of"]),
        (("cats/1.jpg", "val/a/1.jpg"), WHOLE, ["cats", "val"], ["classes: cats, val, of which val are named like"]),
        (("dataset/cats/1.jpg", "dataset/dogs/1.jpg"), WHOLE, ["dataset"], ["1 class: dataset; if the folders in it"]),
        (("w/train/a/1.jpg", "w/val/a/1.jpg"), WHOLE, ["w"], ["1 class: w; if the folders in it (train, val)"]),
        (("images/1.jpg", "images/2.pgm"), WHOLE, ["images"], ["1 class: images"]),
        (
            ("a/1.jpg", "b/1.jpg", "a/@eaDir/1.jpg/S.jpg", "#recycle/2.jpg", "__MACOSX/a/._1.jpg", ".x/1.jpg"),
            WHOLE,
            ["a", "b"],
            ["folders left out: 1 #recycle, 1 @eaDir, 1 __MACOSX"],
        ),
        (
            ("a/1.jpg", "b/1.jpg", "a/Thumbs.db", "b/.DS_Store", "b/x.HEIC", "b/y.heic", "a/data.zip", "a/._1.jpg"),
            WHOLE,
            ["a", "b"],
            ["files not read: 2 .heic, 1 .zip"],
        ),
    ],
    ids=lambda value: None,
)
def test_a_folder_and_its_tar_follow_one_rule(
    names: Sequence[str], parts: Mapping[Role, str], classes: list[str], said: list[str], tmp_path: Path
) -> None:
    folder = draw(tmp_path / "folder", names)
    for dataset in (opened(folder), opened(pack(folder, tmp_path / "tar"))):
        assert dataset.parts == parts
        assert dataset.classes == classes
        assert dataset.split("images") == (parts["all"] or "all")
        told = remarks(dataset)
        assert len(told) == len(said), told
        assert all(text.startswith(words) for text, words in zip(told, said, strict=True)), told
    assert (classes != []) == ("labels" in dataset.kinds)
    for role in parts:
        assert listed(dataset, role) == listed(opened(folder), role)
        assert all(dataset.image(item).size for item in dataset.items("images", role))
        assert all(opened(folder).image(item).size for item in opened(folder).items("images", role))


def table(folder: Path, root: Path, **more: Any) -> Path:
    """The table that ``datasets`` makes of a folder."""
    import datasets

    loaded = datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=str(root / "cache"), **more)
    loaded.save_to_disk(str(root / "saved"))
    return root / "saved"


@pytest.mark.parametrize(
    ("names", "more"),
    [
        (("train/b/1.jpg", "train/a/10.jpg", "train/a/2.jpg", "test/a/1.jpg", "test/b/1.jpg"), {}),
        (("training/b/1.jpg", "training/a/2.jpg", "validation/a/1.jpg", "validation/b/1.jpg"), {}),
        (("cats/2.jpg", "cats/10.jpg", "dogs/1.jpg"), {"split": "train"}),
    ],
)
def test_a_folder_its_tar_and_its_table_have_one_fingerprint(
    names: Sequence[str], more: Mapping[str, Any], tmp_path: Path
) -> None:
    folder = draw(tmp_path / "folder", names)
    roots = folder, pack(folder, tmp_path / "tar"), table(folder, tmp_path / "table", **more)
    found = set()
    for root in roots:
        whole = OpenDataset(spec=FOLDER, parameters={}, dataset=opened(root))
        found.add(fingerprint(whole, ("labels",), items_of(whole, "labels", ("queries", "gallery"), None)))
    assert len(found) == 1


def test_two_folders_of_one_split_are_refused(tmp_path: Path) -> None:
    root = draw(tmp_path, ("train/a/1.jpg", "val/a/1.jpg", "validation/a/1.jpg"))
    with pytest.raises(TeachMattersError, match="the folders val/, validation/ are all called val; rename or remove"):
        opened(root)


def test_an_empty_class_is_reported(tmp_path: Path) -> None:
    root = draw(tmp_path, ("train/a/1.jpg", "train/b/2.jpg", "train/c/x.txt", "val/a/1.jpg", "test/readme.txt"))
    assert remarks(opened(root)) == ["folders without images: test, train/c", "files not read: 1 .txt"]


def test_only_files_in_the_requested_folder_are_counted(tmp_path: Path) -> None:
    root = draw(tmp_path, ("train/a/1.jpg", "train/b/x.txt", "val/a/1.jpg", "val/b/1.jpg", "val/b/1.json"))
    dataset = opened(root)
    assert dataset.remarks("images", {"all": dataset.items("images", "all")}) == ["files not read: 1 .json"]


def test_a_split_may_be_a_link(tmp_path: Path) -> None:
    draw(tmp_path / "elsewhere", ("a/1.jpg", "b/1.jpg"))
    root = draw(tmp_path / "root", ("train/a/1.jpg",))
    (root / "val").symlink_to(tmp_path / "elsewhere")
    assert [key for key, *_ in listed(opened(root))] == ["val/a/1.jpg", "val/b/1.jpg"]


def test_a_class_called_like_a_split_keeps_its_images_in_tars_of_that_split(tmp_path: Path) -> None:
    for part in ("train", "val"):
        folder = draw(tmp_path / part, ("bullet_train/1.jpg", "bus/1.jpg"))
        pack(folder, tmp_path / f"tar-{part}")
        (tmp_path / "tars").mkdir(exist_ok=True)
        (tmp_path / f"tar-{part}" / "all.tar").rename(tmp_path / "tars" / f"vehicles-{part}-00.tar")
    dataset = opened(tmp_path / "tars")
    assert dataset.classes == ["bullet_train", "bus"]
    assert [key for key, *_ in listed(dataset)] == ["val/bullet_train/1.jpg", "val/bus/1.jpg"]


def test_images_without_a_class_are_named_with_advice(tmp_path: Path) -> None:
    root = draw(tmp_path, ("train/a/1.jpg", "train/b/1.jpg", "test/1.jpg", "test/2.jpg"))
    assert opened(root).remarks("labels", {}) == [
        "no labels: images are directly in test/, not in a folder per class; "
        "to use train/ alone, name it as the data set"
    ]
    assert opened(root / "train").classes == ["a", "b"]
