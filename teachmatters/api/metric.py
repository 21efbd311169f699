"""The description of a metric. The store keeps a copy with every run, and reports read it there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from teachmatters.api.dataset import Kind
from teachmatters.api.model import ModelInfo

Level: TypeAlias = Literal["layer", "head", "category", "layer-pair", "map"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """The facts about one metric.

    Attributes:
        name: the metric's name in the store (``attn-distance``).
        title: its name in tables and on axes.
        summary: its definition, in one line.
        unit: the unit of the value, such as ``percent``; empty for a pure number.
        higher_is_better: its direction; None for a metric without one.
        bounds: smallest and largest possible value, None where open; the runner rejects values outside.
        level: the finest rows: one per layer, one per head or category in addition to the layer's own, or one per
            pair of layers; ``map`` for one array per layer instead of a number (then without a headline).
        kind: the kind of data that it needs, if not the kind of its analysis.
        headline: whether every protocol and layer has one row without head and category, the overall score.
        protocols: the protocols that it is recorded under; usually only the unnamed one.
        needs_class_token: whether a model without a class token lacks it.
        needs_registers: whether a model without other tokens before the patches lacks it.
        source: the publications that define it, ``Author et al. YEAR``, separated by ``"; "``.
    """

    name: str
    title: str
    summary: str
    unit: str = ""
    higher_is_better: bool | None = None
    bounds: tuple[float | None, float | None] = (None, None)
    level: Level = "layer"
    headline: bool = True
    protocols: tuple[str, ...] = ("",)
    kind: Kind | None = None
    needs_class_token: bool = False
    needs_registers: bool = False
    source: str = ""

    def lacking(self, model: ModelInfo) -> str:
        """Return what this metric needs and the model lacks, such as ``a class token``; empty if nothing."""
        if self.needs_class_token and not model.class_token:
            return "a class token"
        return "registers" if self.needs_registers and not model.registers else ""
