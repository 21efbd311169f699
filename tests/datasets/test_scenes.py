"""Tests of the generated scenes: reproducible, balanced, and consistent with their annotations."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from teachmatters.api import Item
from teachmatters.datasets.scenes.categories import CATEGORIES, CLASSES, PARTS
from teachmatters.datasets.scenes.dataset import Drawn, Scenes
from teachmatters.datasets.scenes.figure import pose, swings
from teachmatters.datasets.scenes.masks import VisibleMask
from teachmatters.datasets.scenes.paint import draw, outlines
from teachmatters.datasets.scenes.scene import labelled
from teachmatters.datasets.scenes.shapes import OUTLINES

CODE = """
import hashlib
from teachmatters.datasets.scenes.dataset import Scenes
scenes = Scenes(val=24)
print(hashlib.sha256(b"".join(scenes.image(item).tobytes() for item in scenes.items("labels", "all"))).hexdigest())
"""


def items(scenes: Scenes, kind: str = "labels") -> list[Item]:
    found = scenes.items(kind, "all")  # type: ignore[arg-type]
    assert found is not None
    return list(found)


def test_the_same_images_in_another_process() -> None:
    scenes = Scenes(val=24)
    here = hashlib.sha256(b"".join(scenes.image(item).tobytes() for item in items(scenes))).hexdigest()
    there = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here


def test_images_differ_between_worlds_and_splits() -> None:
    drawn = [
        draw(labelled(world, split, number), 64).tobytes()
        for world in (0, 1)
        for split in ("train", "val")
        for number in (0, 12, 24)
    ]
    assert len(set(drawn)) == len(drawn)


def test_large_and_small_images_show_the_same() -> None:
    for number in range(12):
        scene = labelled(0, "val", number)
        large = np.asarray(draw(scene, 256).reduce(4), dtype=float)
        small = np.asarray(draw(scene, 64), dtype=float)
        other = np.asarray(draw(labelled(0, "val", number + 12), 64), dtype=float)
        assert np.abs(large - small).mean() < 3 < 15 < np.abs(other - small).mean()


def test_labels_are_balanced_and_splits_disjoint() -> None:
    scenes = Scenes()
    train, val = scenes.items("labels", "gallery"), scenes.items("labels", "queries")
    assert train is not None
    assert val is not None
    assert (len(train), len(val)) == (1200, 600)
    assert set(Counter(item.label for item in train).values()) == {100}
    assert set(Counter(item.label for item in val).values()) == {50}
    assert not {item.key for item in train} & {item.key for item in val}
    assert items(scenes, "images") == items(scenes, "masks") == list(val)
    seen = {labelled(0, "train", number).figures[0].who for number in range(48)}
    assert len(seen | {labelled(0, "val", number).figures[0].who for number in range(48)}) == 96


def test_each_category_has_three_moving_parts() -> None:
    assert len(CATEGORIES) >= 12
    for category in CATEGORIES:
        names = [part.name for part in category.parts]
        assert len(set(names)) == len(names)
        assert len({part.annotated for part in category.parts if part.annotated}) >= 3
        assert sum(part.swing > 0 for part in category.parts) >= 3
        assert {part.shape for part in category.parts} <= set(OUTLINES)
        assert {part.parent for part in category.parts} - {""} <= set(names)


def test_each_part_covers_two_patches_unless_it_is_hidden() -> None:
    """Of 8 x 8 pixels at 64: on average, nearly two even where it is smallest, and never one patch alone."""
    areas: dict[str, list[float]] = {name: [] for name in PARTS}
    for number in range(360):
        scene = labelled(0, "val", number)
        who = scene.figures[0].who
        alone = outlines(scene.figures[0].pieces, 192)
        parts = CATEGORIES[who.category].parts
        shown = np.array(["", *(parts[piece.part].annotated for piece in scene.figures[0].pieces)])[alone]
        for name in {part.annotated for part in parts if part.annotated}:
            areas[f"{CLASSES[who.category]} {name}"].append(float((shown == name).sum()) / 9)
            touched = (shown == name).reshape(8, 24, 8, 24).any((1, 3)).sum()
            assert touched >= 2
    for name, found in areas.items():
        assert np.mean(found) >= 128, name
        assert np.quantile(found, 0.1) >= 80, name


def test_masks_lie_on_the_objects() -> None:
    """What differs between the image and the same one without its objects is where the masks are."""
    for number in range(24):
        scene = labelled(0, "val", number)
        seen = VisibleMask(scene, 64)
        both = np.max([mask.pixels for mask in seen.objects()], axis=0) > 0
        lit = replace(scene, light=replace(scene.light, shadow=0))
        bare = replace(lit, figures=())
        change = np.abs(np.asarray(draw(lit, 64), dtype=int) - np.asarray(draw(bare, 64), dtype=int)).max(2)
        assert (change[both] > 12).mean() > 0.8
        assert (change[~both] > 12).mean() < 0.12


def test_the_semantic_mask_combines_the_object_masks() -> None:
    """But for pixels that several share: every pixel of an object's mask is of its category, the others of none."""
    scenes = Scenes(train=24, val=48)
    names = scenes.categories("semantic")
    assert names == ("ground", *CLASSES)
    for item in items(scenes):
        mask = scenes.annotations(item, "semantic")["mask"].pixels
        assert mask.dtype == np.uint8
        expected = np.zeros((64, 64), np.uint8)
        for each in scenes.annotations(item, "masks")["objects"]:
            expected[each.pixels > 0] = each.label + 1
        assert (mask == expected).mean() > 0.985
        assert mask.max() < len(names)
    gallery, queries = scenes.items("semantic", "gallery"), scenes.items("semantic", "queries")
    assert (gallery, queries) == (scenes.items("labels", "gallery"), scenes.items("labels", "queries"))
    assert scenes.split("semantic") == "val"


def test_parts_lie_inside_the_object_and_do_not_overlap() -> None:
    scenes = Scenes(val=48)
    for item in items(scenes):
        masks = scenes.annotations(item, "masks")["objects"]
        parts = scenes.annotations(item, "parts")["parts"]
        assert masks[0].label == item.label
        assert all(mask.pixels.dtype == np.uint8 and set(np.unique(mask.pixels)) == {0, 255} for mask in masks + parts)
        assert all((masks[0].pixels >= part.pixels).all() for part in parts)
        assert np.sum([part.pixels > 0 for part in parts], axis=0).max() == 1
        assert all(PARTS[part.label].startswith(CLASSES[masks[0].label] + " ") for part in parts)
        assert len({part.label for part in parts}) == len(parts)


def test_keypoints_lie_on_their_part() -> None:
    """On its mask, or on a pixel beside it."""
    found = 0
    for number in range(48):
        scene = labelled(0, "val", number)
        category = CATEGORIES[scene.figures[0].who.category]
        seen = VisibleMask(scene, 64)
        masks = {PARTS[mask.label]: np.pad(mask.pixels, 1) for mask in seen.parts()}
        for name, place in seen.keypoints().items():
            row, column = int(place.imag * 64), int(place.real * 64)
            annotated = category.parts[scene.figures[0].keypoints[name][1]].annotated
            if annotated and f"{category.name} {annotated}" in masks:
                assert masks[f"{category.name} {annotated}"][row : row + 3, column : column + 3].any()
                found += 1
    assert found > 48 * 4


def test_parts_rotate_about_their_joints() -> None:
    """The joint of a wing stays on the body however it swings; its tip goes elsewhere."""
    rng = np.random.default_rng(0)
    scene = labelled(0, "val", 0)
    figure = scene.figures[0]
    tips = []
    for _ in range(6):
        posed = pose(figure.who, swings(rng, 0), figure.view)
        tips.append(posed.keypoints["near wing tip"][0] - posed.keypoints["body end"][0])
    assert np.std(tips) > 0.05


def test_captions_name_the_visible_objects() -> None:
    scenes = Scenes(val=96)
    captions = [scenes.caption(item) for item in items(scenes)]
    for item, words in zip(items(scenes), captions, strict=True):
        assert item.label is not None
        assert CLASSES[item.label] in words
        assert "{" not in words
        assert labelled(0, "val", int(item.key[-5:])).figures[0].who.colour in words
    assert len(set(captions)) > 88
    assert captions == [Scenes(val=96).caption(item) for item in items(scenes)]


def test_the_number_of_cached_images_is_bounded() -> None:
    held = Drawn(most=10)
    for number in range(5):
        held.put((0, 64, str(number)), b"1234")
    held.put((0, 64, "4"), b"5678")
    assert held.get((0, 64, "2")) is None
    assert (held.get((0, 64, "3")), held.get((0, 64, "4"))) == (b"1234", b"5678")


def test_a_cached_image_cannot_be_modified() -> None:
    scenes = Scenes()
    item = items(scenes)[0]
    scenes.image(item).paste((0, 0, 0), (0, 0, 64, 64))
    assert np.asarray(scenes.image(item)).any()


@pytest.mark.parametrize("size", [32, 64, 100, 224])
def test_any_size(size: int) -> None:
    scenes = Scenes(size=size)
    item = items(scenes)[1]
    assert scenes.image(item).size == (size, size)
    assert isinstance(scenes.image(item), Image.Image)
    assert scenes.annotations(item, "masks")["objects"][0].pixels.shape == (size, size)
