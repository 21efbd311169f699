"""Settings of forward passes: plain data, shared by engines, features and sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from teachmatters.api import ModelInfo
from teachmatters.runner.forward.device import default_batch_size
from teachmatters.runner.forward.schedule import PassMember


@dataclass(frozen=True, slots=True, kw_only=True)
class PassSettings:
    """Settings that all forward passes of a command share.

    Attributes:
        device, dtype: the device and dtype of the forward pass.
        batch_size: inputs per forward pass; None: chosen by the size of the model.
        seed: for everything random.
        cache: folder of the feature cache.
        force: extract features again even where the cache holds them.
    """

    device: torch.device
    dtype: torch.dtype
    batch_size: int | None = None
    seed: int = 0
    cache: Path = Path("tm.cache")
    force: bool = False

    @property
    def dtype_name(self) -> str:
        """Return the dtype as users write it, such as ``float32``."""
        return str(self.dtype).removeprefix("torch.")

    def batch_size_for(self, model: ModelInfo, members: Sequence[PassMember]) -> int:
        """Return the inputs per forward pass for this model and these pass members."""
        groups = [member.input_spec.group for member in members if isinstance(member.input_spec.group, int)]
        return self.batch_size or default_batch_size(model, self.device, max(groups, default=1))
