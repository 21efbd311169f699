"""Test that the attention analysis gives the same numbers on a GPU as on the CPU."""

import pytest
import torch

from teachmatters.analyses.attention.attention_reduction import FROM_ALIGNED, MAPS, NUMBERS, Reduction
from teachmatters.api import ModelInfo

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")]


@pytest.mark.parametrize("block", [2**28, 20_000, 1_000], ids=["all images", "two images", "parts of a row"])
def test_numbers_and_maps_equal_those_of_the_cpu(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teachmatters.measures.attention.totals.GPU_BLOCK", block)
    half = (0.5, 0.5, 0.5)
    info = ModelInfo(
        arch="ViT",
        depth=1,
        heads=3,
        width=12,
        patch_size=4,
        image_size=20,
        grid=(5, 5),
        class_token=True,
        registers=2,
        mean=half,
        std=half,
    )
    attention = torch.randn(4, 3, 28, 28, generator=torch.Generator().manual_seed(0)).softmax(dim=-1)
    found = []
    for name in ("cpu", "cuda"):
        device = torch.device(name)
        reduction = Reduction(info, NUMBERS | MAPS | FROM_ALIGNED, device, images=4)
        found.append(reduction.of(attention.to(device), [0, 1, 1, 0]))
    for ours, theirs in ((found[0].numbers, found[1].numbers), (found[0].sums, found[1].sums)):
        for key, values in ours.items():
            torch.testing.assert_close(theirs[key].cpu(), values, rtol=1e-4, atol=1e-6)
