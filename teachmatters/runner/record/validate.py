"""Checks the result of an analysis against its declaration before any row is stored."""

from __future__ import annotations

import math
from collections import Counter
from typing import NoReturn

import numpy as np

from teachmatters.api import AnalysisSpec, MetricSpec, ModelInfo, Record, Result, StoredMap
from teachmatters.errors import TeachMattersError

SLACK = 1e-6  # rounding may carry a value this far over a bound


def check_result(
    spec: AnalysisSpec, metrics: frozenset[str], result: Result, model: ModelInfo, other: ModelInfo
) -> None:
    """Check that values are finite and within bounds, keys are allowed and unique, and headline rows are complete.

    Args:
        spec: the analysis.
        metrics: the metrics that were requested.
        result: the result of the analysis.
        model: the shape of the model.
        other: the shape of the model that it is compared with, else the same shape.

    Raises:
        TeachMattersError: the first problem, with metric and layer.
    """
    specs = {metric.name: metric for metric in spec.metrics if metric.name in metrics}
    for record in result.records:
        if record.metric not in specs:
            _refuse(spec, record, "was not requested or is not declared")
        _check_value(spec, record, specs[record.metric])
        _check_key(spec, record, specs[record.metric], model, other)
    _check_unique(spec, result.records, specs)
    for stored_map in result.maps:
        _check_map(spec, stored_map, specs, model)
    returned = {record.metric for record in result.records} | {stored_map.name for stored_map in result.maps}
    absent = sorted(set(specs) - returned)
    if absent and not result.notes:
        raise TeachMattersError(
            f"the analysis {spec.name!r} returned no value and no note for {', '.join(absent)}; this is a bug in the "
            "analysis"
        )


def _check_value(spec: AnalysisSpec, record: Record, metric: MetricSpec) -> None:
    low, high = metric.bounds
    if not math.isfinite(record.value):
        _refuse(spec, record, f"is {record.value}, which cannot be stored")
    if (low is not None and record.value < low - SLACK) or (high is not None and record.value > high + SLACK):
        _refuse(spec, record, f"is {record.value:g}, outside {metric.bounds}")
    if record.std is not None and not math.isfinite(record.std):
        _refuse(spec, record, f"has a standard deviation of {record.std}")


def _check_key(spec: AnalysisSpec, record: Record, metric: MetricSpec, model: ModelInfo, other: ModelInfo) -> None:
    pair = metric.level == "layer-pair"
    if not 1 <= record.layer <= model.depth or not 0 <= record.head <= model.heads:
        _refuse(spec, record, f"has head {record.head} in a model of {model.depth} layers and {model.heads} heads")
    if not pair * 1 <= record.other_layer <= pair * other.depth:
        _refuse(spec, record, f"has the other layer {record.other_layer} in a model of {other.depth} layers")
    if record.protocol not in metric.protocols:
        _refuse(spec, record, f"has the undeclared protocol {record.protocol!r}")
    if (record.head and metric.level != "head") or (record.category and metric.level == "layer"):
        _refuse(spec, record, f"has rows finer than its level, {metric.level!r}")


def _check_unique(spec: AnalysisSpec, records: list[Record], specs: dict[str, MetricSpec]) -> None:
    keys = Counter((r.metric, r.protocol, r.layer, r.head, r.other_layer, r.category) for r in records)
    for record in records:
        key = record.metric, record.protocol, record.layer, record.head, record.other_layer, record.category
        if keys[key] > 1:
            _refuse(spec, record, "is recorded twice")
        headline = record.metric, record.protocol, record.layer, 0, record.other_layer, ""
        if specs[record.metric].headline and not keys[headline]:
            _refuse(spec, record, "has finer rows but no headline row")


def _check_map(spec: AnalysisSpec, stored: StoredMap, specs: dict[str, MetricSpec], model: ModelInfo) -> None:
    metric, shape = specs.get(stored.metric), stored.array.shape
    if metric is None or (metric.level == "map") == stored.of_units:
        _refuse(
            spec,
            stored,
            "was not requested: it is neither a metric of level 'map' nor unit:<metric> or pseudo:<metric>",
        )
    if not 1 <= stored.layer <= model.depth or len(stored.axes) != stored.array.ndim:
        _refuse(spec, stored, f"has axes {stored.axes} for shape {shape} in a model of {model.depth} layers")
    if not np.isfinite(stored.array).all():
        _refuse(spec, stored, "is not finite")
    if stored.of_units and len(stored.units or ()) != shape[0]:
        _refuse(spec, stored, f"names {len(stored.units or ())} units for {shape[0]} scores")


def _refuse(spec: AnalysisSpec, stored: Record | StoredMap, problem: str) -> NoReturn:
    where = f"{stored.metric if isinstance(stored, Record) else stored.name} of layer {stored.layer}"
    raise TeachMattersError(f"{where} {problem}; nothing of this run is stored (a bug in the analysis {spec.name!r})")
