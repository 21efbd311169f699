"""What a report is asked for, and the facts about its metrics that the store keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricInfo:
    """What was said of a metric when it was measured.

    Attributes:
        name, analysis: the metric, and the analysis that measures it.
        title: how tables and axes call it.
        unit: ``percent``, or empty for a pure number.
        higher_is_better: None where there is no better.
        lower, upper: bounds of the value, None where open.
        main_protocol: of its protocols the one that counts; empty for the unnamed one.
        level: ``layer``, ``head``, ``category``, ``layer-pair``, or ``map`` for arrays without rows.
        has_numbers: whether the view ``results`` holds any of it: not every metric applies to every model.
    """

    name: str
    analysis: str = ""
    title: str = ""
    unit: str = ""
    higher_is_better: bool | None = None
    lower: float | None = None
    upper: float | None = None
    main_protocol: str = ""
    level: str = "layer"
    has_numbers: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to show. Empty means: no restriction.

    As asked for, ``models``, ``metrics`` and ``data`` may hold patterns and families; what a report's ``table`` and
    ``draw`` are handed holds the names in the store, and ``facts``.

    Attributes:
        models: labels, patterns (``mini-*``) or families.
        metrics: metrics, patterns, or analyses (all that they measured).
        data: data sets or patterns.
        setting: the setting preferred to all others; the empty one has every parameter at its default.
        layers, heads: from 1.
        by: ``supervision``: a panel for each way of training; empty: one for all.
        facts: of every metric shown.
    """

    models: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    setting: str = ""
    layers: tuple[int, ...] = ()
    heads: tuple[int, ...] = ()
    by: str = ""
    facts: Mapping[str, MetricInfo] = field(default_factory=dict)

    def of(self, metric: str) -> MetricInfo:
        """The facts about a metric; its bare name where the store keeps none.

        >>> Options().of("knn-top1").name
        'knn-top1'
        """
        return self.facts.get(metric) or MetricInfo(name=metric)


BINDS = ("metrics", "models", "data", "setting", "layers", "heads")
"""The names that a report's SQL may bind, ``:models`` and so on."""
