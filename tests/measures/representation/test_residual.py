"""Tests of norms of tokens against NumPy's Frobenius norm."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from teachmatters.measures.representation.residual import squared_norms


@pytest.mark.parametrize(("prefix", "class_token"), [(1, True), (5, True), (4, False), (0, False)])
def test_norms_of_all_class_and_spatial_tokens(prefix: int, class_token: bool) -> None:
    tokens = np.random.default_rng(0).standard_normal((3, 14, 6))
    norms = squared_norms(torch.tensor(tokens), prefix, class_token)
    assert set(norms) == {"all", "spatial"} | ({"cls"} if class_token else set())
    for image in range(3):
        assert float(norms["all"][image]) == pytest.approx(np.linalg.norm(tokens[image]) ** 2)
        assert float(norms["spatial"][image]) == pytest.approx(np.linalg.norm(tokens[image, prefix:]) ** 2)
        if class_token:
            assert float(norms["cls"][image]) == pytest.approx(np.linalg.norm(tokens[image, 0]) ** 2)
