"""Tests of the position analysis against scikit-learn, on tokens read from the network by the test."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from teachmatters.errors import TeachMattersError
from tests import toys
from tests.measuring import measure, task, tokens, values

pytestmark = pytest.mark.usefixtures("toys")


def test_images_of_even_index_are_fitted_and_of_odd_index_tested() -> None:
    wanted = task("position", "scenes", "val=7", "size=32")
    result = measure(wanted)
    images = [wanted.opened.dataset.image(item) for item in wanted.items["all"]]
    patches = tokens(images)[:, :, 1:]
    patches /= np.linalg.norm(patches, axis=3, keepdims=True)
    side = np.linspace(-1, 1, toys.SIZE // toys.PATCH)
    place = np.array([(x, y) for y in side for x in side])
    for layer, each in enumerate(patches):
        train, test = (each[start::2].reshape(-1, toys.WIDTH) for start in (0, 1))
        alpha = 1e-4 * ((train - train.mean(axis=0)) ** 2).sum() / toys.WIDTH
        fit = Ridge(alpha=alpha, solver="svd").fit(train, np.tile(place, (4, 1)))
        expected = r2_score(np.tile(place, (3, 1)), fit.predict(test))
        assert values(result, "position-r2")[layer] == pytest.approx(expected, rel=1e-4)
    assert {record.n for record in result.records} == {3}


def test_one_image_is_an_error() -> None:
    with pytest.raises(TeachMattersError, match="1 of even and 0 of odd index could be read; give at least two"):
        measure(task("position", "scenes", "val=1", "size=32"))
