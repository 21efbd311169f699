"""Tests of the costs of the paper's study in docs/scale.md."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.scale import INPUTS, Network, neighbours, tables
from teachmatters.models.recipes import SHAPES


def test_operations_equal_those_that_torch_counts() -> None:
    for size, patch, name in (("s", 16, "vit_small_patch16_224"), ("b", 32, "vit_base_patch32_224")):
        with torch.device("meta"):
            network = timm.create_model(name, num_classes=0)
            images = torch.empty(1, 3, 224, 224)
        with FlopCounterMode(display=False) as counter:
            network(images)
        shape = SHAPES[size]
        assert Network(shape.depth, shape.width, patch).operations() == counter.get_total_flops()


def test_the_page_has_the_tables_of_the_script() -> None:
    page = (Path(__file__).parents[1] / "docs/scale.md").read_text(encoding="utf-8")
    for table in tables():
        assert table in page
    assert f"{sum(INPUTS.values()):,} inputs" in page
    assert f"{neighbours():.1e} operations".replace("e+", "e") in page
