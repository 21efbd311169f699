"""Skip the initialisation of parameters that hold no numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.overrides import TorchFunctionMode

# Methods of tensors, and functions of torch.nn.init, that set values and nothing else.
METHODS = ("add_", "clamp_", "copy_", "div_", "erfinv_", "fill_", "mul_", "normal_", "sub_", "uniform_", "zero_")
FUNCTIONS = ("constant_", "kaiming_uniform_", "trunc_normal_", "xavier_uniform_")
IN_PLACE = frozenset((*METHODS, *FUNCTIONS))


class SkippedInitialisation(TorchFunctionMode):
    """A context in which operations that only set the values of a meta tensor do nothing.

    They have no effect on the meta device, and take most of the time that it takes to build a network there.

    >>> import torch
    >>> with SkippedInitialisation(), torch.device("meta"):
    ...     torch.nn.Linear(2, 3).weight.shape
    torch.Size([3, 2])
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in IN_PLACE:
            target = args[0] if args else kwargs["tensor"]
            if target.is_meta:
                return target
        return func(*args, **kwargs)
