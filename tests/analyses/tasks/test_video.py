"""Tests of video segmentation against a plain loop over videos, layers and frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn.functional import interpolate, normalize

from teachmatters.analyses.tasks.video_files import VideoFiles
from teachmatters.api import Dense, IndexMask, Item, Kind, Result, Stretch
from teachmatters.datasets.images import read_index_mask
from teachmatters.errors import TeachMattersError
from teachmatters.runner.plan.tasks import Task
from tests import annotated, task_oracles
from tests.measuring import adapter, measure, task, values
from tests.toy_tasks import FRAMES, ToyTasks

pytestmark = pytest.mark.usefixtures("toys")


def features(wanted: Task, item: Item, dense: bool) -> torch.Tensor:
    """Of layer 2, (h, w, D), L2-normalised; windows put together patch by patch."""
    model = adapter()
    transformed = (Dense() if dense else Stretch()).apply(wanted.opened.dataset.image(item), {}, model.info)
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in (model.info.mean, model.info.std))
    found: list[torch.Tensor] = []

    def sink(layer: int, tap: str, value: torch.Tensor) -> None:
        if layer == 2 and tap == "block":
            found.append(value[:, 1:].double())

    with torch.inference_mode():
        model.stream((torch.from_numpy(transformed.inputs).float() / 255 - mean) / std, frozenset({"block"}), sink)
    whole = torch.full((transformed.grid[0] * transformed.grid[1], found[0].shape[-1]), torch.nan, dtype=torch.float64)
    patches = np.arange(len(whole))[None] if transformed.patches is None else transformed.patches
    for window, where in zip(found[0], patches, strict=True):
        for feature, place in zip(window, where.tolist(), strict=True):
            if place >= 0:
                whole[place] = feature
    return normalize(whole, dim=1).reshape(*transformed.grid, -1)


def enlarged(labels: torch.Tensor, h: int, w: int) -> NDArray[np.uint8]:
    """The objects' numbers in the pixels of a toy frame."""
    large = interpolate(labels.T.reshape(1, 3, h, w), scale_factor=8, mode="bilinear", align_corners=False)[0]
    large = torch.stack([(c - c.min()) / (c - c.min()).max() if c.max() > 0 else c for c in large])
    numbers = Image.fromarray(large.argmax(dim=0).numpy().astype(np.uint8))
    return np.asarray(numbers.resize((60, 40), Image.Resampling.NEAREST))


def followed(wanted: Task, video: int, dense: bool, context: int, *, still: bool = False) -> list[tuple[float, float]]:
    """Mean J and F of both objects of one of the toy videos; ``still``: of the first frame's masks, not moved."""
    frames = [item for item in wanted.items["all"] if item.group == f"film{video}"]
    truths = [wanted.opened.dataset.annotations(item, "videos")["mask"].pixels for item in frames]
    maps = [features(wanted, item, dense) for item in frames]
    h, w = maps[0].shape[:2]
    small = np.array(Image.fromarray(truths[0]).resize((w, h), Image.Resampling.NEAREST))
    labels = [torch.from_numpy(np.stack([small == k for k in range(3)], axis=-1).reshape(h * w, 3)).double()]
    scores: list[list[tuple[float, float]]] = [[], []]
    for t in range(1, FRAMES):
        used = [0, *range(max(1, t - context), t)]
        past = torch.stack([maps[i].flatten(0, 1) for i in used])
        now = maps[t].flatten(0, 1)
        labels.append(task_oracles.propagated(now, past, torch.stack([labels[i] for i in used]), (h, w), 2, 3, 0.1))
        numbers = enlarged(labels[0] if still else labels[-1], h, w)
        if t < FRAMES - 1:
            for k in (1, 2):
                predicted, truth = numbers == k, truths[t] == k
                radius = math.ceil(0.008 * math.hypot(40, 60))
                f = task_oracles.boundary(predicted, truth, radius)
                scores[k - 1].append((task_oracles.region(predicted, truth), f))
    return [(float(np.mean([j for j, _ in mine])), float(np.mean([f for _, f in mine]))) for mine in scores]


@pytest.mark.parametrize(("resolution", "context"), [("dense", 7), ("resized", 7), ("resized", 1)])
def test_scores_equal_a_plain_implementation(resolution: str, context: int) -> None:
    line = [f"resolution={resolution}", f"context={context}", "radius=2", "top=3"]
    wanted = task("video", "toy-tasks", *line)
    result = measure(wanted)
    expected = [followed(wanted, video, resolution == "dense", context) for video in (0, 1)]
    for place, metric in enumerate(("davis-j", "davis-f")):
        objects = [100 * scores[place] for video in expected for scores in video]
        assert values(result, metric)[1] == pytest.approx(np.mean(objects), abs=1e-6)
        assert values(result, metric, "film1")[1] == pytest.approx(np.mean(objects[2:]), abs=1e-6)
        (unit,) = [m for m in result.maps if (m.name, m.layer) == (f"unit:{metric}", 2)]
        assert unit.array.tolist() == pytest.approx(objects, abs=1e-4)
        assert unit.units == ("film0_1", "film0_2", "film1_1", "film1_2")
        (row,) = [r for r in result.records if (r.metric, r.layer, r.category) == (metric, 2, "")]
        assert row.std == pytest.approx(np.std(objects, ddof=1), abs=1e-6)
        assert row.n == 4
    means = zip(values(result, "davis-j"), values(result, "davis-f"), strict=True)
    assert values(result, "davis-jf") == pytest.approx([(j + f) / 2 for j, f in means])
    assert result.notes == {"videos without objects in the first frame": ["film2"]}


def test_masks_that_stay_in_place_are_scored_too() -> None:
    wanted = task("video", "toy-tasks", "resolution=resized")
    result = measure(wanted)
    scores = [100 * np.array(followed(wanted, video, False, 1, still=True)) for video in (0, 1)]
    j, f = np.concatenate(scores).mean(axis=0)
    for metric, expected in (("davis-j-still", j), ("davis-f-still", f), ("davis-jf-still", (j + f) / 2)):
        assert values(result, metric) == pytest.approx([expected] * 3, abs=1e-6)
    assert not [m for m in result.maps if m.name.endswith("-still")]


def test_limit_counts_videos() -> None:
    result = measure(task("video", "toy-tasks", limit=1))
    assert {r.category for r in result.records} == {"", "film0"}
    whole = measure(task("video", "toy-tasks"))
    assert values(result, "davis-j") == pytest.approx(values(whole, "davis-j", "film0"))


def short(frames: int, monkeypatch: pytest.MonkeyPatch) -> Result:
    """Video 0 has so many frames, video 1 all of its five."""
    items = ToyTasks.items

    def fewer(self: ToyTasks, kind: str, role: str) -> list[Item]:
        every = items(self, kind, role) or []  # type: ignore[arg-type]
        return [item for item in every if item.group != "film0" or int(item.key[-1]) < frames]

    monkeypatch.setattr(ToyTasks, "items", fewer)
    return measure(task("video", "toy-tasks"))


@pytest.mark.parametrize("frames", [1, 2])
def test_a_video_without_a_scored_frame_is_noted(frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    result = short(frames, monkeypatch)
    assert result.notes["videos without a frame between the first and the last to score"] == ["film0"]
    assert {r.category for r in result.records} == {"", "film1"}


def test_unreadable_frames_are_skipped() -> None:
    whole, result = measure(task("video", "toy-tasks")), measure(task("video", "toy-tasks", "bad=film 1 frame 2"))
    assert values(result, "davis-j", "film0") == values(whole, "davis-j", "film0")
    assert values(result, "davis-j", "film1") != values(whole, "davis-j", "film1")


def test_a_video_with_an_unreadable_first_frame_is_excluded() -> None:
    result = measure(task("video", "toy-tasks", "bad=film 1 frame 0"))
    assert result.notes["videos whose first frame or its mask cannot be read"] == ["film1"]
    assert {r.category for r in result.records} == {"", "film0"}
    with pytest.raises(
        TeachMattersError, match=r"no video could be scored: 1 videos without objects .*; 2 videos whose"
    ):
        measure(task("video", "toy-tasks", "bad=film 0 frame 0,film 1 frame 0"))


def test_many_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """254 objects, most of them without a pixel on the grid: right where predicted and true masks are both empty."""

    def crowded(self: ToyTasks, item: Item, kind: str) -> dict[str, IndexMask]:
        mask = self._mask(0, int(item.key.split()[3]))
        if item.key.endswith(" 0"):
            mask.reshape(-1)[: 2 * 252 : 2] = np.arange(3, 255)
        return {"mask": IndexMask(mask)}

    monkeypatch.setattr(ToyTasks, "annotations", crowded)
    result = measure(task("video", "toy-tasks", "resolution=resized", limit=1))
    (row, *_) = result.records
    assert row.n == 254
    assert values(result, "davis-j")[0] > 95


def test_frames_of_several_sizes_are_a_one_line_error(monkeypatch: pytest.MonkeyPatch) -> None:
    image, annotations = ToyTasks.image, ToyTasks.annotations

    def turned(self: ToyTasks, item: Item) -> Image.Image:
        found = image(self, item)
        return found.rotate(90, expand=True) if item.key == "film 0 frame 3" else found

    def turned_too(self: ToyTasks, item: Item, kind: Kind) -> Mapping[str, Any]:
        found = annotations(self, item, kind)
        return {"mask": IndexMask(found["mask"].pixels.T)} if item.key == "film 0 frame 3" else found

    monkeypatch.setattr(ToyTasks, "image", turned)
    with pytest.raises(TeachMattersError, match=r"film 0 frame 3 is \d+ x \d+ pixels, but its mask is \d+ x \d+"):
        measure(task("video", "toy-tasks"))
    monkeypatch.setattr(ToyTasks, "annotations", turned_too)
    with pytest.raises(TeachMattersError, match="the frames of a video must be of one size"):
        measure(task("video", "toy-tasks"))


def renumbered(change: Callable[[int, np.ndarray[Any, Any]], np.ndarray[Any, Any]]) -> Any:
    """The toy videos' masks, each changed; told the number of the frame."""
    mask = ToyTasks._mask

    def changed(self: ToyTasks, video: int, frame: int) -> np.ndarray[Any, Any]:
        return change(frame, mask(self, video, frame))

    return changed


def test_object_numbers_may_have_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects 1 and 2 called 3 and 200: every score is the same, and no object that never occurs counts as right."""
    whole = measure(task("video", "toy-tasks", "resolution=resized"))
    calls = np.array([0, 3, 200, *range(3, 256)], dtype=np.uint8)
    monkeypatch.setattr(ToyTasks, "_mask", renumbered(lambda frame, mask: calls[mask]))
    other = measure(task("video", "toy-tasks", "resolution=resized"))
    assert other.records == whole.records
    assert other.maps[0].units == ("film0_3", "film0_200", "film1_3", "film1_200")
    assert [each.array.tolist() for each in other.maps] == [each.array.tolist() for each in whole.maps]
    assert other.notes == whole.notes


def test_an_object_that_appears_later_is_noted_and_not_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure(task("video", "toy-tasks", "resolution=resized", limit=1))

    def late(frame: int, mask: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        mask[0, :2] = 9 if frame else 0
        return mask

    monkeypatch.setattr(ToyTasks, "_mask", renumbered(late))
    other = measure(task("video", "toy-tasks", "resolution=resized", limit=1))
    assert other.notes == {"objects that are not in the first frame, and are not scored": ["film0_9"]}
    assert other.records == whole.records


def test_masks_with_only_void_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ToyTasks, "_mask", renumbered(lambda frame, mask: np.where(mask, 255, 0).astype(np.uint8)))
    with pytest.raises(TeachMattersError, match=r"only 0 and 255 \(void\): number the objects from 1"):
        measure(task("video", "toy-tasks"))


def test_masks_are_written_as_the_official_evaluator_reads_them(tmp_path: Path) -> None:
    annotated.davis(tmp_path / "DAVIS", frames=4)
    wanted = task("video", "davis", f"save={tmp_path / 'out'}", "resolution=resized", root=tmp_path)
    result = measure(wanted)
    written = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.png"))
    assert written == [
        f"toy-a/layer-{layer:02d}/clip{video}/{frame:05d}.png"
        for layer in (1, 2, 3) for video in (0, 1) for frame in range(4)
    ]  # fmt: skip
    masks = tmp_path / "DAVIS" / "Annotations" / "480p"
    for layer in (1, 3):
        scores = []
        for video, objects in (("clip0", 1), ("clip1", 2)):
            found, truth = (
                [read_index_mask(folder / video / f"{frame:05d}.png") for frame in range(4)]
                for folder in (tmp_path / "out" / "toy-a" / f"layer-{layer:02d}", masks)
            )
            assert np.array_equal(found[0], truth[0])
            pairs = [(found[f], truth[f]) for f in (1, 2)]
            scores += [np.mean([task_oracles.region(a == k, b == k) for a, b in pairs]) for k in range(1, objects + 1)]
        assert values(result, "davis-j")[layer - 1] == pytest.approx(100 * np.mean(scores))
    with Image.open(tmp_path / "out" / written[0]) as image:
        assert image.mode == "P"


def test_a_damaged_mask_loses_the_frame_and_a_missing_one_its_score(tmp_path: Path) -> None:
    annotated.davis(tmp_path / "DAVIS", frames=5, videos=1)
    masks = tmp_path / "DAVIS" / "Annotations" / "480p" / "clip0"
    whole = measure(task("video", "davis", "resolution=resized", root=tmp_path))
    (masks / "00003.png").unlink()
    fewer = measure(task("video", "davis", "resolution=resized", root=tmp_path))
    (masks / "00002.png").write_bytes(b"damaged")
    one = measure(task("video", "davis", "resolution=resized", root=tmp_path))
    assert len({tuple(values(result, "davis-f")) for result in (whole, fewer, one)}) == 3
    (masks / "00000.png").write_bytes(b"damaged")
    with pytest.raises(TeachMattersError, match="1 videos whose first frame or its mask cannot be read"):
        measure(task("video", "davis", "resolution=resized", root=tmp_path))


def test_names_of_models_and_videos_cannot_escape_the_folder(tmp_path: Path) -> None:
    files = VideoFiles.below(str(tmp_path / "out"), "../up/model")
    files.write(Item("a/b/00001.jpg", 0, group="../x"), np.zeros((2, 2), np.uint8), [1])
    assert [path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*.png")] == ["out"]
    (tmp_path / "file").write_text("")
    with pytest.raises(TeachMattersError, match="save=DIR"):
        VideoFiles.below(str(tmp_path / "file"), "m").write(
            Item("a.jpg", 0, group="v"), np.zeros((2, 2), np.uint8), [1]
        )
