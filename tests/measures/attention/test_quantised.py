from __future__ import annotations

import torch

from teachmatters.measures.attention.quantised import dequantise, quantise


def test_no_value_is_off_by_more_than_half_a_step_of_its_row() -> None:
    attention = torch.randn(2, 3, 50, 50, generator=torch.Generator().manual_seed(0)).mul(4).softmax(-1)
    attention[0, 0, 0] = 0
    attention[0, 0, 1] = torch.eye(50)[7]
    steps, largest = quantise(attention)
    assert steps.dtype == torch.uint8
    assert torch.equal(largest, attention.max(-1).values)
    errors = (dequantise(steps, largest) - attention).abs()
    assert bool((errors <= largest[..., None] / 510 * 1.0001).all())
    assert torch.equal(dequantise(steps, largest)[0, 0, :2], attention[0, 0, :2])  # zeros and ones are exact
