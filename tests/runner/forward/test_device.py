"""Tests of what a device is told before it computes."""

import contextlib

import pytest
import torch

from teachmatters.runner.forward.device import full_precision


@pytest.mark.parametrize("fails", [False, True])
def test_products_are_in_full_precision_until_the_pass_ends(*, fails: bool) -> None:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        with contextlib.suppress(ZeroDivisionError), full_precision():
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.backends.cudnn.allow_tf32
            if fails:
                raise ZeroDivisionError
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)
