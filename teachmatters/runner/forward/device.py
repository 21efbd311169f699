"""Devices, dtypes and batch sizes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from teachmatters.api import ModelInfo
from teachmatters.errors import TeachMattersError

# Memory for one layer's attention of a batch; it limits the batch of models with many tokens.
ATTENTION_BYTES = 512 * 2**20

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def find_device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` prefers CUDA, then Apple's GPU, then the CPU.

    Raises:
        TeachMattersError: the name is unknown, or this machine lacks the device.
    """
    available = ["cpu"]
    if torch.backends.mps.is_available():
        available.insert(0, "mps")
    if torch.cuda.is_available():
        available.insert(0, "cuda")
    if name == "auto":
        return torch.device(available[0])
    if name not in ("cpu", "cuda", "mps"):
        raise TeachMattersError(f"unknown device {name!r}; allowed: auto, cpu, cuda, mps")
    if name not in available:
        raise TeachMattersError(
            f"device {name!r} is not available: this machine has {', '.join(available)}; try --device auto"
        )
    return torch.device(name)


def find_dtype(name: str) -> torch.dtype:
    """Return the dtype of that name for forward passes.

    Raises:
        TeachMattersError: the name is unknown.
    """
    if name not in _DTYPES:
        raise TeachMattersError(f"unknown dtype {name!r}; allowed: {', '.join(_DTYPES)}")
    return _DTYPES[name]


def default_batch_size(model: ModelInfo, device: torch.device, group: int = 1) -> int:
    """Return the inputs per forward pass: enough to occupy the device, and a whole group if its attention fits."""
    fitting = max(1, ATTENTION_BYTES // (4 * model.heads * model.tokens**2 * 4))
    return min(max(16 if device.type == "cpu" else 64, group), fitting)


@contextmanager
def full_precision() -> Iterator[None]:
    """Disable TF32, to which NVIDIA GPUs round float32 in convolutions, and in products where a program asks for it."""
    cudnn, before = torch.backends.cudnn, torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with cudnn.flags(
            enabled=cudnn.enabled, benchmark=cudnn.benchmark, deterministic=cudnn.deterministic, allow_tf32=False
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def out_of_memory() -> Iterator[None]:
    """Turn an out-of-memory exception into a one-line error."""
    advice = "out of memory: try a smaller --batch-size, --dtype bfloat16, or fewer images (--limit)"
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise TeachMattersError(advice) from error
    except RuntimeError as error:
        if "DefaultCPUAllocator" in str(error):
            raise TeachMattersError(advice) from error
        raise
