"""What an analysis hands back is held to what it declared, before a row of it is stored."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from teachmatters.api import AnalysisSpec, MetricSpec, ModelInfo, Record
from teachmatters.errors import TeachMattersError

SLACK = 1e-6
"""Rounding may carry a value this far over a bound."""


def check_records(spec: AnalysisSpec, metrics: frozenset[str], records: Iterable[Record], model: ModelInfo) -> None:
    """Every value finite and within its bounds, every key allowed and unique, one headline a protocol and layer.

    Raises:
        TeachMattersError: the first thing that is wrong, with metric and layer.
    """
    facts = {metric.name: metric for metric in spec.metrics}
    records = list(records)
    for record in records:
        if record.metric not in metrics:
            _refuse(spec, record, "was not asked for or is not declared")
        _check_value(spec, record, facts[record.metric])
        _check_key(spec, record, facts[record.metric], model)
    _check_unique(spec, records, facts)


def _check_value(spec: AnalysisSpec, record: Record, metric: MetricSpec) -> None:
    low, high = metric.bounds
    if not math.isfinite(record.value):
        _refuse(spec, record, f"is {record.value}: not a number to store")
    if (low is not None and record.value < low - SLACK) or (high is not None and record.value > high + SLACK):
        _refuse(spec, record, f"is {record.value:g}, outside {metric.bounds}")
    if record.std is not None and not math.isfinite(record.std):
        _refuse(spec, record, f"has a deviation of {record.std}")


def _check_key(spec: AnalysisSpec, record: Record, metric: MetricSpec, model: ModelInfo) -> None:
    if not 1 <= record.layer <= model.depth or not 0 <= record.head <= model.heads:
        _refuse(spec, record, f"has head {record.head} in a model of {model.depth} layers and {model.heads} heads")
    if record.protocol not in metric.protocols:
        _refuse(spec, record, f"has the undeclared protocol {record.protocol!r}")
    if (record.head and metric.level != "head") or (record.category and metric.level == "layer"):
        _refuse(spec, record, f"has rows finer than its level, {metric.level!r}")
    if bool(record.other_layer) != (metric.level == "layer-pair"):
        _refuse(spec, record, "has a second layer, or lacks one")


def _check_unique(spec: AnalysisSpec, records: list[Record], facts: dict[str, MetricSpec]) -> None:
    keys = Counter((r.metric, r.protocol, r.layer, r.head, r.other_layer, r.category) for r in records)
    layers = {(r.metric, r.protocol, r.layer, 0, r.other_layer, "") for r in records if facts[r.metric].headline}
    for record in records:
        key = record.metric, record.protocol, record.layer, record.head, record.other_layer, record.category
        if keys[key] > 1:
            _refuse(spec, record, "is recorded twice")
        headline = record.metric, record.protocol, record.layer, 0, record.other_layer, ""
        if headline in layers and not keys[headline]:
            _refuse(spec, record, "has finer rows but no headline row")


def _refuse(spec: AnalysisSpec, record: Record, why: str) -> None:
    where = f"{record.metric} of layer {record.layer}"
    raise TeachMattersError(f"{where} {why}; nothing of this run is stored (a fault of the analysis {spec.name!r})")
