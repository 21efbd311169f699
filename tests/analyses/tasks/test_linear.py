"""Tests of the linear analysis against scikit-learn, on features read from the network by the test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge

from teachmatters.api import Dataset, Item
from tests import toys
from tests.measuring import measure, task, tokens, values

WORLD = ("train=60", "val=24", "size=32")
pytestmark = pytest.mark.usefixtures("toys")


def features(items: Sequence[Item], dataset: Dataset) -> NDArray[np.float64]:
    """Unit vectors (layers, images, D) of class tokens."""
    every = tokens([dataset.image(item) for item in items])[:, :, 0]
    unit: NDArray[np.float64] = every / np.linalg.norm(every, axis=2, keepdims=True)
    return unit


def test_probes_equal_scikit_learn() -> None:
    wanted = task("linear", "scenes", *WORLD, "C=1", "ridge=0.01")
    result = measure(wanted)
    queries, gallery = (list(wanted.items[role]) for role in ("queries", "gallery"))
    dataset = wanted.opened.dataset
    labels, truth = (np.array([item.label for item in items]) for items in (gallery, queries))
    for layer, (x, unseen) in enumerate(zip(features(gallery, dataset), features(queries, dataset), strict=True)):
        alpha = 0.01 * ((x - x.mean(axis=0)) ** 2).sum() / toys.WIDTH
        ridge = Ridge(alpha=alpha, solver="svd").fit(x, np.eye(12)[labels]).predict(unseen).argmax(axis=1)
        scores = LogisticRegression(C=1.0, tol=1e-8, max_iter=5000).fit(x, labels).decision_function(unseen)
        five = (np.argsort(-scores, axis=1)[:, :5] == truth[:, None]).any(axis=1)
        expected = {"ridge-top1": ridge == truth, "linear-top1": scores.argmax(axis=1) == truth, "linear-top5": five}
        for metric, right in expected.items():
            # The cache keeps features in half precision, so a query on the border may change sides.
            assert values(result, metric)[layer] == pytest.approx(100 * right.mean(), abs=100 / 24 + 1e-6), metric
    assert result.notes["no class has ten images in the gallery"] == "not chosen: C, ridge"
    assert result.notes["chosen C"] == {"1": 1.0, "2": 1.0, "3": 1.0}
    (unit,) = [each for each in result.maps if (each.name, each.layer) == ("unit:linear-top1", 1)]
    assert unit.units == tuple(item.key for item in queries)
    assert unit.array.mean() == pytest.approx(values(result, "linear-top1")[0])


def test_values_are_chosen_where_a_class_has_ten_images() -> None:
    result = measure(task("linear", "scenes", "train=130", "val=12", "size=32", "C=0.01,100", "ridge=0.1"))
    assert set(result.notes["chosen C"].values()) <= {0.01, 100.0}
    assert set(result.notes["chosen lambda"].values()) == {0.1}
    assert result.notes["a single value was given"] == "not chosen: ridge"


def test_shots_are_the_first_images_of_each_class() -> None:
    wanted = task("linear", "scenes", *WORLD, "shots=2")
    assert [item.key[-5:] for item in wanted.items["gallery"]] == [f"{number:05d}" for number in range(24)]
    assert len(wanted.items["queries"]) == 24
    result = measure(wanted)
    assert result.notes["no class has ten images in the gallery"] == "not chosen: C, ridge"
    assert (result.notes["chosen C"]["1"], result.notes["chosen lambda"]["1"]) == (1.0, 0.01)


def test_a_class_that_the_gallery_lacks_is_wrong() -> None:
    result = measure(task("linear", "toys"))  # even images, one class, are the gallery; odd ones the queries
    for metric in ("linear-top1", "linear-top5", "ridge-top1"):
        assert values(result, metric) == [0.0, 0.0, 0.0]


def test_constant_vectors_have_no_probe() -> None:
    result = measure(task("linear", "scenes", *WORLD, "tap=norm1"))  # before block 1 all class tokens are equal
    assert {record.layer for record in result.records} == {2, 3}
    assert result.notes["no probe, because the gallery's vectors do not vary"] == {"layers": [1]}
