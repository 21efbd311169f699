"""Tests of the clustering of objects and parts, from annotation files to numbers, with windows."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from pycocotools.coco import COCO

from teachmatters.analyses.representation.cluster_specs import SEGMENT_CLUSTERING
from teachmatters.analyses.representation.segments import Segments, merge_segments
from teachmatters.api import Analysis, Context, Crop, Dense, Item, Mask, Row, State
from teachmatters.errors import TeachMattersError
from teachmatters.runner.forward.forward_pass import Pass
from teachmatters.runner.forward.schedule import PassMember
from teachmatters.runner.plan.tasks import Task, new_analysis
from tests import annotated, driving, measuring
from tests import cluster_oracles as oracles
from tests.toys import ToyData

CPU = torch.device("cpu")
# The vectors (layers, D) of a segment, and its category.
Vector = tuple[NDArray[np.float64], str]


def gathered(task: Task, batch_size: int) -> Analysis:
    """The analysis after a pass of toy-a."""
    adapter, analysis, data = measuring.adapter(), new_analysis(task.spec), task.opened.dataset
    input_spec = analysis.input_spec(task.parameters, task.metrics)
    analysis.start(
        Context(
            model=adapter.info, metrics=task.metrics, parameters=task.parameters, items=task.items, dataset=data,
            device=CPU,
        )
    )  # fmt: skip
    member = PassMember(analysis, input_spec, task.kinds, data, task.items)
    Pass(adapter, CPU, torch.float32, [member]).run(input_spec.transform, batch_size, lambda _: None)
    return analysis


def official_index(path: Path) -> COCO:
    with redirect_stdout(io.StringIO()):
        return COCO(path)


def maps(path: Path, resolution: str) -> NDArray[np.float64]:
    """(layers, h, w, D) of toy-a's patches; of windows each patch from the first that has it."""
    adapter = measuring.adapter()
    transformed = (Dense() if resolution == "dense" else Crop()).apply(
        Image.open(path).convert("RGB"), {}, adapter.info
    )
    places = [range(16)] if transformed.patches is None else transformed.patches.tolist()
    whole = np.full((3, transformed.grid[0] * transformed.grid[1], 24), np.nan)
    for window, place in zip(transformed.inputs, places, strict=True):

        def sink(layer: int, tap: str, values: torch.Tensor, place: list[int] = list(place)) -> None:  # noqa: B006
            for patch, where in enumerate(place):
                if where >= 0:
                    whole[layer - 1, where] = values[0, 1 + patch].double().numpy()

        with torch.inference_mode():
            pixels = (torch.from_numpy(window)[None].float() / 255 - 0.5) / 0.5
            adapter.stream(pixels, frozenset({"block"}), sink)
    return whole.reshape(3, *transformed.grid, 24)


def on_grid(mask: NDArray[np.uint8], resolution: str, grid: tuple[int, int]) -> NDArray[np.uint8]:
    """By PIL alone."""
    if resolution == "crop":
        height, width = mask.shape
        side, left, top = min(height, width), max(0, (width - height) // 2), max(0, (height - width) // 2)
        mask = mask[top : top + side, left : left + side]
    return np.asarray(Image.fromarray(mask * 255).resize((grid[1], grid[0]), Image.Resampling.BICUBIC))


def vectors(official: COCO, image: int, path: Path, resolution: str) -> Iterator[Vector]:
    """(layers, D) of each segment of an image, with its category, in the file's order."""
    features = maps(path, resolution)
    for entry in official.loadAnns(official.getAnnIds(image)):
        if not entry["iscrowd"] and len(entry["segmentation"][0]) <= 4:
            continue
        mask = on_grid(official.annToMask(entry), resolution, features.shape[1:3])
        if mask.any():
            name = official.cats[entry["category_id"]]["name"]
            yield np.stack([oracles.filled(tokens, mask) for tokens in features]), name


def assert_equal(one: Analysis, of: str, expected: list[Vector], clusters: int) -> None:
    state, names = one.state(), sorted({name for _, name in expected})
    every = np.stack([vector for vector, _ in expected])
    labels = [names.index(name) for _, name in expected]
    result = one.compute(state)
    assert len({r.metric for r in result.records}) == 3
    for layer in range(1, 4):
        assert np.asarray(state[f"{of}/{layer}"]) == pytest.approx(every[:, layer - 1], rel=1e-4, abs=1e-5)
        for name, value in oracles.scores(every[:, layer - 1], labels, clusters).items():
            (row,) = [r for r in result.records if (r.metric, r.layer) == (f"{name}-{of}", layer)]
            assert row.value == pytest.approx(value, abs=1e-9)
            assert (row.n, row.std) == (len(labels), None)


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(("resolution", "batch_size"), [("crop", 5), ("dense", 3), ("dense", 1)])
def test_objects_of_coco(resolution: str, batch_size: int, tmp_path: Path) -> None:
    annotated.coco(tmp_path)
    task = measuring.task("segment-clustering", "coco", "clusters=4", f"resolution={resolution}", root=tmp_path)
    official = official_index(tmp_path / "annotations/instances_val2017.json")
    expected = [
        each
        for image in range(1, 13)
        for each in vectors(official, image, tmp_path / f"images/val2017/{image:012d}.jpg", resolution)
    ]
    assert_equal(gathered(task, batch_size), "object", expected, 4)


@pytest.mark.usefixtures("toys")
def test_parts_of_partimagenet(tmp_path: Path) -> None:
    annotated.partimagenet(tmp_path)
    task = measuring.task("segment-clustering", "partimagenet", "clusters=5", root=tmp_path)
    expected = []
    for split in ("train", "val", "test"):
        official = official_index(tmp_path / f"{split}.json")
        for image, about in official.imgs.items():
            path = tmp_path / split / about["file_name"][:9] / about["file_name"]
            expected += [(path.name, each) for each in vectors(official, image, path, "crop")]
    one = gathered(task, 4)
    assert_equal(one, "part", [each for _, each in sorted(expected, key=lambda pair: pair[0])], 5)
    assert one.compute(one.state()).notes["parts that vanish on the grid, left out"] >= 4


# ---------------------------------------------------------------- made-up rows
def context(depth: int = 2) -> Context:
    return Context(
        model=driving.info(depth, width=3), metrics=frozenset({"purity-object"}), parameters={},
        items={"all": [Item(f"image {i}", 0) for i in range(4)]}, dataset=ToyData(4), device=CPU,
    )  # fmt: skip


def row(index: int, masks: list[list[int]], patches: list[int] | None = None, window: int = 0) -> Row:
    objects = tuple(Mask(np.array([mask], dtype=np.uint8), 7 + n) for n, mask in enumerate(masks))
    where = None if patches is None else np.array(patches)
    return Row(index, (1, len(masks[0]) if masks else 2), where, {"masks": {"objects": objects}}, window, 2)


def fed(*batches: tuple[list[Row], torch.Tensor]) -> State:
    segments = Segments(context(), "object")
    for rows, tokens in batches:
        for layer in (1, 2):
            segments.add(layer, rows, layer * tokens)
    return segments.state()


def test_an_object_across_two_windows_is_one_vector() -> None:
    """The middle patch is in both windows, and the first has it."""
    mask, tokens = [51, 255, 204], torch.arange(12.0).reshape(2, 2, 3)
    left, right = row(1, [mask], [0, 1]), row(1, [mask], [-1, 2], window=1)
    expected = (51 * tokens[0, 0] + 255 * tokens[0, 1] + 204 * tokens[1, 1]) / 510
    whole = fed(([left, right], tokens))
    parted = fed(([left], tokens[:1]), ([right], tokens[1:]))
    joined = merge_segments([fed(([right], tokens[1:])), fed(), fed(([left], tokens[:1]))])
    for state in (whole, parted, joined):
        assert np.asarray(state["object/which"]).tolist() == [[1, 0, 7]]
        assert np.asarray(state["object/2"])[0] == pytest.approx(2 * expected.numpy())
        assert state["object/vanished"] == 0


def test_vectors_are_ordered_by_image_and_object_and_vanished_ones_counted_once() -> None:
    tokens = torch.randn(3, 2, 3, generator=torch.Generator().manual_seed(0))
    rows = [row(2, [[0, 9], [0, 0], [9, 0]]), row(0, [[9, 9]]), row(3, [])]
    state = fed((rows, tokens))
    assert np.asarray(state["object/which"]).tolist() == [[0, 0, 7], [2, 0, 7], [2, 2, 9]]
    expected = torch.stack([tokens[1].mean(dim=0), tokens[0, 1], tokens[0, 0]])
    assert np.asarray(state["object/1"]) == pytest.approx(expected.numpy())
    assert state["object/vanished"] == 1
    windows = [row(1, [[0, 0]], [0, -1]), row(1, [[0, 0]], [-1, 1], window=1)]
    assert fed((windows, tokens[:2]))["object/vanished"] == 1


# ---------------------------------------------------------------- what there is and what there is not
@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(
    ("parameters", "words"),
    [(("clusters=500",), r"500 clusters of \d+ objects are not possible"), ((), r"all \d+ objects are of one class")],
)
def test_impossible_clusterings_are_errors(parameters: tuple[str, ...], words: str) -> None:
    with pytest.raises(TeachMattersError, match=words):
        measuring.measure(measuring.task("segment-clustering", "toys", *parameters))


def test_no_remaining_object_is_an_error() -> None:
    analysis = driving.started(SEGMENT_CLUSTERING, driving.info(1, width=3), 1, ["nmi-object"])
    with pytest.raises(TeachMattersError, match="no object is left on the grid"):
        analysis.compute(analysis.state())


@pytest.mark.usefixtures("toys")
def test_scenes_have_objects_and_parts() -> None:
    result = measuring.measure(measuring.task("segment-clustering", "scenes", limit=8))
    counts = {r.metric: r.n for r in result.records}
    assert counts.keys() == {metric.name for metric in SEGMENT_CLUSTERING.metrics}
    assert 8 <= (counts["nmi-object"] or 0) < (counts["nmi-part"] or 0)


def test_the_papers_data_sets_offer_objects_and_parts() -> None:
    assert SEGMENT_CLUSTERING.metrics_on(frozenset({"images", "masks"})) == {
        "purity-object", "nmi-object", "ari-object",
    }  # fmt: skip
    assert SEGMENT_CLUSTERING.metrics_on(frozenset({"images", "parts"})) == {"purity-part", "nmi-part", "ari-part"}
