"""Tests of the similarity analysis against SciPy, on vectors read from the networks by the test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from teachmatters.api import State
from teachmatters.errors import TeachMattersError
from tests.analyses.test_every_analysis import gathered
from tests.measuring import task, tokens

pytestmark = pytest.mark.usefixtures("toys")
IMAGES = ("images=6", "val=9", "size=32")


def normalised(x: np.ndarray) -> np.ndarray:
    x = x - x.mean(axis=0)
    unit: np.ndarray = x / np.linalg.norm(x)
    return unit


def test_every_layer_against_every_layer(tmp_path: Path) -> None:
    wanted = task("similarity", "scenes", *IMAGES, "feature=mean")
    assert len(wanted.items["all"]) == 6
    images = [wanted.opened.dataset.image(item) for item in wanted.items["all"]]
    analysis, state = gathered(wanted, "toy-a", 4, tmp_path)
    result = analysis.compare(state, gathered(wanted, "toy-b", 4, tmp_path)[1])
    first, second = (tokens(images, name)[:, :, 1:].mean(axis=2) for name in ("toy-a", "toy-b"))
    found = {(r.metric, r.layer, r.other_layer): r.value for r in result.records}
    assert len(found) == 2 * 3 * 2
    for i, one in enumerate(first, start=1):
        for j, other in enumerate(second, start=1):
            nuclear = orthogonal_procrustes(normalised(one), normalised(other))[1]
            assert found["procrustes", i, j] == pytest.approx(nuclear, rel=1e-4)
            ranks = spearmanr(pdist(one, "cosine"), pdist(other, "cosine")).statistic
            assert found["rsa", i, j] == pytest.approx(ranks, abs=0.02)


def test_a_model_with_itself_and_a_constant_layer(tmp_path: Path) -> None:
    wanted = task("similarity", "scenes", *IMAGES, "tap=norm1")  # before block 1 all class tokens are equal
    analysis, state = gathered(wanted, "toy-a", 4, tmp_path)
    result = analysis.compare(state, state)
    rows = {(r.metric, r.layer, r.other_layer): r.value for r in result.records}
    assert {(i, j) for _, i, j in rows} == {(2, 2), (2, 3), (3, 2), (3, 3)}
    for metric in ("procrustes", "rsa"):
        assert rows[metric, 2, 2] == pytest.approx(1.0)
        assert rows[metric, 2, 3] == rows[metric, 3, 2] < 1
    note = result.notes["no number where nothing varies from image to image"]
    assert note == {metric: {"layers": "1", "other layers": "1"} for metric in ("procrustes", "rsa")}


def test_three_images_are_an_error(tmp_path: Path) -> None:
    wanted = task("similarity", "scenes", "val=3", "size=32")
    analysis, state = gathered(wanted, "toy-a", 4, tmp_path)
    other: State = state
    with pytest.raises(TeachMattersError, match="needs at least 4 images that both models have, and there are 3"):
        analysis.compare(state, other)
