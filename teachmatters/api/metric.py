"""What is said of a metric, once: reports read it from the store, where a copy goes with every run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from teachmatters.api.dataset import Kind

Level: TypeAlias = Literal["layer", "head", "category", "layer-pair", "map"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """The facts about one metric.

    Attributes:
        name: the metric's name in the store (``attn-distance``).
        title: how tables and axes call it.
        summary: its definition in a line.
        unit: the unit of the value, such as ``percent``; empty for a pure number.
        higher_is_better: None where there is no better.
        bounds: smallest and largest possible value, None where open; the runner refuses values outside.
        level: the finest rows: one a layer, one a head or a category beside the layer's own, or one a pair of layers;
            ``map`` for what is an array a layer and no number (then without a headline).
        kind: the kind of data that it needs, when that is not its analysis's.
        headline: whether every protocol and layer has one row without head and category, its overall score.
        protocols: the protocols that it is recorded under; nearly always just the unnamed one.
        needs_class_token: not applicable to a model without a class token.
        source: where the definition comes from.
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
    source: str = ""
