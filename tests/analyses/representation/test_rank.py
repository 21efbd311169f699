"""Tests of the rank analysis on generated features."""

from __future__ import annotations

import pytest
import torch

from teachmatters.analyses.representation.similarity_specs import RANK
from teachmatters.api import Result
from tests.driving import info, run_updates, started
from tests.measures.representation.test_rank import expected


def result(blocks: list[torch.Tensor], size: int, *, class_token: bool = True, registers: int = 2) -> Result:
    model = info(len(blocks), width=blocks[0].shape[-1], class_token=class_token, registers=registers)
    analysis = started(RANK, model, len(blocks[0]))
    run_updates(analysis, {"block": blocks}, size)
    return analysis.compute(analysis.state())


@pytest.mark.parametrize("size", [1, 4, 30])
def test_class_token_and_spatial_tokens_of_every_layer(size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    blocks = [torch.randn(30, 7, 6, generator=generator) @ torch.diag(torch.arange(1.0, 7) ** i) for i in range(3)]
    values = {(r.metric, r.layer): r.value for r in result(blocks, size).records}
    assert len(values) == 6
    for layer, block in enumerate(blocks, start=1):
        cls, spatial = block[:, 0].double().numpy(), block[:, 3:].flatten(0, 1).double().numpy()
        assert values["effective-rank-cls", layer] == pytest.approx(expected(cls), rel=1e-6)
        assert values["effective-rank-spatial", layer] == pytest.approx(expected(spatial), rel=1e-6)


def test_without_class_token_or_variation_there_is_no_rank() -> None:
    blocks = [torch.randn(9, 4, 6), torch.full((9, 4, 6), 2.5)]
    answer = result(blocks, 4, class_token=False, registers=0)
    assert [(r.metric, r.layer, r.n) for r in answer.records] == [("effective-rank-spatial", 1, 9)]
    assert answer.notes == {"effective-rank-spatial: nothing varies": {"layers": [2]}}
