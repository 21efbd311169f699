"""Tests of ImageNet with a flat val/: the official lists against the same images sorted into classes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from teachmatters.api import DatasetRequest, Role
from teachmatters.datasets.imagenet import open_imagenet
from teachmatters.datasets.specs import IMAGENET
from teachmatters.errors import TeachMattersError
from teachmatters.runner.plan.datasets import OpenDataset, find_root, fingerprint, items_of
from tests.fixtures import image

WNIDS = ("n01440764", "n01443537", "n01484850")
# The class of each image of val, as numbers of the devkit (from 1).
TRUTH = (2, 3, 1, 1, 3)
# The devkit does not number its classes in the order of their ids.
NUMBERS = {1: WNIDS[2], 2: WNIDS[0], 3: WNIDS[1]}


def name(number: int) -> str:
    return f"ILSVRC2012_val_{number:08d}"


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    root = tmp_path / "flat"
    for wnid in WNIDS:
        (root / "train" / wnid).mkdir(parents=True)
        for number in range(2):
            image(f"{wnid}{number}").save(root / "train" / wnid / f"{wnid}_{number}.JPEG")
    (root / "val").mkdir()
    for number in range(1, len(TRUTH) + 1):
        image(name(number)).save(root / "val" / f"{name(number)}.JPEG")
    return root


@pytest.fixture
def sorted_too(flat: Path, tmp_path: Path) -> Path:
    root = tmp_path / "sorted"
    shutil.copytree(flat / "train", root / "train")
    for number, truth in enumerate(TRUTH, start=1):
        (root / "val" / NUMBERS[truth]).mkdir(parents=True, exist_ok=True)
        shutil.copy(flat / "val" / f"{name(number)}.JPEG", root / "val" / NUMBERS[truth])
    return root


def devkit(folder: Path) -> None:
    """meta.mat as MATLAB writes it: an array of structs, inner nodes of the tree after the leaves."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [(number, wnid, "words", 0) for number, wnid in NUMBERS.items()] + [(1001, "n00001740", "entity", 3)]
    fields = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    savemat(folder / "meta.mat", {"synsets": np.array(rows, dtype=fields)[:, None]})
    (folder / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{number}\n" for number in TRUTH))


def kaggle(folder: Path, start: str = "") -> None:
    lines = [f"{name(number)},{NUMBERS[truth]} 1 2 30 40 " for number, truth in enumerate(TRUTH, start=1)]
    (folder / "LOC_val_solution.csv").write_text(start + "\n".join(["ImageId,PredictionString", *reversed(lines)]))


def opened(root: Path) -> OpenDataset:
    dataset = open_imagenet(DatasetRequest(spec=IMAGENET, root=find_root(IMAGENET, root)))
    return OpenDataset(spec=IMAGENET, parameters={}, dataset=dataset)


ROLES: tuple[Role, ...] = ("all", "queries", "gallery")


@pytest.mark.parametrize("given", ["devkit", "devkit's data", "Kaggle", "Kaggle with a byte order mark"])
def test_a_flat_val_is_the_sorted_one(given: str, flat: Path, sorted_too: Path) -> None:
    if given.startswith("devkit"):
        devkit(flat if given == "devkit's data" else flat / "ILSVRC2012_devkit_t12" / "data")
    else:
        kaggle(flat, "\ufeff" if given.endswith("mark") else "")
    one, two = opened(flat), opened(sorted_too)
    assert list(one.dataset.classes) == list(two.dataset.classes) == sorted(WNIDS)
    items = [items_of(each, "labels", ROLES, None) for each in (one, two)]
    assert items[0] == items[1]
    assert fingerprint(one, ("labels",), items[0]) == fingerprint(two, ("labels",), items[1])
    for role in ROLES:
        for item in items[0][role]:
            assert one.dataset.image(item).tobytes() == two.dataset.image(item).tobytes()
    assert one.dataset.split("labels") == "val"


def test_kaggles_list_is_found_where_kaggle_puts_it(flat: Path, sorted_too: Path, tmp_path: Path) -> None:
    (tmp_path / "kaggle" / "ILSVRC" / "Data").mkdir(parents=True)
    root = flat.rename(tmp_path / "kaggle" / "ILSVRC" / "Data" / "CLS-LOC")
    kaggle(tmp_path / "kaggle")
    every = items_of(opened(root), "labels", ROLES, None)
    assert every == items_of(opened(sorted_too), "labels", ROLES, None)


def test_images_without_names_and_names_without_images_are_reported(flat: Path) -> None:
    devkit(flat)
    (flat / "val" / f"{name(2)}.JPEG").unlink()
    image("stray").save(flat / "val" / "stray.JPEG")
    whole = opened(flat)
    items = items_of(whole, "labels", ROLES, None)
    assert len(items["queries"]) == len(TRUTH) - 1
    assert list(whole.dataset.remarks("labels", items)) == [
        "images of val/ that the official list does not name: 1",
        "images of the official list that are not in val/: 1",
        "files not read: 1 .mat, 1 .txt",
    ]


def test_without_a_list_the_error_says_what_is_needed(flat: Path) -> None:
    with pytest.raises(
        TeachMattersError, match=r"val is not sorted .* ILSVRC2012_validation_ground_truth\.txt .* Kaggle"
    ):
        opened(flat)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("LOC_val_solution.csv", "a,b\n1,2\n", "KeyError: 'ImageId'"),
        ("LOC_val_solution.csv", "ImageId,PredictionString\nx,\n", "IndexError"),
        ("ILSVRC2012_validation_ground_truth.txt", "1\n2000\n", "the class 2000 is not from 1 to 1000"),
        ("ILSVRC2012_validation_ground_truth.txt", "n01440764\n", "invalid literal"),
        ("meta.mat", "nothing", "appears to be truncated"),
        ("meta.mat", None, "No such file"),
    ],
)
def test_a_damaged_list_is_a_one_line_error(file: str, content: str | None, words: str, flat: Path) -> None:
    if file != "LOC_val_solution.csv":
        devkit(flat)
    if content is None:
        (flat / file).unlink()
    else:
        (flat / file).write_text(content)
    with pytest.raises(TeachMattersError, match=words) as error:
        opened(flat)
    assert "\n" not in str(error.value)


def test_a_list_of_other_images_is_refused(flat: Path) -> None:
    (flat / "LOC_val_solution.csv").write_text("ImageId,PredictionString\nother,n01440764\n")
    with pytest.raises(TeachMattersError, match="has no image that the official list names"):
        opened(flat)
