"""The options of a report, and the facts about metrics that the store records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricInfo:
    """The facts about a metric, as recorded when it was measured.

    Attributes:
        name, analysis: the metric, and the analysis that measures it.
        title: the name in tables and on axes.
        unit: ``percent``, or empty for a pure number.
        higher_is_better: None for a metric without direction.
        lower, upper: bounds of the value, None for no bound.
        main_protocol: the protocol that reports prefer; empty for the unnamed one.
        level: ``layer``, ``head``, ``category``, ``layer-pair``, or ``map`` for arrays without rows.
        has_numbers: True if the view ``results`` has rows of it; not every metric applies to every model.
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
    """The selection and options of a report; empty means no restriction.

    On input, ``models``, ``metrics`` and ``data`` may contain patterns and families. A report's ``table`` and ``draw``
    get the names in the store, and ``facts``.

    Attributes:
        models: labels, patterns (``mini-*``) or families.
        metrics: metrics, patterns, or analyses (all their metrics).
        data: data sets or patterns.
        setting: the setting preferred to all others; the empty one has every parameter at its default. A report of
            several settings also takes a pattern.
        settings: the settings in the store that ``setting`` selects.
        layers, heads: from 1.
        by: ``supervision`` for one panel per supervision, ``step`` for training steps on the x-axis, ``head`` for one
            point per head; may be empty.
        zoom: patches around the query that maps show; 0 for the report's own choice.
        scale: ``own`` for colours from 0 to the maximum of each map, ``shared`` or empty for one scale.
        pool: True for one line per supervision, the mean of its models over relative depth.
        sort: True for heads in the order of their values.
        plain: True for the table that papers print.
        intervals: True for 95 % intervals in columns of that table.
        names: the text to show for a label, in tables and figures.
        facts: the facts about each metric in the store.
    """

    models: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    setting: str = ""
    settings: tuple[str, ...] = ()
    layers: tuple[int, ...] = ()
    heads: tuple[int, ...] = ()
    by: str = ""
    zoom: int = 0
    scale: str = ""
    pool: bool = False
    sort: bool = False
    plain: bool = False
    intervals: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, MetricInfo] = field(default_factory=dict)

    def of(self, metric: str) -> MetricInfo:
        """Return the facts about a metric; only its name if the store has none.

        >>> Options().of("knn-top1").name
        'knn-top1'
        """
        return self.facts.get(metric) or MetricInfo(name=metric)


# The names that a report's SQL may bind, ``:models`` and so on.
BINDS = ("metrics", "models", "data", "setting", "layers", "heads")
# Options of figures and tables; a report's spec lists those that it takes.
DRAWING = ("by", "zoom", "scale", "pool", "sort")
