"""Devices, dtypes and batch sizes."""

from __future__ import annotations

import torch

from teachmatters.api import ModelInfo
from teachmatters.errors import TeachMattersError

ATTENTION_BYTES = 512 * 2**20
"""What one layer's attention of a batch may take: it bounds the batch of models with many tokens."""


def find_device(name: str) -> torch.device:
    """The device of that name; ``auto`` prefers CUDA, then Apple's GPU, then the CPU.

    Raises:
        TeachMattersError: it is not there, or no such device exists.
    """
    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.insert(0, "mps")
    if torch.cuda.is_available():
        there.insert(0, "cuda")
    if name == "auto":
        return torch.device(there[0])
    if name not in ("cpu", "cuda", "mps"):
        raise TeachMattersError(f"unknown device {name!r}; allowed: auto, cpu, cuda, mps")
    if name not in there:
        raise TeachMattersError(f"device {name!r} is not there: this machine has {', '.join(there)}; try --device auto")
    return torch.device(name)


def default_batch_size(model: ModelInfo, device: torch.device) -> int:
    """As many inputs as keep the device busy without holding much attention at once."""
    one = model.heads * model.tokens**2 * 4
    return max(1, min(16 if device.type == "cpu" else 64, ATTENTION_BYTES // (4 * one)))
