"""Tests of results that an analysis may not return."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from teachmatters.api import AnalysisSpec, MetricSpec, ModelInfo, Record, Result, StoredMap
from teachmatters.errors import TeachMattersError
from teachmatters.runner.record.validate import check_result


def info(depth: int) -> ModelInfo:
    return ModelInfo(
        arch="toy", depth=depth, heads=2, width=8, patch_size=8, image_size=32, grid=(4, 4), class_token=True,
        registers=0, mean=(0.5,) * 3, std=(0.5,) * 3,
    )  # fmt: skip


SPEC = AnalysisSpec(
    name="some",
    summary="",
    factory="",
    metrics=(
        MetricSpec(name="plain", title="", summary="", bounds=(0.0, 1.0)),
        MetricSpec(name="headed", title="", summary="", level="head"),
        MetricSpec(name="paired", title="", summary="", level="layer-pair"),
        MetricSpec(name="typed", title="", summary="", level="head", headline=False),
        MetricSpec(name="drawn", title="", summary="", level="map", headline=False),
        MetricSpec(name="unasked", title="", summary=""),
    ),
)
ASKED = frozenset({"plain", "headed", "paired", "typed", "drawn"})


def row(metric: str = "plain", layer: int = 1, value: float = 0.5, **more: Any) -> Record:
    return Record(metric=metric, layer=layer, value=value, **more)


def array(name: str = "drawn", layer: int = 1, **more: Any) -> StoredMap:
    return StoredMap(**{"name": name, "layer": layer, "axes": ("unit",), "array": np.zeros(2), **more})


def check(records: list[Record] = (), maps: list[StoredMap] = (), **notes: str) -> None:  # type: ignore[assignment]
    result = Result(records=list(records), maps=list(maps), notes={"all": "said", **notes})
    check_result(SPEC, ASKED, result, info(3), info(2))


def test_a_valid_result_passes() -> None:
    check([row(), row("headed"), row("headed", head=2), row("typed", head=1, category="local")])
    check([row("paired", layer=3, other_layer=2)], [array(), array("unit:plain", units=("a", "b"))])
    check([row(value=1 + 1e-7)])


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (row("unasked"), "was not requested"),
        (row("nameless"), "was not requested"),
        (row(value=float("nan")), "cannot be stored"),
        (row(value=float("inf")), "cannot be stored"),
        (row(value=1.1), "outside"),
        (row(value=-0.1), "outside"),
        (row(std=float("nan")), "has a standard deviation of nan"),
        (row(layer=0), "in a model of 3 layers"),
        (row(layer=4), "in a model of 3 layers"),
        (row("headed", head=3), "and 2 heads"),
        (row(head=1), "finer than its level"),
        (row(category="x"), "finer than its level"),
        (row(protocol="official"), "undeclared protocol"),
        (row("paired", other_layer=3), "other layer 3 in a model of 2 layers"),
        (row("paired"), "other layer 0"),
        (row(other_layer=1), "other layer 1"),
        (row("headed", head=1), "no headline row"),
    ],
)
def test_invalid_records_are_errors(record: Record, words: str) -> None:
    with pytest.raises(TeachMattersError, match=words):
        check([record])


def test_nothing_is_recorded_twice() -> None:
    with pytest.raises(TeachMattersError, match="recorded twice"):
        check([row(), row(value=0.6)])


@pytest.mark.parametrize(
    ("each", "words"),
    [
        (array("plain"), "was not requested: it is neither"),
        (array("unit:drawn"), "was not requested: it is neither"),
        (array("unit:unasked"), "was not requested: it is neither"),
        (array(layer=4), "in a model of 3 layers"),
        (array(axes=("y", "x")), "has axes"),
        (array(array=np.array([0, np.nan])), "is not finite"),
        (array("unit:plain"), "names 0 units for 2 scores"),
        (array("unit:plain", units=("a",)), "names 1 units for 2 scores"),
    ],
)
def test_invalid_maps_are_errors(each: StoredMap, words: str) -> None:
    with pytest.raises(TeachMattersError, match=words):
        check(maps=[each])


def test_a_missing_metric_needs_a_note() -> None:
    with pytest.raises(TeachMattersError, match="no value and no note for drawn, headed, paired, typed"):
        check_result(SPEC, ASKED, Result(records=[row()]), info(3), info(3))
    check([row()])
