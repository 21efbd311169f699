"""Detect changes that a forward pass leaves in a network or in PyTorch itself."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from teachmatters.api import ModelAdapter

PLAIN = (bool, int, float, str, type(None))
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class Traces:
    """A snapshot of the modules that an adapter holds.

    It keeps checksums of weights, because copies of a large network would not fit into memory.

    Args:
        adapter: the adapter; its attributes are searched, including lists and dicts.
    """

    def __init__(self, adapter: ModelAdapter) -> None:
        modules = dict(_modules(adapter))
        self.hooks = {name: sum(len(getattr(m, hooks, ())) for hooks in HOOKS) for name, m in modules.items()}
        self.settings = {
            f"the attribute {attribute} of {name}": value
            for name, module in modules.items()
            for attribute, value in vars(module).items()
            if isinstance(value, PLAIN) or (callable(value) and not attribute.startswith("_"))
        } | dict(_of_torch())
        self.values = {
            f"the parameter or buffer {attribute} of {name}": checksum(value)
            for name, module in modules.items()
            for attribute, value in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
        }

    def differences(self, after: Traces) -> Iterator[str]:
        """Return the changes between this snapshot and a later one, as verbs with objects."""
        left = {name: after.hooks.get(name, 0) - count for name, count in self.hooks.items()}
        behind = {name: count for name, count in left.items() if count}
        if behind:
            yield f"leaves {sum(behind.values())} hooks behind, the first on {next(iter(behind))}"
        names = self.settings.keys() | after.settings.keys()
        changed = sorted(name for name in names if self.settings.get(name) is not after.settings.get(name)
                         and self.settings.get(name) != after.settings.get(name))  # fmt: skip
        changed += [name for name, value in self.values.items() if value != after.values.get(name)]
        if changed:
            yield f"changes {changed[0]}" + (f", and {len(changed) - 1} more" if changed[1:] else "")


def checksum(values: Tensor) -> tuple[torch.dtype, tuple[int, ...], int]:
    """Return the type, the shape and a checksum of the bits of a tensor.

    >>> checksum(torch.zeros(2)) == checksum(torch.zeros(2)), checksum(torch.zeros(2)) == checksum(torch.ones(2))
    (True, False)
    """
    raw = values.detach().cpu().reshape(-1).contiguous().view(torch.uint8)
    return values.dtype, tuple(values.shape), zlib.crc32(raw.numpy().data)


def _modules(adapter: ModelAdapter) -> Iterator[tuple[str, nn.Module]]:
    for attribute, value in vars(adapter).items():
        parts: list[Any] = [value]
        if isinstance(value, list | tuple | dict):
            parts = list(value.values() if isinstance(value, dict) else value)
        for part in parts:
            if isinstance(part, nn.Module):
                yield from ((f"{attribute}.{name}".rstrip("."), module) for name, module in part.named_modules())


def _of_torch() -> Iterator[tuple[str, Any]]:
    """Return PyTorch's settings that affect every network in the process."""
    yield "torch.nn.functional.scaled_dot_product_attention", F.scaled_dot_product_attention
    yield "torch.nn.functional.softmax", F.softmax
    yield "torch.softmax", torch.softmax
    yield "torch.get_default_dtype()", torch.get_default_dtype()
    yield "torch.get_num_threads()", torch.get_num_threads()
