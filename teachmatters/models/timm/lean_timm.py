"""Import timm without PyTorch's compiler.

``import timm`` imports torchvision, and both call ``torch._dynamo`` while they are imported: torchvision to ask whether
a device can compile, timm to exclude functions from compilation. So does torch when it initialises tensors on the meta
device. Nothing here compiles, and the compiler takes longer to import than torch. These calls are postponed until
somebody does compile. Use this in place of ``import timm``::

    from teachmatters.models.timm.lean_timm import timm
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

COMPILER, COMPILER_UTILS = "torch._dynamo", "torch._dynamo.utils"


class PostponedModule(ModuleType):
    """A module that is imported when an attribute is used, except for those that can wait longer."""

    def __init__(self, name: str, **waiting: Callable[..., Any]) -> None:
        super().__init__(name)
        self._waiting = waiting

    def __getattr__(self, name: str) -> Any:
        if name in self._waiting:
            return self._waiting[name]
        if name.startswith("__"):  # asked for by the import system
            raise AttributeError(name)
        return getattr(_imported(self.__name__), name)


@contextmanager
def postponed_compiler() -> Iterator[None]:
    """Postpone the import of ``torch._dynamo``, unless it is already imported."""
    if COMPILER not in sys.modules:
        sys.modules[COMPILER] = PostponedModule(COMPILER, disable=_disable)
        sys.modules[COMPILER_UTILS] = PostponedModule(COMPILER_UTILS, is_compile_supported=_is_compile_supported)
    try:
        yield
    finally:
        _remove_postponed()


def _imported(name: str) -> ModuleType:
    _remove_postponed()
    return importlib.import_module(name)


def _remove_postponed() -> None:
    for name in (COMPILER, COMPILER_UTILS):
        if isinstance(sys.modules.get(name), PostponedModule):
            del sys.modules[name]


def _disable(function: Callable[..., Any], *options: Any, **named: Any) -> Callable[..., Any]:
    """Return a function that is excluded from compilation, once the compiler is there."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        compiler = sys.modules.get(COMPILER)
        if compiler is None or isinstance(compiler, PostponedModule):
            return function(*args, **kwargs)
        return compiler.disable(function, *options, **named)(*args, **kwargs)

    return call


def _is_compile_supported(device: str) -> bool:
    return bool(importlib.import_module(COMPILER_UTILS).is_compile_supported(device))


with postponed_compiler():
    import timm

__all__ = ["postponed_compiler", "timm"]
