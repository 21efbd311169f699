"""Tests of outlier tokens against sorting by hand, and of their attention against loops."""

from __future__ import annotations

import pytest
import torch

from teachmatters.measures.attention.artefacts import artefact_mass, artefacts
from tests import mask_oracles as oracles


def random_tokens(patches: int, batch: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(patches)
    lengths = torch.randn(batch, patches, 1, generator=generator).exp()
    return lengths * torch.randn(batch, patches, 7, generator=generator)


@pytest.mark.parametrize("patches", [1, 2, 9, 12, 49])
@pytest.mark.parametrize("factor", [1.0, 1.5, 3.0])
def test_equals_the_loop(patches: int, factor: float) -> None:
    tokens = random_tokens(patches)
    for found, image in zip(artefacts(tokens, factor), tokens.double().numpy(), strict=True):
        assert found.nonzero().flatten().tolist() == oracles.artefacts(image, factor)


def test_planted_outliers_are_found_exactly() -> None:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(4, 196, 64, generator=generator)
    planted = torch.rand(4, 196, generator=generator) < 0.05
    tokens[planted] *= 10
    assert planted.any(dim=1).all()
    assert (artefacts(tokens, 3) == planted).all()


def test_the_median_of_an_even_number_is_the_mean_of_the_middle_two() -> None:
    # 1, 1, 3, 6: the median is 2; the lower of the middle two, 1, would make 3 x 1 the limit.
    tokens = torch.tensor([1.0, 1, 3, 6]).view(1, 4, 1)
    assert artefacts(tokens, 2.5).tolist() == [[False, False, False, True]]
    assert artefacts(tokens, 3.0).tolist() == [[False, False, False, False]], "6 does not exceed 3 x 2"


def test_half_precision_does_not_overflow() -> None:
    tokens = torch.full((1, 4, 512), 1000.0, dtype=torch.float16)
    tokens[0, 1] = 60000
    assert artefacts(tokens, 3).tolist() == [[False, True, False, False]]


@pytest.mark.parametrize("prefix", [0, 1, 5])
def test_mass_equals_the_loop(prefix: int) -> None:
    generator = torch.Generator().manual_seed(prefix)
    attention = (2 * torch.randn(3, 2, 12 + prefix, 12 + prefix, generator=generator)).softmax(dim=-1)
    where = torch.rand(3, 12, generator=generator) < 0.3
    where[2] = False
    expected = [
        oracles.artefact_mass(image, chosen.nonzero().flatten().tolist(), 12)
        for image, chosen in zip(attention.double().numpy(), where, strict=True)
    ]
    assert expected[2] == 0
    assert artefact_mass(attention, where).tolist() == pytest.approx(expected, rel=1e-6)


def test_all_patches_get_the_mass_that_the_prefix_does_not() -> None:
    attention = torch.rand(2, 3, 10, 10, generator=torch.Generator().manual_seed(0)).softmax(dim=-1)
    on_prefix = attention[:, :, 1:, :1].sum(dim=-1).mean(dim=(1, 2))
    mass = artefact_mass(attention, torch.ones(2, 9, dtype=torch.bool))
    assert torch.allclose(mass, 1 - on_prefix.double(), atol=1e-6)
