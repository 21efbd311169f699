"""Tests of attention against masks, on single batches and in whole passes over COCO and PartImageNet."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from pycocotools.coco import COCO

from teachmatters.analyses.attention.attention_iou import AttentionIoUAnalysis
from teachmatters.analyses.attention.mask_specs import ATTENTION_IOU
from teachmatters.api import Batch, Context, Crop, Item, Mask, ModelInfo, Result, Row
from teachmatters.errors import TeachMattersError
from teachmatters.measures.attention.iou import Reader
from tests import annotated, measuring
from tests import mask_oracles as oracles
from tests.toys import ToyData

CPU = torch.device("cpu")
EVERY = frozenset(metric.name for metric in ATTENTION_IOU.metrics)
DEPTH, HEADS = 2, 3


def info(grid: tuple[int, int], registers: int = 0, *, class_token: bool = True) -> ModelInfo:
    return ModelInfo(
        arch="ViT", depth=DEPTH, heads=HEADS, width=6, patch_size=8, image_size=8 * grid[0], grid=grid,
        class_token=class_token, registers=registers, mean=(0.5,) * 3, std=(0.5,) * 3,
    )  # fmt: skip


def started(model: ModelInfo, count: int, metrics: frozenset[str] = EVERY, mass: float = 0.6) -> AttentionIoUAnalysis:
    analysis = AttentionIoUAnalysis()
    items: Any = {"all": [Item(f"image {i}", 0) for i in range(count)]}
    analysis.start(
        Context(
            model=model, metrics=metrics, parameters={"mass": mass}, items=items, dataset=ToyData(count), device=CPU
        )
    )
    return analysis


def drawn(model: ModelInfo, count: int, objects: Sequence[int]) -> tuple[torch.Tensor, list[list[NDArray[np.uint8]]]]:
    """Random attention (image, layer, head, query, key), and so many random objects on the grid for each image."""
    rng = np.random.default_rng(model.tokens)
    shape = count, DEPTH, HEADS, model.tokens, model.tokens
    attention = torch.from_numpy(3 * rng.standard_normal(shape)).softmax(dim=-1).float()
    masks = [[(rng.random(model.grid) < 0.4).astype(np.uint8) * 90 for _ in range(n)] for n in objects]
    return attention, masks


def input_spec(
    analysis: AttentionIoUAnalysis, attention: torch.Tensor, masks: list[list[NDArray[np.uint8]]], size: int
) -> None:
    """Batches of so many images, layer by layer."""
    for start in range(0, len(masks), size):
        numbers = range(start, min(start + size, len(masks)))
        rows = [
            Row(i, analysis.context.model.grid, None, {"masks": {"objects": tuple(Mask(m, 0) for m in masks[i])}})
            for i in numbers
        ]
        for layer in range(1, DEPTH + 1):
            analysis.update(layer, "attention", Batch(attention[numbers.start : numbers.stop, layer - 1], rows, "all"))


def row(result: Result, metric: str, layer: int, head: int = 0) -> Any:
    (found,) = [r for r in result.records if (r.metric, r.layer, r.head) == (metric, layer, head)]
    return found


@pytest.mark.parametrize(("grid", "registers"), [((4, 4), 0), ((2, 5), 0), ((5, 3), 4)])
@pytest.mark.parametrize("size", [1, 3, 16])
def test_every_number_equals_the_loop(grid: tuple[int, int], registers: int, size: int) -> None:
    model, objects = info(grid, registers), [1, 2, 0, 1, 3, 0, 1]
    attention, masks = drawn(model, len(objects), objects)
    masks[4][0][:] = 0  # one of three vanishes
    masks[6][0][:] = 0  # the only one vanishes
    analysis = started(model, len(objects))
    input_spec(analysis, attention, masks, size)
    result = analysis.compute(analysis.state())
    seen = [0, 1, 3, 4]
    truths = {i: {p for mask in masks[i] for p in np.flatnonzero(mask).tolist()} for i in seen}
    for layer in range(1, DEPTH + 1):
        for reader in get_args(Reader):
            maps = attention[:, layer - 1].double().numpy()
            expected = np.array([oracles.iou(maps[i], grid, reader, truths[i], 0.6) for i in seen])
            check(result, f"attn-iou-{reader}", layer, expected)
            check_chance(result, reader, layer, grid, [maps[i] for i in seen], [truths[i] for i in seen])
    assert result.notes == {
        "objects that vanish on the grid, left out": 2,
        "images without an object on the grid, left out": 3,
    }


def check(result: Result, metric: str, layer: int, expected: NDArray[np.float64]) -> None:
    """Against (n, H + 1) IoUs, the heads merged last."""
    heads, merged = expected[:, :-1], expected[:, -1]
    for name, scores in ((metric, heads.mean(1)), (f"{metric}-merged", merged), (f"{metric}-best", heads.max(1))):
        found = row(result, name, layer)
        assert (found.value, found.std, found.n) == (
            pytest.approx(scores.mean()), pytest.approx(scores.std(ddof=1), abs=1e-6), len(scores),
        )  # fmt: skip
        (unit,) = [each for each in result.maps if (each.name, each.layer) == (f"unit:{name}", layer)]
        assert unit.array == pytest.approx(scores)
        assert unit.units == ("image 0", "image 1", "image 3", "image 4")
    for head in range(1, HEADS + 1):
        assert row(result, metric, layer, head).value == pytest.approx(heads[:, head - 1].mean())


def check_chance(
    result: Result, reader: Reader, layer: int, grid: tuple[int, int], maps: Sequence[Any], truths: Sequence[set[int]]
) -> None:
    """Of as many patches as each head's smallest set has."""
    expected = []
    for image, truth in zip(maps, truths, strict=True):
        reads = [oracles.read(head, grid, reader) for head in image]
        sizes = [len(oracles.smallest_set(weights, 0.6)) for weights in reads]
        expected.append([oracles.chance(size, len(truth), len(reads[0])) for size in sizes])
    for head, scores in enumerate([np.mean(expected, axis=1), *np.transpose(expected)]):
        found = row(result, f"attn-iou-{reader}-chance", layer, head)
        assert (found.value, found.std, found.n) == (
            pytest.approx(scores.mean()), pytest.approx(scores.std(ddof=1), abs=1e-9), len(truths),
        )  # fmt: skip


def test_a_head_that_looks_at_nothing_but_the_object_has_an_iou_of_1() -> None:
    model = info((4, 4))
    attention, masks = drawn(model, 1, [1])
    inside = torch.from_numpy(masks[0][0].ravel() > 0)
    attention[0, :, 1, 0, 1:] = inside / inside.sum()
    analysis = started(model, 1, mass=1.0)
    input_spec(analysis, attention, masks, 1)
    result = analysis.compute(analysis.state())
    assert row(result, "attn-iou-cls", 1, head=2).value == 1
    assert row(result, "attn-iou-cls-best", 2).value == 1
    assert row(result, "attn-iou-cls", 1, head=1).value < 1
    assert row(result, "attn-iou-cls-best", 2).std is None


def test_rows_without_mass_score_0_and_are_counted() -> None:
    model = info((4, 4))
    attention, masks = drawn(model, 2, [1, 1])
    attention[1, 0, :, 0] = torch.eye(17)[0]  # in every head the class token looks at itself alone
    analysis = started(model, 2)
    input_spec(analysis, attention, masks, 2)
    result = analysis.compute(analysis.state())
    first = oracles.iou(attention[0, 0].double().numpy(), (4, 4), "cls", set(np.flatnonzero(masks[0][0])), 0.6)
    assert row(result, "attn-iou-cls", 1, head=3).value == pytest.approx(first[2] / 2)
    assert row(result, "attn-iou-cls-merged", 1).value == pytest.approx(first[3] / 2)
    assert result.notes == {"attention rows without mass, counted as an IoU of 0": 3}


def test_only_requested_metrics_are_recorded() -> None:
    model = info((4, 4), class_token=False)
    attention, masks = drawn(model, 2, [1, 1])
    analysis = started(model, 2, frozenset({"attn-iou-spatial-best", "attn-iou-center"}))
    input_spec(analysis, attention, masks, 2)
    result = analysis.compute(analysis.state())
    assert {(r.metric, bool(r.head)) for r in result.records} == {
        ("attn-iou-spatial-best", False), ("attn-iou-center", False), ("attn-iou-center", True),
    }  # fmt: skip
    assert {each.name for each in result.maps} == {"unit:attn-iou-spatial-best", "unit:attn-iou-center"}


def test_no_object_on_the_grid_is_an_error() -> None:
    model = info((4, 4))
    attention, masks = drawn(model, 3, [0, 1, 0])
    masks[1][0][:] = 0
    analysis = started(model, 3)
    input_spec(analysis, attention, masks, 3)
    with pytest.raises(TeachMattersError, match="no object is left on the grid in any of 3 images"):
        analysis.compute(analysis.state())


# ---------------------------------------------------------------- from the files to the numbers
def truth_on_grid(official: COCO, image: int) -> set[int]:
    """Union of an image's objects on a 4 x 4 grid, by the official reader and PIL alone."""
    inside: set[int] = set()
    for entry in official.loadAnns(official.getAnnIds(image)):
        if not entry["iscrowd"] and len(entry["segmentation"][0]) <= 4:
            continue
        mask = official.annToMask(entry)
        height, width = mask.shape
        side, left, top = min(height, width), max(0, (width - height) // 2), max(0, (height - width) // 2)
        square = Image.fromarray(mask[top : top + side, left : left + side] * 255)
        inside |= set(np.flatnonzero(np.asarray(square.resize((4, 4), Image.Resampling.BICUBIC))).tolist())
    return inside


def expected_of(official: COCO, images: dict[int, Path]) -> NDArray[np.float64]:
    """(n, layers, readers, heads + 1) IoUs of toy-a on images by their id in the annotation file."""
    adapter, scores = measuring.adapter(), []
    for image, path in images.items():
        truth, layers = truth_on_grid(official, image), list[Any]()
        transformed = Crop().apply(Image.open(path).convert("RGB"), {}, adapter.info)
        pixels = (torch.from_numpy(transformed.inputs).float() / 255 - 0.5) / 0.5

        def sink(layer: int, tap: str, values: torch.Tensor, truth: set[int] = truth, into: list[Any] = layers) -> None:
            attention = values[0].double().numpy()
            into.append([oracles.iou(attention, (4, 4), reader, truth, 0.6) for reader in get_args(Reader)])

        if truth:
            with torch.inference_mode():
                adapter.stream(pixels, frozenset({"attention"}), sink)
            scores.append(layers)
    return np.array(scores)


def official_index(path: Path) -> COCO:
    with redirect_stdout(io.StringIO()):
        return COCO(path)


def assert_all_equal(result: Result, expected: NDArray[np.float64]) -> None:
    for layer in range(1, expected.shape[1] + 1):
        for place, reader in enumerate(get_args(Reader)):
            scores = expected[:, layer - 1, place]
            found = row(result, f"attn-iou-{reader}", layer)
            assert (found.value, found.n) == (pytest.approx(scores[:, :-1].mean()), len(scores))
            best = row(result, f"attn-iou-{reader}-best", layer).value
            assert best == pytest.approx(scores[:, :-1].max(axis=1).mean())
            assert row(result, f"attn-iou-{reader}-merged", layer).value == pytest.approx(scores[:, -1].mean())


@pytest.mark.usefixtures("toys")
def test_coco_from_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    annotated.coco(tmp_path)
    result = measuring.measure(measuring.task("attention-iou", "coco", root=tmp_path))
    assert capsys.readouterr().out == "", "pycocotools' own reader prints"
    official = official_index(tmp_path / "annotations/instances_val2017.json")
    images = {i: tmp_path / f"images/val2017/{i:012d}.jpg" for i in range(1, 13)}
    assert_all_equal(result, expected_of(official, images))


@pytest.mark.usefixtures("toys")
def test_partimagenet_from_its_files(tmp_path: Path) -> None:
    """Its objects are the unions of their parts; a part whose only polygon is no area has vanished."""
    annotated.partimagenet(tmp_path)
    result = measuring.measure(measuring.task("attention-iou", "partimagenet", root=tmp_path))
    official = {part: official_index(tmp_path / f"{part}.json") for part in ("train", "val", "test")}
    scores = [
        expected_of(index, {i: tmp_path / part / (n := index.imgs[i]["file_name"])[:9] / n for i in index.imgs})
        for part, index in official.items()
    ]
    assert_all_equal(result, np.concatenate(scores))
    assert result.notes["objects that vanish on the grid, left out"] >= 4


def test_the_papers_data_sets_have_the_needed_annotations() -> None:
    assert ATTENTION_IOU.paper_data == ("coco", "partimagenet")
    assert ATTENTION_IOU.kinds == ("masks", "parts")
    assert ATTENTION_IOU.metrics_on(frozenset({"images", "parts"})) == EVERY
    assert ATTENTION_IOU.kind_on(frozenset({"masks", "parts"})) == "masks", "whole objects where there are any"
    assert ATTENTION_IOU.metrics_on(frozenset({"images", "labels"})) == frozenset()
