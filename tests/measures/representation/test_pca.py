"""Tests of principal components against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from teachmatters.measures.representation.pca import follow, foreground, principal_components, to_channels


@pytest.mark.parametrize(("count", "width"), [(200, 12), (12, 40), (30, 30)])
def test_components_agree_with_scikit_learn(count: int, width: int) -> None:
    values = np.random.default_rng(0).normal(size=(count, width)) * np.linspace(3, 1, width) + 5
    found = principal_components(torch.from_numpy(values)).numpy()
    np.testing.assert_allclose(found, PCA(3, svd_solver="full").fit_transform(values), atol=1e-8)


def test_components_that_do_not_exist_are_zero() -> None:
    line = torch.arange(5.0)[:, None] * torch.tensor([1.0, -2.0])
    found = principal_components(line)
    assert found.shape == (5, 3)
    assert found[:, 1:].abs().max() < 1e-6
    assert principal_components(torch.ones(1, 4)).tolist() == [[0.0, 0.0, 0.0]]


def test_the_side_away_from_the_border_is_foreground() -> None:
    border = torch.ones(6, 6, dtype=torch.bool)
    border[1:-1, 1:-1] = False
    first = torch.where(border, 1.0, -2.0).flatten()
    for sign in (1, -1):
        assert torch.equal(foreground(sign * first, border.flatten()), ~border.flatten())


def test_a_flipped_component_is_flipped_back() -> None:
    before = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(follow(before * torch.tensor([1, -1, -1]), before), before)


def test_outliers_do_not_fill_the_colour_range() -> None:
    values = torch.linspace(0, 1, 1000)[:, None].clone()
    values[0] = -1000
    channel = to_channels(values)
    assert 0.48 < float(channel[500, 0]) < 0.52
    assert (float(channel.min()), float(channel.max())) == (0, 1)
