"""Tests of moments against NumPy, also where a sum of squares would lose precision."""

import numpy as np
import pytest
import torch

from teachmatters.measures.moments import Moments, ScatterMatrix


@pytest.mark.parametrize("cuts", [[30], [1, 29], [10, 10, 10], [29, 1]])
def test_any_parts_equal_numpy(cuts: list[int]) -> None:
    values = 1e6 + np.random.default_rng(0).standard_normal((30, 3)) * 1e-3
    parts = [Moments.of(part) for part in torch.tensor(values).split(cuts)]  # type: ignore[no-untyped-call]
    total = sum(parts[1:], parts[0])
    std = total.std()
    assert total.count == 30
    assert std is not None
    np.testing.assert_allclose(total.mean.numpy(), values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(std.numpy(), values.std(axis=0, ddof=1), rtol=1e-6)
    means, m2 = (torch.stack(each) for each in zip(*((part.mean, part.m2) for part in parts), strict=True))
    joined = Moments.joined(cuts, means, m2)
    assert joined.count == 30
    np.testing.assert_allclose(joined.mean.numpy(), total.mean.numpy(), rtol=1e-12)
    np.testing.assert_allclose(joined.m2.numpy(), total.m2.numpy(), rtol=1e-6)


def test_one_value_has_no_deviation() -> None:
    assert Moments.of(torch.tensor([[2.0]])).std() is None


@pytest.mark.parametrize("width", [5, 192, 193, 201])
def test_products_of_wide_vectors_equal_numpy(width: int) -> None:
    values = 3 + np.random.default_rng(0).standard_normal((40, width))
    total = ScatterMatrix.of(torch.tensor(values[:15])) + ScatterMatrix.of(torch.tensor(values[15:]))
    np.testing.assert_allclose(total.products.numpy(), 39 * np.cov(values.T), rtol=1e-10, atol=1e-10)
