from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from teachmatters.api import Dataset, DatasetRequest
from teachmatters.datasets.folders.image_folder import ImageFolder, open_folder
from teachmatters.datasets.imagenet import open_imagenet
from teachmatters.datasets.specs import FOLDER, IMAGENET
from teachmatters.errors import TeachMattersError
from tests.fixtures import imagenet


def draw(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), "red").save(path, "JPEG")
    return root


def keys(dataset: Dataset, role: str = "all") -> list[tuple[str, int | None]]:
    items = dataset.items("images", role)  # type: ignore[arg-type]
    assert items is not None
    return [(item.key, item.label) for item in items]


def test_images_directly_in_the_root_make_it_unlabelled(tmp_path: Path) -> None:
    dataset = ImageFolder(draw(tmp_path, "b.jpg", "a.png", "deep/er/c.JPEG"))
    assert keys(dataset) == [("a.png", None), ("b.jpg", None), ("deep/er/c.JPEG", None)]
    assert dataset.kinds == {"images"}
    assert list(dataset.classes) == []
    assert dataset.items("images", "gallery") is None
    assert dataset.split("images") == "all"


def test_images_directly_in_the_root_win_over_subfolders(tmp_path: Path) -> None:
    dataset = ImageFolder(draw(tmp_path, "1.jpg", "train/cat/1.jpg", "val/cat/1.jpg"))
    assert dataset.kinds == {"images"}
    assert keys(dataset) == [("1.jpg", None), ("train/cat/1.jpg", None), ("val/cat/1.jpg", None)]


def test_a_folder_per_class_labels_by_name_order(tmp_path: Path) -> None:
    dataset = ImageFolder(draw(tmp_path, "zebra/1.jpg", "ape/2.jpg", "ape/sub/1.jpg", "zebra/0.JPG"))
    assert list(dataset.classes) == ["ape", "zebra"]
    assert keys(dataset) == [("ape/2.jpg", 0), ("ape/sub/1.jpg", 0), ("zebra/0.JPG", 1), ("zebra/1.jpg", 1)]
    assert dataset.kinds == {"images", "labels"}
    assert dataset.items("labels", "queries") is None


def test_train_and_val_are_gallery_and_queries(tmp_path: Path) -> None:
    root = draw(tmp_path, "train/cat/1.jpg", "train/dog/1.jpg", "val/dog/2.jpg", "val/eel/3.jpg")
    dataset = ImageFolder(root)
    assert list(dataset.classes) == ["cat", "dog", "eel"]  # the union: eel has no training images
    assert keys(dataset, "gallery") == [("train/cat/1.jpg", 0), ("train/dog/1.jpg", 1)]
    assert keys(dataset, "queries") == keys(dataset) == [("val/dog/2.jpg", 1), ("val/eel/3.jpg", 2)]
    assert dataset.split("labels") == "val"


@pytest.mark.parametrize("half", ["train", "val"])
def test_train_or_val_alone_is_a_folder_per_class(half: str, tmp_path: Path) -> None:
    dataset = ImageFolder(draw(tmp_path, f"{half}/cat/1.jpg", f"{half}/dog/1.jpg"))
    assert (list(dataset.classes), dataset.split("labels")) == (["cat", "dog"], half)
    assert keys(dataset) == [(f"{half}/cat/1.jpg", 0), (f"{half}/dog/1.jpg", 1)]
    assert dataset.items("labels", "gallery") is None


def test_files_that_are_not_images_are_skipped(tmp_path: Path) -> None:
    root = draw(tmp_path, "cat/1.jpg", "cat/.hidden.jpg", "cat/._1.jpg", ".cache/2.jpg")
    (root / "cat" / ".DS_Store").write_bytes(b"x")
    (root / "cat" / "notes.txt").write_text("x")
    (root / "cat" / "folder.jpg").mkdir()
    (root / "dog").mkdir()
    os.mkfifo(root / "cat" / "pipe.jpg")
    dataset = ImageFolder(root)
    assert (keys(dataset), list(dataset.classes)) == ([("cat/1.jpg", 0)], ["cat"])


def test_unicode_names_and_sizes(tmp_path: Path) -> None:
    dataset = ImageFolder(draw(tmp_path, "Katze/süß 猫.jpg"))
    (item,) = dataset.items("labels", "all") or []
    assert (item.key, item.size) == ("Katze/süß 猫.jpg", (tmp_path / item.key).stat().st_size)
    assert dataset.image(item).size == (4, 4)


def test_links_are_followed_and_loops_are_not(tmp_path: Path) -> None:
    draw(tmp_path / "elsewhere", "1.jpg")
    root = draw(tmp_path / "root", "cat/0.jpg")
    (root / "dog").symlink_to(tmp_path / "elsewhere")
    (root / "cat" / "again").symlink_to(root)
    (root / "cat" / "gone.jpg").symlink_to(root / "nowhere.jpg")
    dataset = ImageFolder(root)
    assert [key for key, _ in keys(dataset)] == ["cat/0.jpg", "cat/gone.jpg", "dog/1.jpg"]
    gone = (dataset.items("images", "all") or [])[1]
    assert gone.size == 0
    with pytest.raises(OSError, match="gone"):
        dataset.image(gone)


def test_an_error_without_images_says_what_was_expected_and_found(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "cat").mkdir()
    with pytest.raises(TeachMattersError, match=r"no images below .* looked for \.jpg.* found cat, notes\.txt"):
        ImageFolder(tmp_path)


def test_a_folder_must_be_named() -> None:
    with pytest.raises(TeachMattersError, match="--data-root DIR"):
        open_folder(DatasetRequest(spec=FOLDER))


def test_the_fixture_of_imagenet(tmp_path: Path) -> None:
    imagenet(tmp_path, classes=3, train=2, val=1)
    dataset = open_imagenet(DatasetRequest(spec=IMAGENET, root=tmp_path))
    assert keys(dataset, "gallery")[:3] == [
        ("train/n00000000/0.JPEG", 0),
        ("train/n00000000/1.JPEG", 0),
        ("train/n00000001/0.JPEG", 1),
    ]
    assert [label for _, label in keys(dataset)] == [0, 1, 2]
    assert dataset.split("labels") == "val"


def test_imagenet_without_an_image_in_val_is_refused(tmp_path: Path) -> None:
    draw(tmp_path, "train/a/1.jpg", "val/a/notes.txt")
    with pytest.raises(TeachMattersError, match=r"folder per class in both train/ and val/; expected train/<wnid>"):
        open_imagenet(DatasetRequest(spec=IMAGENET, root=tmp_path))


def test_a_folder_without_read_permission_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TeachMattersError, match="cannot list"):
        ImageFolder(tmp_path / "absent")
