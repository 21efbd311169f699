"""Checks that the result of an analysis does not depend on batches and shards."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from teachmatters.api import AnalysisSpec, DatasetSpec, Result
from teachmatters.errors import TeachMattersError
from teachmatters.plugin.checks.metrics import check_metrics
from teachmatters.plugin.checks.probes.guarded import DeclaredParameters
from teachmatters.plugin.checks.probes.trial import Trial
from teachmatters.plugin.findings import CheckFailed, CheckList, CheckSkipped
from teachmatters.registry import load, load_object
from teachmatters.runner.plan.tasks import Task, new_analysis, plan
from teachmatters.runner.requests import AnalyzeRequest

LIMIT = 9  # items, which make several batches of each size with an incomplete last one

SCENES = "scenes"
SMALLER = ("scenes.train=40", "scenes.val=40")

LOOSE = {"rtol": 1e-4, "atol": 1e-7}  # tolerance for sums in another order


def check_analysis(sheet: CheckList, spec: AnalysisSpec) -> None:
    """Check the metrics, and the results on a few images of a small network."""
    check_metrics(sheet, spec)
    if (made := _class(spec)) is not None:
        sheet.home = sheet.package.place_of(made) or sheet.home
    trial, whole = None, None
    with tempfile.TemporaryDirectory() as folder:
        with sheet.check("measures"):
            new_analysis(spec)
            trial = Trial(_task(spec), Path(folder))
            whole = trial.result()
            trial.check(whole)
        if trial is not None and whole is not None and not sheet.not_ok("measures"):
            _compare(sheet, trial, whole)


def _compare(sheet: CheckList, trial: Trial, whole: Result) -> None:
    with sheet.check("batches"):
        for size in (1, 5):
            _same(
                whole, trial.result(batch_size=size), f"in batches of {size}", "its numbers change with the batch size"
            )
    with sheet.check("parts"):
        for parts in (2, 3):
            merged = trial.result(batch_size=3, parts=parts)
            _same(whole, merged, f"merged from {parts} parts", "its numbers change when the states of parts are merged")
        _same(*trial.with_nothing(), "merged with empty states", "an empty state changes the numbers")
    with sheet.check("order of arrival"):
        if trial.grouped:
            raise CheckSkipped("its items come in groups, and so in their own order")
        backwards = trial.result(batch_size=4, backwards=True)
        _same(whole, backwards, "last to first", "its numbers depend on the order in which images arrive")
    with sheet.check("tensors"):
        told = "it keeps a tensor that it received, or a view of it, which is invalid after its layer: copy it"
        _same(whole, trial.result(guarded=True), "when the tensors are gone", told)
    with sheet.check("other models"):
        trial.of_other_shape()


def _class(spec: AnalysisSpec) -> Any:
    try:
        return load_object(spec.factory)
    except TeachMattersError:
        return None


def _task(spec: AnalysisSpec) -> Task:
    """Build a task of the analysis on its default data if they are bundled, else on the bundled scenes.

    Raises:
        CheckSkipped: it can use no bundled data set.
    """
    registry = load()
    if registry.analyses.get(spec.name) is not spec:
        raise CheckSkipped("its name is taken, so nothing can select it ('tm plugins' shows by whom)")
    for name in dict.fromkeys((spec.default_data, SCENES)):
        data = registry.datasets.get(name)
        if data is not None and data.bundled and spec.metrics_on(data.kinds):
            (task,), _ = plan(registry, _request(spec, data))
            return dataclasses.replace(task, parameters=DeclaredParameters(task.parameters))
    raise CheckSkipped(f"no bundled data set offers {' or '.join(spec.kinds)}")


def _request(spec: AnalysisSpec, data: DatasetSpec) -> AnalyzeRequest:
    return AnalyzeRequest(
        models=["trial"],
        metrics=[spec.name],
        db=Path("unused.db"),
        data=[data.name],
        limit=LIMIT,
        parameters=SMALLER if data.name == SCENES else (),
    )


def _same(one: Result, other: Result, how: str, told: str) -> None:
    """Check that two results are equal; the error describes the first difference."""
    rows, others = _rows(one), _rows(other)
    for key in rows.keys() | others.keys():
        if key not in rows or key not in others:
            raise CheckFailed(f"{told}: {_named(key)} is {'not ' if key in rows else ''}recorded {how}")
    for key, values in rows.items():
        if not np.allclose(values, others[key], equal_nan=True, **LOOSE):
            raise CheckFailed(f"{told}: {_named(key)} is {values[0]:.6g}, and {others[key][0]:.6g} {how}")
    arrays, other_arrays = _arrays(one), _arrays(other)
    for name, array in arrays.items():
        if name not in other_arrays or array.shape != other_arrays[name].shape:
            raise CheckFailed(f"{told}: the map {name[0]} of layer {name[1]} has another shape {how}")
        if not np.allclose(array, other_arrays[name], equal_nan=True, **LOOSE):
            raise CheckFailed(f"{told}: the map {name[0]} of layer {name[1]} holds other numbers {how}")


def _rows(result: Result) -> Mapping[tuple[Any, ...], list[float]]:
    """Return value, standard deviation and count of each row; missing ones are NaN."""
    nan = float("nan")
    return {
        (r.metric, r.protocol, r.layer, r.head, r.other_layer, r.category): [
            r.value, nan if r.std is None else r.std, nan if r.n is None else r.n
        ]
        for r in result.records
    }  # fmt: skip


def _arrays(result: Result) -> Mapping[tuple[str, int], Any]:
    return {(each.name, each.layer): np.asarray(each.array, dtype=float) for each in result.maps}


def _named(key: tuple[Any, ...]) -> str:
    metric, protocol, layer, head, other, category = key
    parts = [f"head {head}" * bool(head), f"other layer {other}" * bool(other), category, protocol]
    return ", ".join([f"{metric} of layer {layer}", *filter(None, parts)])
