"""Tests of EXIF orientation: applied by ``folder``, not by official data sets, and never mixed in one cell."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from teachmatters.api import DatasetRequest, Readout
from teachmatters.datasets.folders.image_folder import open_folder
from teachmatters.datasets.imagenet import open_imagenet
from teachmatters.datasets.imagenet50 import ImageNet50, fifty_classes
from teachmatters.datasets.specs import FOLDER, IMAGENET
from teachmatters.runner.features import plan
from teachmatters.runner.forward.settings import PassSettings
from teachmatters.runner.plan.datasets import OpenDataset, fingerprint, items_of
from tests.fixtures import image
from tests.measuring import measured, task

STORED, SHOWN = (24, 16), (16, 24)
QUARTER_TURN = 6


def tagged(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = QUARTER_TURN
    image(path.name, *STORED).save(path, "PNG", exif=exif)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("train/a/1.png", "train/b/2.png", "val/a/3.png", "val/b/4.png"):
        tagged(tmp_path / "folder" / name)
    return tmp_path / "folder"


def tar_of(folder: Path) -> Path:
    root = folder.parent / "tar"
    root.mkdir()
    with tarfile.open(root / "all.tar", "w") as tar:
        tar.add(folder, ".")
    return root


def table_of(folder: Path) -> Path:
    import datasets

    found = datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=str(folder.parent / "cache"))
    found.save_to_disk(str(folder.parent / "saved"))
    return folder.parent / "saved"


def sizes(dataset: Any) -> set[tuple[int, int]]:
    return {dataset.image(item).size for role in ("gallery", "queries") for item in dataset.items("labels", role)}


@pytest.mark.parametrize("form", [lambda folder: folder, tar_of, table_of], ids=["folder", "tar", "table"])
def test_folder_applies_the_orientation_and_imagenet_does_not(form: Any, folder: Path) -> None:
    root = form(folder)
    assert sizes(open_folder(DatasetRequest(spec=FOLDER, root=root))) == {SHOWN}
    assert sizes(open_imagenet(DatasetRequest(spec=IMAGENET, root=root))) == {STORED}


def test_imagenet50_does_not_apply_the_orientation(tmp_path: Path) -> None:
    for wnid in fifty_classes():
        tagged(tmp_path / "train" / wnid / "1.JPEG")
    dataset = ImageNet50(tmp_path, 1)
    assert dataset.image((dataset.items("labels", "all") or [])[0]).size == STORED


def test_results_of_stored_pixels_are_not_reused_for_oriented_ones(folder: Path) -> None:
    """The version of a data set is in the fingerprint, and so in the cell; version 1 leaves no trace."""
    whole = OpenDataset(spec=FOLDER, parameters={}, dataset=open_folder(DatasetRequest(spec=FOLDER, root=folder)))
    items = items_of(whole, "labels", ("queries", "gallery"), None)
    marks = [
        fingerprint(replace(whole, spec=replace(FOLDER, version=version)), ("labels",), items) for version in (1, 2, 3)
    ]
    assert len(set(marks)) == 3
    assert FOLDER.version == 2


@pytest.mark.usefixtures("toys")
def test_features_of_stored_pixels_are_not_reused_for_oriented_ones(folder: Path) -> None:
    wanted = task("knn", "folder", root=folder)
    settings = PassSettings(device=torch.device("cpu"), dtype=torch.float32, cache=folder)
    transform: Any = "any"
    known = []
    for version in (1, 2, 3):
        opened = replace(wanted.opened, spec=replace(FOLDER, version=version))
        known.append(
            plan._key_fields(settings, measured("toy-a"), replace(wanted, opened=opened), transform, Readout("cls"))
        )
    assert known[0]["dataset"] == "folder", "as it was before data sets had versions"
    assert len({str(facts) for facts in known}) == 3
