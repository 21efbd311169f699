from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from teachmatters.api import Tap
from teachmatters.models.timm.vit import TimmViT
from tests.models.helpers import ORDER, STREAMED, images, streamed, tiny

SMALL: dict[str, Any] = {"img_size": 64, "embed_dim": 48, "num_heads": 3}


@pytest.mark.parametrize("tap", sorted(STREAMED))
def test_a_single_tap_gives_the_same_values_and_nothing_else(tap: Tap) -> None:
    model = tiny(**SMALL)
    pixels = images(model)
    everything = streamed(model, pixels)
    alone = streamed(model, pixels, frozenset({tap}))
    assert list(alone) == [(1, tap), (2, tap)]
    for place, value in alone.items():
        torch.testing.assert_close(value, everything[place], rtol=1e-4, atol=1e-5)


def traces(model: TimmViT) -> list[Any]:
    """All that a pass could leave behind."""
    return [
        (len(module._forward_hooks), len(module._forward_pre_hooks), getattr(module, "fused_attn", None))
        for module in model.network.modules()
    ]


def test_the_network_is_restored_even_after_a_failing_sink() -> None:
    model = tiny(**SMALL)
    attention: Any = model.network.get_submodule("blocks.1.attn")
    attention.fused_attn = False
    before = traces(model)

    def sink(layer: int, tap: Tap, value: Tensor) -> None:
        if (layer, tap) == (2, "attention"):
            raise RuntimeError("sink")

    with pytest.raises(RuntimeError, match="sink"):
        model.stream(images(model), STREAMED, sink)
    assert traces(model) == before
    assert len(streamed(model, images(model))) == 2 * len(ORDER)
    assert traces(model) == before
    model.forward(images(model))
    assert traces(model) == before


def test_attention_is_read_from_unfused_blocks() -> None:
    model = tiny(**SMALL)
    expected = streamed(model, images(model), frozenset({"attention"}))
    for number in (0, 1):
        attention: Any = model.network.get_submodule(f"blocks.{number}.attn")
        attention.fused_attn = False
    taken = streamed(model, images(model), frozenset({"attention"}))
    assert taken.keys() == expected.keys()
    assert all(torch.equal(taken[place], expected[place]) for place in taken)


@pytest.mark.parametrize("taps", [{"attn_skip"}, {"attention"}, {"norm1", "mlp_skip", "block"}, set(ORDER)])
def test_earlier_layers_are_freed(taps: set[Tap]) -> None:
    model = tiny(**SMALL, depth=4)
    seen: dict[int, list[weakref.ref[Tensor]]] = {}

    def sink(layer: int, tap: Tap, value: Tensor) -> None:
        # the input of block 1 is timm's own to keep: the caller of the blocks holds it
        alive = [number for number in range(2, layer - 1) for ref in seen[number] if ref() is not None]
        assert not alive
        seen.setdefault(layer, []).append(weakref.ref(value))

    model.stream(images(model), frozenset(taps), sink)
    assert len(seen) == 4


def test_no_gradient_is_recorded_and_parameters_do_not_change() -> None:
    model = tiny(**SMALL)
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    pixels = images(model).requires_grad_()
    assert not any(value.requires_grad for value in streamed(model, pixels).values())
    assert not model.forward(pixels).requires_grad
    assert not model.network.training
    assert all(torch.equal(value, before[name]) for name, value in model.network.state_dict().items())


def test_in_bfloat16_attention_is_still_softmaxed_in_float32() -> None:
    model = tiny(**SMALL)
    exact = streamed(model, images(model))
    model.to(torch.device("cpu"), torch.bfloat16)
    taken = streamed(model, images(model))
    assert {tap: value.dtype for (_, tap), value in taken.items() if value.dtype == torch.float32}.keys() == {
        "attention"
    }
    torch.testing.assert_close(taken[1, "attention"].sum(-1), torch.ones(2, 3, 17), rtol=0, atol=1e-5)
    torch.testing.assert_close(taken[1, "attention"], exact[1, "attention"], rtol=0.1, atol=0.01)


def test_attention_computed_by_a_sink_is_ignored() -> None:
    model = tiny(**SMALL)
    taken: list[tuple[int, Tap]] = []

    def sink(layer: int, tap: Tap, value: Tensor) -> None:
        ones = torch.ones(1, 1, 2, 2)
        F.scaled_dot_product_attention(ones, ones, ones)
        taken.append((layer, tap))

    model.stream(images(model), frozenset({"norm1", "attention", "block"}), sink)
    assert taken == [(layer, tap) for layer in (1, 2) for tap in ("norm1", "attention", "block")]
