from __future__ import annotations

from pathlib import Path

import pytest

from teachmatters.api import DatasetRequest
from teachmatters.datasets.imagenet50 import fifty_classes, open_imagenet50
from teachmatters.datasets.specs import IMAGENET50
from teachmatters.errors import TeachMattersError
from tests.fixtures import imagenet50


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture, two images a class, with things that are not to be looked at."""
    folder = tmp_path_factory.mktemp("imagenet")
    imagenet50(folder, 2, list(fifty_classes()))
    dipper = folder / "train" / next(iter(fifty_classes()))
    (dipper / ".DS_Store").write_bytes(b"x")
    (dipper / "a.txt").write_text("x")
    (folder / "train" / "n99999999").mkdir()
    return folder


def request(root: Path | None, **parameters: int) -> DatasetRequest:
    return DatasetRequest(spec=IMAGENET50, root=root, parameters=parameters)


def test_the_first_of_each_class_in_order(root: Path) -> None:
    dataset = open_imagenet50(request(root, per_class=1))
    items = dataset.items("labels", "all") or []
    assert [item.label for item in items] == list(range(50))
    assert [item.key for item in items] == [f"train/{wnid}/{wnid}_0000.JPEG" for wnid in fifty_classes()]
    assert items[0].size == (root / items[0].key).stat().st_size
    assert dataset.image(items[0]).size == (320, 256)


def test_per_class_takes_fewer_where_a_class_is_smaller(root: Path) -> None:
    items = open_imagenet50(request(root)).items("images", "all") or []
    assert [(item.key[-9:], item.label) for item in items[:3]] == [("0000.JPEG", 0), ("0001.JPEG", 0), ("0000.JPEG", 1)]
    assert len(items) == 100


def test_the_train_split_is_not_divided(root: Path) -> None:
    dataset = open_imagenet50(request(root, per_class=1))
    assert (dataset.split("labels"), dataset.items("labels", "gallery")) == ("train", None)
    assert (dataset.classes[0], len(dataset.classes)) == ("Dipper", 50)
    assert dataset.kinds == {"images", "labels"}


def test_the_list_is_in_order_and_without_repeats() -> None:
    assert list(fifty_classes()) == sorted(set(fifty_classes()))


def test_missing_classes_are_counted_and_the_first_named(tmp_path: Path) -> None:
    imagenet50(tmp_path, 1, list(fifty_classes())[:46])
    first = ", ".join(list(fifty_classes())[46:49])
    with pytest.raises(TeachMattersError, match=rf"lacks 4 of imagenet50's fifty classes: {first}, \.\.\."):
        open_imagenet50(request(tmp_path))


def test_a_class_without_images_is_an_error(tmp_path: Path) -> None:
    for wnid in fifty_classes():
        (tmp_path / "train" / wnid).mkdir(parents=True)
    with pytest.raises(TeachMattersError, match="n01601694 holds no images"):
        open_imagenet50(request(tmp_path))


def test_a_root_must_be_named() -> None:
    with pytest.raises(TeachMattersError, match="--data-root"):
        open_imagenet50(request(None))
