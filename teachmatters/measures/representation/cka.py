"""Centred kernel alignment with the unbiased estimator of HSIC, from Gram matrices of mini-batches."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from teachmatters.errors import TeachMattersError
from teachmatters.measures.moments import ROUNDING, accumulator

# The unbiased estimator needs 4 images, because it divides by n - 3.
LEAST = 4

# The number of features multiplied at once in float32. The products of such blocks are summed in float64.
COLUMNS = 16384


def gram(features: Tensor) -> Tensor:
    """Compute the Gram matrix X X' of images' features, up to terms that do not change HSIC.

    The mean image is subtracted first. This adds to K_ij a term that depends on i only and one that depends on j only,
    which centring removes again; but it avoids small differences of large numbers.

    Args:
        features: (n, ...), one image per row, any float.

    Returns:
        (n, n), float64 where the device has it; all 0 when the images are equal up to rounding.

    >>> gram(torch.tensor([[1.0, 0.0], [3.0, 0.0]])).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    flat = features.flatten(1)
    total = torch.zeros(len(flat), len(flat), dtype=accumulator(flat.device), device=flat.device)
    common = total.new_zeros(())
    for part in torch.split(flat, COLUMNS, dim=1):
        piece = part.float()
        mean = piece.mean(dim=0)
        piece = piece - mean
        total += piece @ piece.T
        common += mean.square().sum()
    varies = total.trace() > ROUNDING**2 * (total.trace() + len(flat) * common)
    return torch.where(varies, total, 0.0)


def centred(grams: Tensor) -> Tensor:
    """Centre Gram matrices such that the sum of products of two of them is the unbiased HSIC.

    Args:
        grams: (..., n, n), n at least 4. Their diagonals do not matter.

    Returns:
        (..., n, n), zero on the diagonal.

    Raises:
        TeachMattersError: fewer than 4 images.

    Source:
        Song et al. 2012, "Feature selection via dependence maximization", eq. 5; for the inner product of centred
        matrices: Szekely and Rizzo 2014, "Partial distance correlation".

    >>> x = centred(gram(torch.tensor([[0.0], [1.0], [2.0], [5.0]])))
    >>> bool(x.sum(dim=0).abs().max() < 1e-12), round(float((x * x).sum()), 6)
    (True, 8.166667)
    """
    n = grams.shape[-1]
    if n < LEAST:
        raise TeachMattersError(f"CKA needs at least {LEAST} images, and there are {n}; use more (a larger --limit)")
    outer = grams - torch.diag_embed(grams.diagonal(dim1=-2, dim2=-1))
    rows = outer.sum(dim=-1) / (n - 2)
    total = rows.sum(dim=-1) / (n - 1)
    inner = outer - rows[..., :, None] - rows[..., None, :] + total[..., None, None]
    inner = inner - torch.diag_embed(inner.diagonal(dim1=-2, dim2=-1))
    return inner / math.sqrt(n * (n - 3))


def triangle(matrices: Tensor) -> Tensor:
    """Return the entries above the diagonal, scaled to keep dot products: (..., n, n) -> (..., n (n - 1) / 2).

    >>> round(float(triangle(torch.tensor([[0.0, 3.0], [3.0, 0.0]])).square().sum()), 4)
    18.0
    """
    n = matrices.shape[-1]
    row, column = torch.triu_indices(n, n, offset=1, device=matrices.device)
    return matrices[..., row, column] * math.sqrt(2)


def cka(first: Tensor, second: Tensor) -> Tensor:
    """Compute CKA of every layer of one model with every layer of another: one matrix product per mini-batch.

    Args:
        first: (batches, L1, m) triangles of centred Gram matrices, any float.
        second: (batches, L2, m), for the same images.

    Returns:
        float64 (L1, L2), -1 to 1: mean HSIC(K, L) / sqrt(mean HSIC(K, K) x mean HSIC(L, L)); about 0, possibly
        slightly negative, for layers with nothing in common. NaN where nothing varies from image to image.

    Source:
        Kornblith et al. 2019, "Similarity of neural network representations revisited"; Nguyen et al. 2021, "Do wide
        and deep networks learn the same things?", eq. 3.

    >>> x = triangle(centred(gram(torch.tensor([[0.0], [1.0], [2.0], [5.0]]))))[None, None]
    >>> cka(x, 7 * x).round(decimals=9).tolist()
    [[1.0]]
    """
    cross = torch.zeros(first.shape[1], second.shape[1], dtype=torch.float64)
    for one, two in zip(first, second, strict=True):
        cross += one.double() @ two.double().T
    return cross / _norms(first, second)


def cka_null(first: Tensor, second: Tensor, present: Tensor, permutations: int, seed: int) -> Tensor:
    """Compute CKA by chance: with the second model's images permuted within their mini-batch.

    Args:
        first: as for cka.
        second: as for cka; its images are permuted.
        present: bool (batches, n); missing images keep their place.
        permutations: the number of permutations.
        seed: for the permutations, which are the same for all layers.

    Returns:
        float64 (permutations, L1, L2); NaN as for cka.
    """
    cross = torch.zeros(permutations, first.shape[1], second.shape[1], dtype=torch.float64)
    places = _places(present.shape[1])
    generator = torch.Generator().manual_seed(seed)
    for one, two, there in zip(first, second, present, strict=True):
        mine, others = one.double(), two.double()
        for nth, order in enumerate(_orders(there, permutations, generator)):
            cross[nth] += mine @ others[:, triangle_order(order, places)].T
    return cross / _norms(first, second)


def triangle_order(order: Tensor, places: Tensor) -> Tensor:
    """Return the order of a triangle after permuting the rows and columns of its matrix."""
    row, column = torch.triu_indices(len(order), len(order), offset=1)
    return places[order[row], order[column]]


def _places(n: int) -> Tensor:
    """Return (n, n): the position of each entry of a symmetric matrix in its triangle; the diagonal has none."""
    row, column = torch.triu_indices(n, n, offset=1)
    places = torch.zeros(n, n, dtype=torch.int64)
    places[row, column] = places[column, row] = torch.arange(len(row))
    return places


def _orders(present: Tensor, count: int, generator: torch.Generator) -> Iterator[Tensor]:
    members = present.nonzero()[:, 0]
    for _ in range(count):
        order = torch.arange(len(present))
        order[members] = members[torch.randperm(len(members), generator=generator)]
        yield order


def _norms(first: Tensor, second: Tensor) -> Tensor:
    """Compute sqrt(HSIC(K, K) x HSIC(L, L)), summed over batches; NaN where CKA is undefined."""
    one, two = (
        torch.stack([batch.double().square().sum(dim=-1) for batch in each]).sum(dim=0) for each in (first, second)
    )
    product = one[:, None] * two[None]
    return torch.where(product > 0, product.sqrt(), torch.nan)
