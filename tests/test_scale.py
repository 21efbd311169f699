"""What docs/scale.md says the paper's study costs."""

from __future__ import annotations

import timm
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.scale import Network
from teachmatters.models.recipes import SHAPES


def test_operations_are_those_that_torch_counts() -> None:
    for size, patch, name in (("s", 16, "vit_small_patch16_224"), ("b", 32, "vit_base_patch32_224")):
        with torch.device("meta"):
            network = timm.create_model(name, num_classes=0)
            pictures = torch.empty(1, 3, 224, 224)
        with FlopCounterMode(display=False) as counter:
            network(pictures)
        shape = SHAPES[size]
        assert Network(shape.depth, shape.width, patch).operations() == counter.get_total_flops()
