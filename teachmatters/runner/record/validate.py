"""What an analysis hands back is held to what it declared, before a row of it is stored."""

from __future__ import annotations

import math
from collections import Counter
from typing import NoReturn

import numpy as np

from teachmatters.api import AnalysisSpec, MetricSpec, ModelInfo, Record, Result, StoredMap
from teachmatters.errors import TeachMattersError

SLACK = 1e-6
"""Rounding may carry a value this far over a bound."""

UNIT = "unit:"


def check_result(
    spec: AnalysisSpec, metrics: frozenset[str], result: Result, model: ModelInfo, other: ModelInfo
) -> None:
    """Every number finite and within its bounds, every key allowed and unique, one headline a protocol and layer.

    Args:
        spec: the analysis.
        metrics: what was asked of it.
        result: what it computed.
        model: the shape of the model.
        other: the shape of the one that it is compared with, or the same again.

    Raises:
        TeachMattersError: the first thing that is wrong, with metric and layer.
    """
    facts = {metric.name: metric for metric in spec.metrics if metric.name in metrics}
    for record in result.records:
        if record.metric not in facts:
            _refuse(spec, record, "was not asked for or is not declared")
        _check_value(spec, record, facts[record.metric])
        _check_key(spec, record, facts[record.metric], model, other)
    _check_unique(spec, result.records, facts)
    for each in result.maps:
        _check_map(spec, each, facts, model)
    told = {record.metric for record in result.records} | {each.name for each in result.maps}
    silent = sorted(set(facts) - told)
    if silent and not result.notes:
        raise TeachMattersError(f"{spec.name!r} gave neither a number nor a word about {', '.join(silent)}: its fault")


def _check_value(spec: AnalysisSpec, record: Record, metric: MetricSpec) -> None:
    low, high = metric.bounds
    if not math.isfinite(record.value):
        _refuse(spec, record, f"is {record.value}: not a number to store")
    if (low is not None and record.value < low - SLACK) or (high is not None and record.value > high + SLACK):
        _refuse(spec, record, f"is {record.value:g}, outside {metric.bounds}")
    if record.std is not None and not math.isfinite(record.std):
        _refuse(spec, record, f"has a deviation of {record.std}")


def _check_key(spec: AnalysisSpec, record: Record, metric: MetricSpec, model: ModelInfo, other: ModelInfo) -> None:
    pair = metric.level == "layer-pair"
    if not 1 <= record.layer <= model.depth or not 0 <= record.head <= model.heads:
        _refuse(spec, record, f"has head {record.head} in a model of {model.depth} layers and {model.heads} heads")
    if not pair * 1 <= record.other_layer <= pair * other.depth:
        _refuse(spec, record, f"has the other layer {record.other_layer}, where {other.depth} layers are")
    if record.protocol not in metric.protocols:
        _refuse(spec, record, f"has the undeclared protocol {record.protocol!r}")
    if (record.head and metric.level != "head") or (record.category and metric.level == "layer"):
        _refuse(spec, record, f"has rows finer than its level, {metric.level!r}")


def _check_unique(spec: AnalysisSpec, records: list[Record], facts: dict[str, MetricSpec]) -> None:
    keys = Counter((r.metric, r.protocol, r.layer, r.head, r.other_layer, r.category) for r in records)
    for record in records:
        key = record.metric, record.protocol, record.layer, record.head, record.other_layer, record.category
        if keys[key] > 1:
            _refuse(spec, record, "is recorded twice")
        headline = record.metric, record.protocol, record.layer, 0, record.other_layer, ""
        if facts[record.metric].headline and not keys[headline]:
            _refuse(spec, record, "has finer rows but no headline row")


def _check_map(spec: AnalysisSpec, each: StoredMap, facts: dict[str, MetricSpec], model: ModelInfo) -> None:
    metric = facts.get(each.name.removeprefix(UNIT))
    if metric is None or (metric.level == "map") == each.name.startswith(UNIT):
        _refuse(spec, each, "is no map of what was asked for: neither a metric of level 'map' nor unit:<metric>")
    if not 1 <= each.layer <= model.depth or len(each.axes) != each.array.ndim:
        _refuse(spec, each, f"has axes {each.axes} for shape {each.array.shape} in a model of {model.depth} layers")
    if not np.isfinite(each.array).all():
        _refuse(spec, each, "is not finite")
    if each.name.startswith(UNIT) and len(each.units or ()) != each.array.shape[0]:
        _refuse(spec, each, f"names {len(each.units or ())} units for {each.array.shape[0]} scores")


def _refuse(spec: AnalysisSpec, what: Record | StoredMap, why: str) -> NoReturn:
    where = f"{what.metric if isinstance(what, Record) else what.name} of layer {what.layer}"
    raise TeachMattersError(f"{where} {why}; nothing of this run is stored (a fault of the analysis {spec.name!r})")
