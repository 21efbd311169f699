"""Devices, dtypes and batch sizes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from teachmatters.api import ModelInfo
from teachmatters.errors import TeachMattersError

ATTENTION_BYTES = 512 * 2**20
"""What one layer's attention of a batch may take: it bounds the batch of models with many tokens."""

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


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


def find_dtype(name: str) -> torch.dtype:
    """The dtype of that name for forward passes.

    Raises:
        TeachMattersError: there is none.
    """
    if name not in _DTYPES:
        raise TeachMattersError(f"unknown dtype {name!r}; allowed: {', '.join(_DTYPES)}")
    return _DTYPES[name]


def default_batch_size(model: ModelInfo, device: torch.device, group: int = 1) -> int:
    """As many inputs as keep the device busy without holding much attention at once; a whole group where that fits."""
    fitting = max(1, ATTENTION_BYTES // (4 * model.heads * model.tokens**2 * 4))
    return min(max(16 if device.type == "cpu" else 64, group), fitting)


@contextmanager
def full_precision() -> Iterator[None]:
    """Keep float32 what it says on NVIDIA GPUs: by default their convolutions round it to TF32's 10 bits."""
    cudnn = torch.backends.cudnn
    with cudnn.flags(
        enabled=cudnn.enabled, benchmark=cudnn.benchmark, deterministic=cudnn.deterministic, allow_tf32=False
    ):
        yield


@contextmanager
def out_of_memory() -> Iterator[None]:
    """Running out of memory becomes a sentence."""
    advice = "out of memory: try a smaller --batch-size, --dtype bfloat16, or fewer images (--limit)"
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise TeachMattersError(advice) from error
    except RuntimeError as error:
        if "DefaultCPUAllocator" in str(error):
            raise TeachMattersError(advice) from error
        raise
