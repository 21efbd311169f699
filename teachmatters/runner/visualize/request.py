"""The request to visualise images, and failed images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from teachmatters.errors import TeachMattersError
from teachmatters.runner.requests import Dtype

Norm: TypeAlias = Literal["none", "final"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualizeRequest:
    """The arguments of one visualize command.

    Attributes:
        images: files.
        models, weights: as for ``tm analyze``.
        layers, heads: from 1; empty: all.
        positions: of POSITIONS, ``ROW:COLUMN`` or ``diagonal``; empty: POSITIONS.
        norm: ``final``: the network's last norm is applied to the patch tokens of every layer.
        device, dtype, seed: as for ``tm analyze``.
    """

    images: Sequence[Path]
    models: Sequence[str]
    weights: Sequence[str] = ()
    layers: tuple[int, ...] = ()
    heads: tuple[int, ...] = ()
    positions: tuple[str, ...] = ()
    norm: Norm = "none"
    device: str = "auto"
    dtype: Dtype = "float32"
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedImage:
    """An image, or a whole model, that could not be shown."""

    what: str
    error: Exception

    @property
    def reason(self) -> str:
        """Return the error in one line."""
        kind = "" if isinstance(self.error, TeachMattersError) else f"{type(self.error).__name__}: "
        return kind + " ".join(str(self.error).split())
