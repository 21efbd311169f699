"""Tests of CKA against its formula in NumPy, with Gram matrices of the raw features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from teachmatters.errors import TeachMattersError
from teachmatters.measures.representation.cka import centred, cka, cka_null, gram, triangle

Array = NDArray[np.float64]


def hsic(x: Array, y: Array) -> float:
    """The unbiased HSIC of two feature matrices, term by term."""
    n = len(x)
    k, l_ = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(l_, 0)
    one = np.ones(n)
    first = np.trace(k @ l_)
    second = (one @ k @ one) * (one @ l_ @ one) / ((n - 1) * (n - 2))
    third = 2 * (one @ k @ l_ @ one) / (n - 2)
    return float((first + second - third) / (n * (n - 3)))


def expected(xs: list[Array], ys: list[Array]) -> float:
    """Of mini-batches."""
    crossed, own, others = (
        np.mean([hsic(a, b) for a, b in zip(one, two, strict=True)]) for one, two in ((xs, ys), (xs, xs), (ys, ys))
    )
    return float(crossed / np.sqrt(own * others))


def triangles(layers: list[list[Array]]) -> torch.Tensor:
    """(batches, layers, entries) of layers' mini-batches."""
    grams = [[gram(torch.tensor(batch)) for batch in batches] for batches in layers]
    return triangle(centred(torch.stack([torch.stack(each) for each in grams]))).transpose(0, 1)


def draw(seed: int, layers: int, batches: int, n: int, width: int, offset: float = 0.0) -> list[list[Array]]:
    """Layers that share something, so that CKA is neither 0 nor 1."""
    generator = np.random.default_rng(seed)
    common = np.random.default_rng(99).standard_normal((batches, n, 5))
    found = []
    for layer in range(layers):
        own = generator.standard_normal((batches, n, width))
        shared = common @ generator.standard_normal((5, width))
        found.append(list(own + 0.3 * layer * shared + offset * generator.standard_normal(width)))
    return found


@pytest.mark.parametrize(("n", "batches", "offset"), [(4, 5, 0.0), (7, 3, 0.0), (64, 1, 0.0), (16, 4, 100.0)])
def test_every_pair_of_layers_equals_the_formula(n: int, batches: int, offset: float) -> None:
    first, second = draw(0, 3, batches, n, 40, offset), draw(1, 2, batches, n, 17, offset)
    values = cka(triangles(first), triangles(second))
    assert values.shape == (3, 2)
    for i, one in enumerate(first):
        for j, two in enumerate(second):
            assert float(values[i, j]) == pytest.approx(expected(one, two), abs=2e-5)


def test_invariant_to_rotation_scale_and_shift() -> None:
    (batches,) = draw(3, 1, 2, 12, 30)
    turn, _ = np.linalg.qr(np.random.default_rng(4).standard_normal((30, 30)))
    moved = [7.5 * batch @ turn + 3.0 for batch in batches]
    values = cka(triangles([batches]), triangles([batches, moved]))
    assert values.tolist() == [pytest.approx([1.0, 1.0], abs=1e-5)]


def test_independent_features_have_zero_cka_on_average() -> None:
    """The biased estimator would be near 1 here: more features than images."""
    draws = 400
    generator = np.random.default_rng(5)
    values = []
    for _ in range(draws):
        x, y = (triangles([[generator.standard_normal((10, 60))]]) for _ in range(2))
        values.append(float(cka(x, y)))
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(draws)
    assert min(values) < 0, "unbiased: negative as often as not"


def test_constant_features_have_no_cka() -> None:
    x = np.random.default_rng(6).standard_normal((8, 20))
    same = np.repeat(1000.0 + x[:1], 8, axis=0).astype(np.float32)
    rounded = same * (1 + np.float32(6e-8) * np.arange(8, dtype=np.float32)[:, None])
    assert (rounded != same).any()
    values = cka(triangles([[x], [same.astype(float)], [rounded.astype(float)]]), triangles([[x]]))
    assert values.isnan()[:, 0].tolist() == [False, True, True]


def test_little_variation_around_a_large_mean_is_not_lost() -> None:
    x = np.random.default_rng(7).standard_normal((8, 20))
    assert float(cka(triangles([[1e3 + x]]), triangles([[x]]))) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("n", [1, 3])
def test_fewer_than_four_images(n: int) -> None:
    with pytest.raises(TeachMattersError, match=f"at least 4 images, and there are {n}"):
        centred(gram(torch.randn(n, 5)))


def test_the_null_equals_cka_of_permuted_images() -> None:
    first, second = draw(8, 2, 3, 9, 20), draw(9, 1, 3, 9, 20)
    present = torch.ones(3, 9, dtype=torch.bool)
    drawn = cka_null(triangles(first), triangles(second), present, 5, seed=11)
    generator = torch.Generator().manual_seed(11)
    orders = [[torch.randperm(9, generator=generator).numpy() for _ in range(5)] for _ in range(3)]
    for nth in range(5):
        moved = [batch[orders[place][nth]] for place, batch in enumerate(second[0])]
        for layer in range(2):
            assert float(drawn[nth, layer, 0]) == pytest.approx(expected(first[layer], moved), abs=1e-5)


def test_the_null_ignores_absent_images_and_centres_on_zero() -> None:
    present = torch.ones(1, 9, dtype=torch.bool)
    present[0, [2, 8]] = False
    inner = centred(gram(torch.randn(7, 30, generator=torch.Generator().manual_seed(0))))
    whole = torch.zeros(9, 9, dtype=inner.dtype)
    there = present[0].nonzero()[:, 0]
    whole[there[:, None], there] = inner
    held = triangle(whole)[None, None]
    drawn = cka_null(held, held, present, 300, seed=0)[:, 0, 0]
    alone = cka_null(triangle(inner)[None, None], triangle(inner)[None, None], torch.ones(1, 7) > 0, 300, seed=0)
    assert torch.allclose(drawn, alone[:, 0, 0])
    assert abs(float(drawn.mean())) < 4 * float(drawn.std()) / 300**0.5
    assert torch.equal(drawn, cka_null(held, held, present, 300, seed=0)[:, 0, 0])
    assert not torch.equal(drawn, cka_null(held, held, present, 300, seed=1)[:, 0, 0])
