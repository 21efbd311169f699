"""Converts a run and its result to rows of the tables."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np

from teachmatters.api import MetricSpec, Record, Result, StoredMap
from teachmatters.errors import TeachMattersError, listing
from teachmatters.store.public import LARGEST
from teachmatters.store.run import ModelRow, Run, canonical, lenient


def check(run: Run, result: Result) -> None:
    """Check a result against the declaration of its analysis before anything is written.

    Raises:
        TeachMattersError: a value is not finite, above 1e100 or recorded twice, a metric or protocol is not declared,
            or an array does not match its axes or is recorded twice.
    """
    declared = {spec.name: spec.protocols for spec in run.metrics}
    keys = set()
    for record in result.records:
        if record.protocol not in declared.get(record.metric, ()):
            what = f"{record.metric!r}, protocol {record.protocol!r}"
            raise TeachMattersError(f"{run.cell.analysis} recorded {what}; it may record {listing(declared)}")
        for name, number in (("value", record.value), ("std", record.std)):
            if number is not None and not abs(float(number)) <= LARGEST:
                raise TeachMattersError(f"{name} of {_shown(record)} is {number}. Nothing of this run was stored")
        keys.add(_key(record))
    if len(keys) < len(result.records):
        raise TeachMattersError(f"{run.cell.analysis} recorded the same number twice. Nothing of this run was stored")
    _check_maps(run, result)


def _check_maps(run: Run, result: Result) -> None:
    for stored in result.maps:
        if stored.array.dtype.hasobject or len(stored.axes) != stored.array.ndim:
            raise TeachMattersError(
                f"map {stored.name!r}, layer {stored.layer}: an array of {stored.array.dtype} with shape "
                f"{stored.array.shape} cannot be stored with the axes {','.join(stored.axes)}"
            )
    if len({(stored.name, stored.layer) for stored in result.maps}) < len(result.maps):
        raise TeachMattersError(f"{run.cell.analysis} made the same map twice. Nothing of this run was stored")


def model_values(model: ModelRow) -> dict[str, Any]:
    """Return the columns of ``models``."""
    values = asdict(model)
    del values["label"]
    return values


def metric_values(analysis: str, spec: MetricSpec) -> dict[str, Any]:
    """Return the columns of ``metrics``."""
    names = ("name", "title", "summary", "unit", "higher_is_better", "level", "headline", "source")
    facts = {name: getattr(spec, name) for name in names}
    facts.update(analysis=analysis, main_protocol=next(iter(spec.protocols), ""))
    lower, upper = (None if bound is None or abs(bound) > LARGEST else bound for bound in spec.bounds)
    return {"lower": lower, "upper": upper, **facts}


def run_values(run: Run, model_id: int, other_model_id: int | None) -> dict[str, Any]:
    """Return the columns of ``run_facts``."""
    cell = run.cell
    same = ("model", "other_model", "dataset", "split", "fingerprint", "analysis", "analysis_version", "seed", "dtype")
    return {
        **{name: getattr(cell, name) for name in same},
        **{name: getattr(run, name) for name in ("run_id", "setting", "device", "git_commit")},
        "cell_key": cell.key(),
        "model_id": model_id,
        "other_model_id": other_model_id,
        "parameters": canonical(dict(cell.parameters)),
        "limit_n": cell.limit,
        "n_items": int(run.n_items),
        "n_skipped": int(run.n_skipped),
        "notes": lenient(dict(run.notes)),
        "versions": lenient(dict(run.versions)),
        "started_at": _moment(run.started_at),
        "finished_at": _moment(run.finished_at),
        "seconds": float(run.seconds),
        "elapsed": (run.finished_at - run.started_at).total_seconds(),
    }


def recorded_rows(run: Run, run_id: int, metrics: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the rows of ``recorded``: every metric and protocol, including those without a value."""
    fixed = {"run_id": run_id, "other_model": run.cell.other_model, "is_newest": True}
    return [
        {**fixed, "metric_id": metrics[spec.name], "protocol": protocol}
        for spec in run.metrics
        for protocol in spec.protocols
    ]


def number_rows(run: Run, run_id: int, metrics: Mapping[str, int], result: Result) -> list[dict[str, Any]]:
    """Return the rows of ``records`` in the order of the primary key."""
    names = ("layer", "head", "other_layer")
    return [
        {
            "run_id": run_id,
            "metric_id": metrics[record.metric],
            "protocol": record.protocol,
            **{name: int(getattr(record, name)) for name in names},
            "other_model": run.cell.other_model,
            "category": record.category,
            "value": float(record.value),
            "std": None if record.std is None else float(record.std),
            "n": None if record.n is None else int(record.n),
        }
        for record in sorted(result.records, key=_key)
    ]


def unit_lists(result: Result) -> set[tuple[str, ...]]:
    """Return the lists of unit names of the arrays, each once."""
    return {stored.units for stored in result.maps if stored.units is not None}


def unit_values(units: tuple[str, ...]) -> dict[str, Any]:
    """Return the columns of ``unit_lists``."""
    text = canonical(units)
    return {"sha256": hashlib.sha256(text.encode()).hexdigest(), "units": text}


def array_rows(run_id: int, lists: Mapping[tuple[str, ...], int], result: Result) -> list[dict[str, Any]]:
    """Return the rows of ``map_arrays``; ``lists`` holds the ids of the unit lists."""
    return [
        {
            "run_id": run_id,
            "unit_list_id": None if stored.units is None else lists[stored.units],
            **_array_values(stored),
        }
        for stored in result.maps
    ]


def _array_values(stored: StoredMap) -> dict[str, Any]:
    file = io.BytesIO()
    np.save(file, stored.array, allow_pickle=False)
    return {
        "name": stored.name,
        "layer": int(stored.layer),
        "axes": ",".join(stored.axes),
        "shape": ",".join(map(str, stored.array.shape)),
        "dtype": stored.array.dtype.name,
        "data": file.getvalue(),
    }


def _key(record: Record) -> tuple[str, str, int, int, int, str]:
    return (record.metric, record.protocol, record.layer, record.head, record.other_layer, record.category)


def _shown(record: Record) -> str:
    parts = {"layer": record.layer, "head": record.head, "other layer": record.other_layer, "category": record.category}
    return ", ".join([record.metric, *(f"{name} {value}" for name, value in parts.items() if value)])


def _moment(moment: datetime) -> str:
    """Return ISO text in UTC of fixed width, so that texts sort as times do."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
