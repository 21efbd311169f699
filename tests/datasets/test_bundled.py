from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from teachmatters.api import DatasetRequest, DatasetSpec
from teachmatters.datasets.digits import open_digits
from teachmatters.datasets.photos import open_photos
from teachmatters.datasets.specs import DIGITS, PHOTOS, register_datasets


def test_photos_are_read_from_the_packages_by_name() -> None:
    dataset = open_photos(DatasetRequest(spec=PHOTOS))
    items = dataset.items("images", "all") or []
    assert [item.key for item in items] == sorted(item.key for item in items)
    assert {"astronaut.png", "chelsea.png", "china.jpg", "flower.jpg"} <= {item.key for item in items}
    assert dataset.kinds == {"images"}
    assert (len(items), dataset.items("images", "gallery")) == (13, None)
    for item in items:
        read = dataset.image(item)
        assert read.mode == "RGB"
        assert min(read.size) >= 224
        assert item.size > 10_000
        assert np.asarray(read).std() > 10


def test_digits_equal_scikit_learn() -> None:
    dataset, data = open_digits(DatasetRequest(spec=DIGITS)), load_digits()
    items = dataset.items("labels", "all") or []
    assert [item.label for item in items] == data.target.tolist()
    assert dataset.items("labels", "queries") is None
    assert (list(dataset.classes), {item.size for item in items}) == (list("0123456789"), {64})
    assert [item.key for item in items] == sorted(item.key for item in items)
    for index in (0, 1000, 1796):
        read = np.asarray(dataset.image(items[index]))
        assert read.shape == (8, 8, 3)
        np.testing.assert_allclose(read[..., 1], data.images[index] * 255 / 16, atol=0.5)


@pytest.mark.parametrize("spec", register_datasets(), ids=lambda spec: spec.name)
def test_every_field_is_filled(spec: DatasetSpec) -> None:
    empty = {field.name for field in dataclasses.fields(spec) if not getattr(spec, field.name)}
    allowed = {"parameters", "folder", "requires"} | (set() if spec.bundled else {"bundled"})
    assert empty <= allowed
    assert spec.bundled or spec.name in ("folder", "mask-folder") or (spec.folder and spec.requires)


def test_specs_are_cheap() -> None:
    heavy = "{'torch', 'numpy', 'PIL', 'sklearn', 'skimage'}"
    code = f"import sys, teachmatters.datasets.specs as s; s.register_datasets(); assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
