"""Tests of Hugging Face ``datasets`` tables, written by that package and compared with their input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from teachmatters.api import Dataset, DatasetRequest, Role
from teachmatters.datasets.folders.arrow import ArrowFolder
from teachmatters.datasets.folders.image_folder import ImageFolder, open_folder
from teachmatters.datasets.imagenet import open_imagenet
from teachmatters.datasets.specs import FOLDER, IMAGENET
from teachmatters.errors import TeachMattersError
from tests.fixtures import image

NAMES = ["cat", "dog", "eel"]


def table(count: int, seed: str = "", column: str = "image") -> Any:
    import datasets

    features = datasets.Features({column: datasets.Image(), "label": datasets.ClassLabel(names=NAMES)})
    images = [image(f"{seed}{number}", label=number % 3) for number in range(count)]
    rows = {column: images, "label": [number % 3 for number in range(count)]}
    return datasets.Dataset.from_dict(rows, features=features)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train and validation, as ``save_to_disk`` writes them."""
    import datasets

    root = tmp_path_factory.mktemp("saved")
    datasets.DatasetDict({"train": table(7, "t"), "validation": table(4, "v")}).save_to_disk(str(root))
    return root


def opened(root: Path) -> Dataset:
    return open_folder(DatasetRequest(spec=FOLDER, root=root))


def labels(dataset: Dataset, role: Role = "all") -> list[tuple[str, int | None]]:
    return [(item.key, item.label) for item in dataset.items("labels", role) or ()]


def check_images(dataset: Dataset, role: Role, seed: str) -> None:
    for number, item in enumerate(dataset.items("labels", role) or ()):
        assert dataset.image(item).tobytes() == image(f"{seed}{number}", label=number % 3).tobytes()


def test_train_and_validation_are_gallery_and_queries(saved: Path) -> None:
    dataset = opened(saved)
    assert isinstance(dataset, ArrowFolder)
    assert list(dataset.classes) == NAMES
    assert labels(dataset, "gallery") == [(f"train/{n:08d}", n % 3) for n in range(7)]
    assert labels(dataset) == labels(dataset, "queries") == [(f"val/{n:08d}", n % 3) for n in range(4)]
    assert dataset.split("labels") == "val"
    check_images(dataset, "gallery", "t")
    check_images(dataset, "queries", "v")
    assert open_imagenet(DatasetRequest(spec=IMAGENET, root=saved)).classes == NAMES


def test_sizes_are_read_from_the_encoded_images(saved: Path) -> None:
    import datasets

    raw = datasets.load_from_disk(str(saved))["train"].cast_column("image", datasets.Image(decode=False))
    sizes = [item.size for item in opened(saved).items("images", "gallery") or ()]
    assert sizes == [len(row["image"]["bytes"]) for row in raw]


def test_selected_rows_keep_their_order(tmp_path: Path) -> None:
    table(6).select([4, 1, 5]).save_to_disk(str(tmp_path))
    dataset = opened(tmp_path)
    assert labels(dataset) == [("00000000", 1), ("00000001", 1), ("00000002", 2)]
    for number, item in zip((4, 1, 5), dataset.items("labels", "all") or (), strict=True):
        assert dataset.image(item).tobytes() == image(str(number), label=number % 3).tobytes()


def test_parquet_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    root = tmp_path / "there"
    (root / "data").mkdir(parents=True)
    table(5, "t").to_parquet(str(root / "data" / "train-00000-of-00001.parquet"))
    table(3, "e", column="img").rename_column("img", "image").to_parquet(
        str(root / "data" / "test-00000-of-00001.parquet")
    )
    dataset = opened(root)
    assert [key for key, _ in labels(dataset, "gallery")] == [f"train/{n:08d}" for n in range(5)]
    assert labels(dataset) == [(f"test/{n:08d}", n % 3) for n in range(3)]
    check_images(dataset, "queries", "e")


def splits(root: Path, *names: str) -> Dataset:
    import datasets

    datasets.DatasetDict({name: table(2, name) for name in names}).save_to_disk(str(root))
    return opened(root)


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("validation",), {"all": "val"}),
        (("test",), {"all": "test"}),
        (("train", "test"), {"all": "test", "queries": "test", "gallery": "train"}),
        (("train", "validation", "test"), {"all": "val", "queries": "val", "gallery": "train"}),
        (("train", "train_extra", "unlabelled", "val"), {"all": "val", "queries": "val", "gallery": "train"}),
        (("everything",), {"all": ""}),
    ],
)
def test_splits_of_many_names(names: tuple[str, ...], parts: dict[Role, str], tmp_path: Path) -> None:
    dataset = splits(tmp_path, *names)
    assert isinstance(dataset, ArrowFolder)
    assert dataset.parts == parts
    assert dataset.split("labels") == (parts["all"] or "all")
    for role, part in parts.items():
        seed = {"val": "val" if "val" in names else "validation", "": "everything"}.get(part, part)
        check_images(dataset, role, seed)


def test_an_ambiguous_split_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TeachMattersError, match="has the splits one, two, and none is called train"):
        splits(tmp_path, "one", "two")


def test_splits_with_different_labels_are_a_one_line_error(tmp_path: Path) -> None:
    import datasets

    other = table(2).cast_column("label", datasets.ClassLabel(names=["eel", "dog", "cat"]))
    for name, rows in (("train", table(2)), ("val", other)):
        rows.save_to_disk(str(tmp_path / name))
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "val"]}')
    with pytest.raises(TeachMattersError, match="column 'label' is not the same in all splits"):
        opened(tmp_path)


def test_images_by_path_and_rows_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    import pyarrow.parquet as pq

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "there").mkdir()
    (tmp_path / "files").mkdir()
    image("a").save(tmp_path / "files" / "a.png")
    paths = [str(tmp_path / "files" / "a.png"), str(tmp_path / "files" / "gone.png"), None]
    features = datasets.Features({"image": datasets.Image(decode=False)})
    rows = [None if path is None else {"path": path, "bytes": None} for path in paths]
    whole = datasets.Dataset.from_dict({"image": rows}, features=features)
    with pq.ParquetWriter(tmp_path / "there" / "x.parquet", features.arrow_schema) as writer:
        writer.write_table(whole.data.table.cast(features.arrow_schema))
    dataset = opened(tmp_path / "there")
    first, second, third = dataset.items("images", "all") or ()
    assert [first.size, second.size, third.size] == [(tmp_path / "files" / "a.png").stat().st_size, 0, 0]
    assert dataset.image(first).tobytes() == image("a").tobytes()
    with pytest.raises(OSError, match=r"gone\.png"):
        dataset.image(second)
    with pytest.raises(ValueError, match="no image in this row"):
        dataset.image(third)


def test_image_files_win_over_a_table_next_to_them(tmp_path: Path) -> None:
    image("a").save(tmp_path / "a.png")
    (tmp_path / "metadata.parquet").write_text("whatever")
    assert isinstance(opened(tmp_path), ImageFolder)


def test_any_name_of_the_column_and_no_labels(tmp_path: Path) -> None:
    table(2, column="photo").remove_columns("label").save_to_disk(str(tmp_path))
    dataset = opened(tmp_path)
    assert dataset.kinds == {"images"}
    assert [item.label for item in dataset.items("images", "all") or ()] == [None, None]


def test_a_table_without_images_is_a_one_line_error(tmp_path: Path) -> None:
    table(2).remove_columns("image").save_to_disk(str(tmp_path))
    with pytest.raises(TeachMattersError, match="no column of images; its columns are label"):
        opened(tmp_path)


def test_a_damaged_table_is_a_one_line_error(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(TeachMattersError, match="cannot be read by the package datasets") as error:
        opened(tmp_path)
    assert "\n" not in str(error.value)


def test_without_datasets_it_says_what_to_install(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(TeachMattersError, match=r"pip install 'teachmatters\[hf\]'"):
        opened(saved)
