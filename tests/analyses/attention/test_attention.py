"""Tests of the attention analysis on given attention: numbers and maps against loops over images."""

from __future__ import annotations

import dataclasses
import errno
import math
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from teachmatters.analyses.attention import attention_reduction
from teachmatters.analyses.attention.attention import AttentionAnalysis
from teachmatters.analyses.attention.attention_specs import ATTENTION
from teachmatters.analyses.attention.class_maps import ClassMaps, class_deviation, merge_class_maps
from teachmatters.api import Batch, Context, Item, ModelInfo, Result, Role, Row
from teachmatters.measures.attention import compiled
from teachmatters.measures.attention.totals import AttentionTotals
from tests import oracles
from tests.toys import ToyData

pytestmark = pytest.mark.xdist_group("compiled")  # one process compiles

MAPS = {metric.name for metric in ATTENTION.metrics if metric.level == "map"}
METRICS = frozenset(metric.name for metric in ATTENTION.metrics)
OF_HEADS = frozenset(metric for metric in METRICS if metric.startswith("attn-head-") and metric != "attn-head-std")
OF_CLASS = frozenset({"attn-on-cls", "attn-map-cls"})
IMAGES, LAYERS, HEADS = 5, 2, 3
LABELS = (0, 2, 0, 3, 2)  # no image of class 1


@pytest.fixture(autouse=True, params=[0, math.inf], ids=["compiled", "in blocks"])
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_reduction, "COMPILED_FROM", request.param)


def info(
    grid: tuple[int, int] = (2, 3), registers: int = 4, heads: int = HEADS, *, class_token: bool = True
) -> ModelInfo:
    return ModelInfo(
        arch="ViT-Ti/8", depth=LAYERS, heads=heads, width=8, patch_size=8, image_size=32, grid=grid, mean=(0.5,) * 3,
        std=(0.5,) * 3, class_token=class_token, registers=registers,
    )  # fmt: skip


def attention_of(model: ModelInfo, images: int = IMAGES) -> torch.Tensor:
    """(layers, images, H, T, T), one row of it all on the class token."""
    shape = LAYERS, images, model.heads, model.tokens, model.tokens
    attention = (2 * torch.randn(shape, generator=torch.Generator().manual_seed(7))).softmax(dim=-1)
    if model.class_token:
        attention[1, -1, 0, -1] = torch.eye(model.tokens)[0]
    return attention


def measured(
    model: ModelInfo, attention: torch.Tensor, metrics: frozenset[str] = METRICS, batch: int = 2, first: int = 0
) -> Result:
    metrics = metrics if model.class_token else metrics - OF_CLASS
    analysis = AttentionAnalysis()
    items: dict[Role, list[Item]] = {"all": [Item(str(i), 0, label=LABELS[i % 5]) for i in range(20)]}
    analysis.start(
        Context(
            model=model, metrics=metrics, parameters={}, items=items, dataset=ToyData(20), device=torch.device("cpu")
        )
    )
    for start in range(0, attention.shape[1], batch):
        for layer, values in enumerate(attention[:, start : start + batch], start=1):
            rows = [Row(first + start + i, model.grid, None, {}) for i in range(len(values))]
            analysis.update(layer, "attention", Batch(values, rows, "all"))
    return analysis.compute(analysis.state())


def rows(result: Result, metric: str) -> dict[tuple[int, int], Any]:
    """Value and std by layer and head."""
    return {(r.layer, r.head): (r.value, r.std) for r in result.records if r.metric == metric}


def expected(
    model: ModelInfo, attention: NDArray[np.float64], metric: str
) -> dict[tuple[int, int], tuple[float, float]]:
    """Mean and deviation over images of each head's number and of their mean (head 0)."""
    patches = model.grid[0] * model.grid[1]
    number: Callable[[Any], float] = {
        "attn-distance": lambda head: oracles.attention_distance(head, model.grid),
        "attn-on-cls": lambda head: float(head[-patches:, 0].mean()),
        "attn-on-registers": lambda head: float(head[-patches:, int(model.class_token) : -patches].sum() / patches),
        "attn-position-std": lambda head: oracles.position_deviation(head, patches),
        "attn-entropy": lambda head: oracles.attention_entropy(head, patches),
    }[metric]
    found = {}
    for layer, images in enumerate(attention, start=1):
        numbers = np.array([[number(head) for head in image] for image in images])
        for head, of in enumerate([numbers.mean(axis=1), *numbers.T]):
            found[layer, head] = float(of.mean()), float(of.std(ddof=1))
    return found


@pytest.mark.parametrize(
    "model",
    [
        info(),
        info((3, 2), registers=0),
        info((2, 2), registers=0, class_token=False),
        info((2, 2), registers=2, class_token=False),
    ],
    ids=["both", "class token", "bare", "registers"],
)
def test_numbers_of_every_head_and_their_spread_over_images(model: ModelInfo) -> None:
    attention = attention_of(model)
    result = measured(model, attention)
    for metric in ("attn-distance", "attn-on-cls", "attn-on-registers", "attn-position-std", "attn-entropy"):
        if (metric in OF_CLASS and not model.class_token) or (metric == "attn-on-registers" and not model.registers):
            assert not rows(result, metric)
            continue
        wanted, found = expected(model, attention.double().numpy(), metric), rows(result, metric)
        assert found.keys() == wanted.keys()
        for key, values in wanted.items():
            assert found[key] == pytest.approx(values, rel=1e-4, abs=1e-7), (metric, key)
    assert {r.n for r in result.records if r.metric not in ("attn-nmi", "attn-map-class-std")} == {IMAGES}
    left_out = "attn-nmi: images left out of a head because a row has no mass"
    assert result.notes == ({"attention rows without mass": 1, left_out: 1} if model.class_token else {})


@pytest.mark.parametrize("model", [info(), info((3, 2), registers=0, class_token=False)], ids=["a", "bare"])
def test_mutual_information_leaves_out_images_with_a_row_without_mass(model: ModelInfo) -> None:
    attention = attention_of(model)
    found = {(r.layer, r.head): r for r in measured(model, attention).records if r.metric == "attn-nmi"}
    for layer, images in enumerate(attention.double().numpy(), start=1):
        each = np.array([[oracles.normalised_information(head, 6) for head in image] for image in images])
        assert np.isnan(each).sum() == (layer == 2 and model.class_token)
        for head, values in enumerate([np.nanmean(each, axis=1), *each.T]):
            there = values[~np.isnan(values)]
            record = found[layer, head]
            assert [record.value, record.std] == pytest.approx([there.mean(), there.std(ddof=1)], rel=1e-4)
            assert record.n == len(there)


def test_deviation_over_classes_equals_the_loop() -> None:
    model = info()
    attention = attention_of(model)
    found = {(r.layer, r.head): r for r in measured(model, attention).records if r.metric == "attn-map-class-std"}
    for layer, images in enumerate(attention.double().numpy(), start=1):
        maps = np.array([[oracles.pure_map(head, 6) for head in image] for image in images])
        means = [maps[[i for i, label in enumerate(LABELS) if label == kind]].mean(axis=0) for kind in (0, 2, 3)]
        expected = np.std(means, axis=0, ddof=1).mean(axis=-1)
        for head, value in enumerate([expected.mean(), *expected]):
            assert found[layer, head].value == pytest.approx(value, rel=1e-5)
            assert (found[layer, head].std, found[layer, head].n) == (None, 3)


@pytest.mark.parametrize("cuts", [(), (3,), (2, 5)])
def test_the_maps_of_a_complete_class_are_freed(cuts: tuple[int, ...]) -> None:
    labels, maps = [0, 0, 2, 2, 3, 2, 5], torch.rand(2, 7, 3, 6, dtype=torch.float64)
    states = []
    for start, end in pairwise((0, *cuts, 7)):
        running = ClassMaps(Counter(labels) + Counter([5]), (2, 3, 6), torch.device("cpu"))  # an image cannot be read
        for place in range(start, end, 2):
            for layer, of_layer in enumerate(maps, start=1):
                running.add(layer, labels[place : min(place + 2, end)], of_layer[place : min(place + 2, end)])
        states.append(running.state())
    if not cuts:
        assert (states[0]["classes/complete"], np.asarray(states[0]["classes/labels"]).tolist()) == (3, [5])
    found, classes = class_deviation(merge_class_maps(states))
    means = np.array(
        [maps[:, [i for i, each in enumerate(labels) if each == c]].mean(dim=1).numpy() for c in (0, 2, 3, 5)]
    )
    assert classes == 4
    assert found is not None
    np.testing.assert_allclose(found, np.std(means, axis=0, ddof=1).mean(axis=-1), rtol=1e-12)


def test_images_of_one_class_have_no_deviation_over_classes() -> None:
    result = measured(info(), attention_of(info(), images=1), frozenset({"attn-map-class-std"}))
    assert result.notes["attn-map-class-std"] == "a deviation over classes needs at least two classes with images"


def test_the_deviation_over_heads_is_one_number_per_layer() -> None:
    attention = attention_of(info())
    found = rows(measured(info(), attention), "attn-head-std")
    for layer, images in enumerate(attention.double().numpy(), start=1):
        each = [oracles.head_deviation(image, 6) for image in images]
        assert found.pop((layer, 0)) == pytest.approx((np.mean(each), np.std(each, ddof=1)), rel=1e-4)
    assert not found


@pytest.mark.parametrize("model", [info(), info((3, 3), registers=0, class_token=False)], ids=["rectangle", "bare"])
def test_maps_are_means_over_images(model: ModelInfo) -> None:
    attention = attention_of(model)
    result = measured(model, attention)
    assert {m.name for m in result.maps} == (MAPS if model.class_token else MAPS - OF_CLASS)
    for stored in result.maps:
        each = attention[stored.layer - 1].double().numpy()
        spatial = each[:, :, model.prefix :]
        aligned = np.mean([[oracles.aligned_map(head, model.grid) for head in image] for image in each], axis=0)
        pure = np.mean([[oracles.spatial_rows(head, model.grid) for head in image] for image in each], axis=(0, 2))
        wanted = {
            "attn-map-all": each.mean(axis=(0, 2)),
            "attn-map-cls": each[:, :, 0].mean(axis=0),
            "attn-map-spatial": spatial.mean(axis=(0, 2)),
            "attn-map-spatial-pure": pure.reshape(HEADS, *model.grid),
            "attn-map-aligned": aligned,
        }[stored.name]
        assert stored.array.dtype == np.float32
        np.testing.assert_allclose(stored.array.astype(np.float64), wanted, rtol=1e-4, err_msg=stored.name)
        assert stored.axes == (("head", "token") if stored.array.ndim == 2 else ("head", "y", "x"))


def test_the_offset_is_computed_from_the_mean_map() -> None:
    attention = attention_of(info())
    result = measured(info(), attention)
    found = {metric: rows(result, metric) for metric in ("attn-offset-x", "attn-offset-y", "attn-offset")}
    for layer, images in enumerate(attention.double().numpy(), start=1):
        maps = np.mean([[oracles.aligned_map(head, (2, 3)) for head in image] for image in images], axis=0)
        offsets = np.array([oracles.attention_offset(head) for head in maps])
        for head, (x, y) in enumerate(offsets, start=1):
            both = [found[f"attn-offset-{axis}"][layer, head] for axis in "xy"]
            assert both == [(pytest.approx(x, abs=1e-6), None), (pytest.approx(y, abs=1e-6), None)]
        lengths = np.hypot(*offsets.T)
        assert found["attn-offset"][layer, 0] == (pytest.approx(lengths.mean(), rel=1e-5), None)


@pytest.mark.parametrize("batch", [1, 3])
def test_any_batches_give_the_same_numbers(batch: int) -> None:
    """Batches of one image have images of odd index alone."""
    attention = attention_of(info())
    assert_equal_results(measured(info(), attention, batch=batch), measured(info(), attention, batch=IMAGES))


def assert_equal_results(one: Result, other: Result) -> None:
    assert one.notes == other.notes
    for ours, theirs in zip(one.records, other.records, strict=True):
        assert dataclasses.replace(ours, value=0, std=0) == dataclasses.replace(theirs, value=0, std=0)
        assert (ours.value, ours.std) == pytest.approx((theirs.value, theirs.std), rel=1e-5, abs=1e-7)
    for our_map, their_map in zip(one.maps, other.maps, strict=True):
        ours_array, theirs_array = (each.array.astype(np.float64) for each in (our_map, their_map))
        np.testing.assert_allclose(ours_array, theirs_array, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(("weights", "used"), [(20, True), (21, False)])
def test_large_runs_use_compiled_code(weights: int, used: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model, calls = info(), list[torch.Size]()
    monkeypatch.setattr(attention_reduction, "COMPILED_FROM", weights * LAYERS * HEADS * model.tokens**2)
    totals = compiled.compiled_totals

    def watched(attention: torch.Tensor, *others: Any) -> AttentionTotals:
        calls.append(attention.shape)
        return totals(attention, *others)

    monkeypatch.setattr(compiled, "compiled_totals", watched)
    measured(model, attention_of(model), batch=IMAGES)  # of a run of 20 images
    assert calls == ([(IMAGES, HEADS, 11, 11)] * LAYERS if used else [])


def test_a_full_disk_that_cannot_keep_compiled_code_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_reduction, "COMPILED_FROM", math.inf)
    expected, calls = measured(info(), attention_of(info())), []

    def full(*_: object) -> None:
        calls.append(1)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(attention_reduction, "COMPILED_FROM", 0)
    monkeypatch.setattr(compiled, "compiled_totals", full)
    assert_equal_results(measured(info(), attention_of(info())), expected)
    assert len(calls) == 1, "it is not tried again"


def test_only_requested_metrics_are_recorded() -> None:
    for metric in METRICS:
        result = measured(info(), attention_of(info()), frozenset({metric}))
        assert {r.metric for r in result.records} | {m.name for m in result.maps} == {metric}


def test_head_types_compare_images_of_even_and_of_odd_index() -> None:
    model = info((8, 8), registers=0)
    look = torch.eye(65).expand(LAYERS, 2, HEADS, 65, 65).clone()
    agreeing = measured(model, look, OF_HEADS)
    assert {(r.layer, r.head, r.category, r.value) for r in agreeing.records if r.metric == "attn-head-type"} == {
        (layer, head, "self", 1.0) for layer in (1, 2) for head in (1, 2, 3)
    }
    look[:, 1, 0] = 1 / 65  # the second image's first head looks everywhere
    found = {(r.metric, r.layer, r.head): r for r in measured(model, look, OF_HEADS).records}
    centre = 64 / 64**2  # of even attention, the share that stays at home: all that both halves have in common
    share, agreement = found["attn-head-share", 1, 1].value, found["attn-head-agreement", 1, 1].value
    assert share == pytest.approx((1 + centre) / 2, rel=1e-5)
    assert agreement == pytest.approx(centre, rel=1e-5)
    assert found["attn-head-type", 1, 1].category == "self"
    assert found["attn-head-type", 1, 1].value == pytest.approx(share * agreement)
    assert found["attn-head-margin", 1, 1].value == pytest.approx((1 + centre) / 2 - 0.5, rel=1e-4)
    assert found["attn-head-share", 1, 0].value == pytest.approx((share + 2) / 3), "the mean over heads"
    assert ("attn-head-type", 1, 0) not in found


def test_the_offset_of_a_head_is_in_patches() -> None:
    model = dataclasses.replace(info((8, 8), registers=0), class_token=False)
    right = torch.zeros(64, 64)
    for query in range(64):
        right[query, query + 2 if query % 8 < 6 else query] = 1
    result = measured(model, right.expand(LAYERS, 2, HEADS, 64, 64), OF_HEADS)
    assert rows(result, "attn-head-offset-x")[2, 3][0] == pytest.approx(1.5), "a quarter has no second to the right"
    assert rows(result, "attn-head-offset-y")[2, 0][0] == pytest.approx(0)


def test_a_single_image_has_no_halves_to_compare() -> None:
    result = measured(info(), attention_of(info(), images=1), OF_HEADS | {"attn-distance"})
    assert {r.metric for r in result.records} == {"attn-distance"}
    assert {r.std for r in result.records} == {None}
    assert "types of heads" in result.notes


def test_one_head_or_one_patch_has_no_deviation_and_a_note() -> None:
    lonely = info(heads=1)
    result = measured(lonely, attention_of(lonely))
    assert "attn-head-std" in result.notes
    assert not rows(result, "attn-head-std")
    tiny = info((1, 1))
    result = measured(tiny, attention_of(tiny))
    assert "attn-position-std" in result.notes
    assert not rows(result, "attn-position-std")


def test_a_head_that_attends_to_no_patch_has_no_offset_and_no_type() -> None:
    model = dataclasses.replace(info(), registers=0)
    attention = torch.full((LAYERS, 2, HEADS, 7, 7), 1 / 7)
    attention[0, :, 1] = torch.eye(7)[0]
    result = measured(model, attention)
    assert (1, 2) not in rows(result, "attn-offset-x")
    assert (1, 2) not in rows(result, "attn-head-type")
    assert rows(result, "attn-offset")[1, 0][0] == pytest.approx(0, abs=1e-6)
    assert result.notes["heads that attend to no patch, without offset and type"] == 1
    assert result.notes["attention rows without mass"] == 2 * 6
