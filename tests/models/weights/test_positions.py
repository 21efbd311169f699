"""Tests of resampled position tables against the networks' own code and a textbook bicubic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor

from teachmatters.models.weights.positions import fit, resample

SMALL: dict[str, Any] = {"embed_dim": 48, "num_heads": 3, "depth": 1, "num_classes": 0}


def network(architecture: str, size: int | tuple[int, int], seed: int = 0, **kwargs: Any) -> Any:
    torch.manual_seed(seed)
    made: Any = timm.create_model(architecture, img_size=size, **(SMALL | kwargs)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.1)
    return made


def loaded(target: Any, state: dict[str, Tensor]) -> str:
    state, said = fit(target, state)
    target.load_state_dict(state)
    return said


def cubic(distance: float) -> float:
    """Keys' kernel with a = -0.75, which PyTorch's bicubic has without antialiasing."""
    x, a = abs(distance), -0.75
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def weights(length: int, side: int, offset: float) -> Any:
    """(length, side): each output's share of each input, edges repeated."""
    rows = np.zeros((length, side))
    for out in range(length):
        place = (out + 0.5) * side / (length + offset) - 0.5
        for tap in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            rows[out, min(max(tap, 0), side - 1)] += cubic(place - tap)
    return rows


@pytest.mark.parametrize("grid", [(16, 16), (37, 16), (40, 24), (5, 9)])
def test_the_authors_interpolation_equals_a_textbook_loop(grid: tuple[int, int]) -> None:
    table = torch.randn(1, 1 + 37 * 37, 4, generator=torch.Generator().manual_seed(0))
    square = table[0, 1:].reshape(37, 37, 4).double().numpy()
    truth = np.einsum("ya,xb,abd->yxd", weights(grid[0], 37, 0.1), weights(grid[1], 37, 0.1), square)
    found = resample(table, grid, 1, authors=True)
    assert torch.equal(found[:, :1], table[:, :1])
    np.testing.assert_allclose(found[0, 1:].numpy(), truth.reshape(-1, 4), atol=2e-4)
    plain = np.einsum("ya,xb,abd->yxd", weights(grid[0], 37, 0.0), weights(grid[1], 37, 0.0), square)
    assert np.abs(plain - truth).max() > 0.01, "the offset must matter, or this proves nothing"


def test_a_table_of_the_same_grid_is_unchanged() -> None:
    table = torch.randn(1, 17, 4)
    assert torch.equal(resample(table, (4, 4), 1), table)
    assert torch.equal(resample(table, (4, 4), 1, authors=True), table)


OWN_FORWARD: list[tuple[str, dict[str, Any]]] = [
    ("vit_small_patch16_224", {}),
    ("vit_small_patch14_reg4_dinov2", {}),
    ("deit_tiny_distilled_patch16_224", {}),
    ("vit_base_patch16_siglip_224", {}),
    ("vit_pe_core_tiny_patch16_384", {}),
]


@pytest.mark.parametrize(("architecture", "kwargs"), OWN_FORWARD, ids=[row[0] for row in OWN_FORWARD])
@pytest.mark.parametrize("sides", [(5, 5), (2, 6)])
def test_another_size_equals_timms_own_forward(
    architecture: str, kwargs: dict[str, Any], sides: tuple[int, int]
) -> None:
    patch = 14 if "patch14" in architecture else 16
    size = sides[0] * patch, sides[1] * patch
    own = network(architecture, 4 * patch, dynamic_img_size=True, **kwargs)
    target = network(architecture, size, seed=1, **kwargs)
    said = loaded(target, own.state_dict())
    assert said == f"positions of 4 x 4 patches resampled to {sides[0]} x {sides[1]} (bicubic, antialiased)"
    pixels = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        torch.testing.assert_close(target.forward_features(pixels), own.forward_features(pixels))


def test_dinov2_without_registers_is_resampled_as_its_authors_do() -> None:
    own, target = network("vit_small_patch14_dinov2", 518), network("vit_small_patch14_dinov2", 224, seed=1)
    said = loaded(target, own.state_dict())
    assert (
        said == "positions of 37 x 37 patches resampled to 16 x 16 (bicubic, as DINOv2's authors do, not antialiased)"
    )
    assert torch.equal(target.pos_embed, resample(own.pos_embed, (16, 16), 1, authors=True))


def test_the_same_number_of_tokens_in_another_shape_is_resampled() -> None:
    own, target = network("vit_small_patch16_224", 64), network("vit_small_patch16_224", (128, 32), seed=1)
    assert "4 x 4 patches resampled to 8 x 2" in loaded(target, own.state_dict())
    assert not torch.equal(own.pos_embed, target.pos_embed)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of PyTorch, in timm's own set_input_size
def test_relative_biases_are_resampled_as_timm_does() -> None:
    own, target = network("beit_base_patch16_224", 64), network("beit_base_patch16_224", 96, seed=1)
    said = loaded(target, own.state_dict())
    assert said == "relative positions of 4 x 4 patches resampled to 6 x 6"
    own.set_input_size(img_size=(96, 96))
    pixels = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        torch.testing.assert_close(target.forward_features(pixels), own.forward_features(pixels))


def test_a_file_of_the_networks_own_size_is_left_alone() -> None:
    for architecture in ("vit_small_patch16_224", "beit_base_patch16_224"):
        given = network(architecture, 64).state_dict()
        state, said = fit(network(architecture, 64, seed=1), given)
        assert said == ""
        assert all(state[key] is value for key, value in given.items())


def test_a_table_that_is_not_square_is_refused_by_its_shape() -> None:
    target = network("vit_small_patch16_224", 96)
    table = torch.zeros(1, 12, 48)
    state, said = fit(target, {"pos_embed": table})
    assert (state["pos_embed"] is table, said) == (True, "")


def test_an_extra_row_for_the_class_token_is_kept() -> None:
    target = network("vit_small_patch14_reg4_dinov2", 224)
    table = torch.randn(1, 1 + 37 * 37, 48)
    state, _ = fit(target, {"pos_embed": table})
    assert state["pos_embed"].shape == (1, 1 + 16 * 16, 48)
    assert torch.equal(state["pos_embed"][:, 0], table[:, 0])
