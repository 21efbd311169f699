"""Tests of networks on the meta device."""

from __future__ import annotations

import pytest
import torch

from teachmatters.models.initialisation import SkippedInitialisation
from teachmatters.models.networks import create, hollow
from tests.models import official


@pytest.mark.parametrize(
    "architecture",
    [
        "vit_base_patch16_224",
        "beit_base_patch16_224",
        "vit_base_patch16_clip_quickgelu_224",
        "eva02_base_patch16_clip_224",
    ],
)
def test_a_network_on_the_meta_device_has_the_same_parameters(architecture: str) -> None:
    given = {name: value for name, value in official.TINY.items() if name != "num_classes"}
    expected, found = (make(architecture, given).state_dict() for make in (create, hollow))
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert (found[name].shape, found[name].dtype, found[name].is_meta) == (value.shape, value.dtype, True)


def test_a_network_with_memory_is_initialised() -> None:
    with SkippedInitialisation():
        assert torch.empty(2).fill_(3).tolist() == [3, 3]
        assert torch.nn.init.constant_(torch.empty(2), 3).tolist() == [3, 3]
        assert torch.empty(2, device="meta").fill_(3).is_meta
