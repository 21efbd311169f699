"""Tests of the noise model: a function of each image and the seed that passes the checks of networks."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from teachmatters.api import Tap
from teachmatters.errors import TeachMattersError
from teachmatters.models.noise import Noise, open_noise
from teachmatters.runner.forward.preflight import preflight_check
from tests.models.conftest import Checkpoints
from tests.models.helpers import ORDER, STREAMED, request, streamed


def noise(seed: int = 0) -> Noise:
    model = open_noise(request("noise-b16", seed=seed)).build()
    assert isinstance(model, Noise)
    return model


def eight_bit(count: int, side: int = 32, seed: int = 0) -> torch.Tensor:
    """Images as the runner hands them over: 8 bits, normalised."""
    numbers = torch.Generator().manual_seed(seed)
    whole = torch.randint(0, 256, (count, 3, side, side), generator=numbers)
    return whole.float().div(255).sub(0.5).div(0.5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_noise_model_passes_the_preflight_check(dtype: torch.dtype) -> None:
    model = noise()
    model.to(torch.device("cpu"), dtype)
    preflight_check(model, torch.device("cpu"), dtype)


def test_batches_change_nothing() -> None:
    pixels = eight_bit(3)
    together = streamed(noise(), pixels)
    assert list(together) == [(layer, tap) for layer in range(1, 13) for tap in ORDER]
    for number in range(3):
        alone = streamed(noise(), pixels[number : number + 1])
        assert all(torch.equal(alone[place][0], value[number]) for place, value in together.items())


@pytest.mark.parametrize("tap", sorted(STREAMED))
def test_a_single_tap_gives_the_same_values(tap: Tap) -> None:
    everything, alone = streamed(noise(), eight_bit(1)), streamed(noise(), eight_bit(1), frozenset({tap}))
    assert list(alone) == [(layer, tap) for layer in range(1, 13)]
    assert all(torch.equal(value, everything[place]) for place, value in alone.items())


def test_values_depend_on_image_layer_and_seed() -> None:
    pixels = eight_bit(2)
    pixels = torch.cat([pixels, pixels[:1]])
    first, other = streamed(noise(), pixels), streamed(noise(1), pixels)
    for tap in ORDER:
        one = first[1, tap]
        assert torch.equal(one[0], one[2])
        for another in (one[1], first[2, tap][0], other[1, tap][0]):
            assert not torch.allclose(one[0], another)


def test_it_is_uniform_and_its_attention_is_normalised_by_rows() -> None:
    taken = streamed(noise(), eight_bit(2, side=224))
    block, attention = taken[7, "block"], taken[7, "attention"]
    assert (block.min() >= 0) & (block.max() < 1)
    edges = torch.histc(block, 10, 0, 1) / block.numel()
    torch.testing.assert_close(edges, torch.full((10,), 0.1), rtol=0.02, atol=0)
    assert attention.shape == (2, 12, 197, 197)
    torch.testing.assert_close(attention.sum(-1), torch.ones(2, 12, 197))
    # every patch is looked at alike: what attention distance and entropy call chance
    torch.testing.assert_close(attention.mean((0, 1, 2)), torch.full((197,), 1 / 197), rtol=0.05, atol=0)


def test_residual_sums_hold_as_in_a_network() -> None:
    taken = streamed(noise(), eight_bit(1))
    for layer in range(1, 13):
        parts = taken[layer, "attn_skip"] + taken[layer, "attn_branch"]
        torch.testing.assert_close(parts, taken[layer, "mlp_skip"])
        torch.testing.assert_close(taken[layer, "mlp_skip"] + taken[layer, "mlp_branch"], taken[layer, "block"])
        torch.testing.assert_close(taken[layer, "norm1"].mean(-1), torch.zeros(1, 5), rtol=0, atol=1e-5)
    assert torch.equal(taken[2, "attn_skip"], taken[1, "block"])
    assert torch.equal(noise().forward(eight_bit(1)), taken[12, "block"])


def test_values_do_not_depend_on_the_device() -> None:
    pixels = eight_bit(1)
    nudged: Any = streamed(noise(), pixels * (1 + 1e-6))
    assert all(torch.equal(value, nudged[place]) for place, value in streamed(noise(), pixels).items())


def test_its_identity_is_its_seed_and_it_has_no_weights(checkpoint: Checkpoints) -> None:
    identities = [open_noise(request("noise-b16", seed=seed)).weights for seed in (0, 0, 1)]
    assert len(set(identities)) == 2
    assert identities[0] == identities[1]
    with pytest.raises(TeachMattersError, match="which has no network to load them into"):
        open_noise(request("noise-b16", checkpoint("dino-s16")))
