from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from teachmatters.errors import TeachMattersError
from teachmatters.models.attention import AttentionCapture, attend_by_images, explicit_attention


def tensors(heads: int = 4, key_heads: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    numbers = torch.Generator().manual_seed(0)
    return (
        torch.randn(2, heads, 7, 8, generator=numbers),
        torch.randn(2, key_heads, 7, 8, generator=numbers),
        torch.randn(2, key_heads, 7, 8, generator=numbers),
    )


BOOLEAN = torch.ones(7, 7, dtype=torch.bool).tril(2)
BIAS = torch.randn(4, 7, 7, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "options",
    [{}, {"attn_mask": BOOLEAN}, {"attn_mask": BIAS}, {"is_causal": True}, {"scale": 0.9}, {"enable_gqa": True}],
    ids=["plain", "boolean mask", "bias", "causal", "scale", "grouped queries"],
)
def test_the_output_equals_torch_and_rows_sum_to_one(options: dict[str, Any]) -> None:
    query, key, value = tensors(key_heads=2 if "enable_gqa" in options else 4)
    expected = F.scaled_dot_product_attention(query, key, value, **options)
    taken: list[tuple[int, Tensor]] = []
    with AttentionCapture(lambda layer, attention: taken.append((layer, attention))) as capture:
        capture.enter_block(3)
        answer = F.scaled_dot_product_attention(query, key, value, **options)
        capture.leave_block()
    torch.testing.assert_close(answer, expected, rtol=1e-5, atol=1e-5)
    ((layer, attention),) = taken
    assert (layer, attention.shape) == (3, (2, 4, 7, 7))
    torch.testing.assert_close(attention.sum(-1), torch.ones(2, 4, 7))


@pytest.mark.parametrize("calls", [0, 2])
def test_a_block_without_exactly_one_softmax_is_refused(calls: int) -> None:
    with AttentionCapture(lambda *_: None) as capture:
        capture.enter_block(5)
        for _ in range(calls):
            F.scaled_dot_product_attention(*tensors())
        with pytest.raises(TeachMattersError, match=f"block 5 computed {calls} attention maps"):
            capture.leave_block()


def test_attention_outside_a_block_is_ignored() -> None:
    taken: list[int] = []
    with AttentionCapture(lambda layer, _: taken.append(layer)) as capture:
        F.scaled_dot_product_attention(*tensors())
        capture.enter_block(1)
        F.scaled_dot_product_attention(*tensors())
        capture.leave_block()
        F.scaled_dot_product_attention(*tensors())
    assert taken == [1]


def test_attention_image_by_image_equals_that_of_all_at_once() -> None:
    query, key, value = (each.transpose(1, 2).contiguous().transpose(1, 2) for each in tensors())
    attention = torch.full((2, 4, 7, 7), torch.nan)  # what the memory held does not count
    output = attend_by_images(query, key, value, scale=0.9, out=attention)
    torch.testing.assert_close(output, F.scaled_dot_product_attention(query, key, value, scale=0.9))
    torch.testing.assert_close(attention, explicit_attention(query, key, scale=0.9))


@pytest.mark.parametrize(("cache", "images"), [(4 * 2 * 4 * 7 * 7 - 1, 1), (4 * 2 * 4 * 7 * 7, 0)])
def test_a_large_batch_is_attended_image_by_image(cache: int, images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, calls = list[torch.Tensor](), list[int]()

    def watched(*given: torch.Tensor, scale: float, out: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return attend_by_images(*given, scale=scale, out=out)

    monkeypatch.setattr("teachmatters.models.attention.CACHE", cache)
    monkeypatch.setattr("teachmatters.models.attention.attend_by_images", watched)
    given = tensors()
    with AttentionCapture(lambda _, attention: taken.append(attention.clone())) as capture:
        capture.enter_block(1)
        output = F.scaled_dot_product_attention(*given)
        capture.leave_block()
    assert len(calls) == images
    torch.testing.assert_close(output, F.scaled_dot_product_attention(*given))
    torch.testing.assert_close(taken[0], explicit_attention(*given[:2]))
