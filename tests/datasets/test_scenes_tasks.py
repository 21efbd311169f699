"""Tests of the retrieval, videos and pairs of the generated scenes against their images."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from teachmatters.api import Item
from teachmatters.datasets.scenes import pairs, retrieval, videos
from teachmatters.datasets.scenes.categories import CATEGORIES, CLASSES
from teachmatters.datasets.scenes.dataset import Scenes
from teachmatters.datasets.scenes.masks import VisibleMask


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return Scenes()


def items(scenes: Scenes, kind: str, role: str = "all") -> list[Item]:
    found = scenes.items(kind, role)  # type: ignore[arg-type]
    assert found is not None
    return list(found)


def test_grades_of_relevance_are_disjoint_and_may_be_empty(scenes: Scenes) -> None:
    queries, gallery = items(scenes, "retrieval", "queries"), items(scenes, "retrieval", "gallery")
    assert (len(queries), len(items(scenes, "retrieval"))) == (36, 36 + len(gallery))
    assert 380 <= len(gallery) <= 460
    known = [scenes.annotations(query, "retrieval") for query in queries]
    places = [place for facts in known for grade in ("easy", "hard", "junk") for place in facts[grade]]
    assert len(set(places)) == len(places) == len(gallery) - retrieval.DISTRACTORS
    assert set(places) <= set(range(len(gallery)))
    for grade in ("easy", "hard"):
        sizes = Counter(len(facts[grade]) for facts in known)
        assert sizes[0] == 3
        assert set(sizes) == {0, 3, 4, 5, 6}
    assert {len(facts["junk"]) for facts in known} == {2}
    assert not {item.key for item in queries} & {item.key for item in gallery}


def test_relevant_images_show_the_query(scenes: Scenes) -> None:
    """The individual itself, and how much of it can be seen falls from easy to hard to junk."""
    area: dict[str, list[float]] = {"easy": [], "hard": [], "junk": []}
    for number in range(0, 36, 3):
        asked = retrieval.query_scene(0, number)
        for grade, shown in area.items():
            for place in retrieval.found(0, number)[grade]:
                scene = retrieval.gallery_scene(0, place)
                assert scene.figures[0].who == asked.figures[0].who
                assert scene.ground.near != asked.ground.near
                masks = VisibleMask(scene, 64).objects()
                shown.append(float((masks[0].pixels > 0).mean()) if masks else 0.0)
    assert np.mean(area["easy"]) > 1.8 * np.mean(area["hard"]) > 3 * np.mean(area["junk"])
    assert np.mean(area["junk"]) < 0.03


def test_distractors_are_relevant_to_no_query() -> None:
    asked = {retrieval.query_scene(0, number).figures[0].who for number in range(36)}
    others = [place for place, shot in enumerate(retrieval.gallery(0)) if shot.grade == "other"]
    assert len(asked) == 36
    assert not {retrieval.gallery_scene(0, place).figures[0].who for place in others} & asked


def test_a_query_box_is_around_the_object(scenes: Scenes) -> None:
    for number, query in enumerate(items(scenes, "retrieval", "queries")):
        box = scenes.annotations(query, "retrieval")["box"]
        rows, columns = np.nonzero(VisibleMask(retrieval.query_scene(0, number), 64).objects()[0].pixels)
        near = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert np.abs(near - [box.left, box.top, box.right, box.bottom]).max() < 3


def test_videos_have_frames_in_order(scenes: Scenes) -> None:
    frames = items(scenes, "videos")
    groups = [frame.group for frame in frames]
    assert groups == sorted(groups)
    lengths = Counter(groups)
    assert len(lengths) == 8
    assert set(lengths.values()) <= set(range(8, 13))
    assert [frame.units for frame in frames] == [(int(frame.group[-1]) - 1,) for frame in frames]


def test_objects_of_a_video_move_smoothly_and_stay_visible(scenes: Scenes) -> None:
    middles: dict[tuple[str, int], list[complex]] = {}
    for frame in items(scenes, "videos"):
        pixels = scenes.annotations(frame, "videos")["mask"].pixels
        figures = videos.frame(0, int(frame.key[-5:])).figures
        assert len(figures) == 1 + (int(frame.group[-1]) - 1) % 3
        assert set(np.unique(pixels)) == set(range(len(figures) + 1))
        for number, figure in enumerate(figures):
            assert (pixels == number + 1).sum() > 20
            middles.setdefault((frame.group, number), []).append(figure.view.middle)
    for found in middles.values():
        assert 0 < np.abs(np.diff(found)).max() < 0.16
    assert np.median([abs(found[-1] - found[0]) for found in middles.values()]) > 0.15


def test_consecutive_frames_are_alike(scenes: Scenes) -> None:
    """Nearer to each other than the first and the last."""
    for number in range(8):
        frames = [frame for frame in items(scenes, "videos") if frame.group == f"video-{number + 1}"]
        drawn = [np.asarray(scenes.image(frame), dtype=float) for frame in frames]
        steps = [np.abs(a - b).mean() for a, b in pairwise(drawn)]
        assert 0 < np.mean(steps) < np.abs(drawn[0] - drawn[-1]).mean()


def test_objects_occlude_each_other() -> None:
    hidden = 0
    for video in range(videos.VIDEOS):
        scenes = [videos.frame(0, video * videos.MOST + number) for number in range(videos.length(0, video))]
        areas = [
            [(VisibleMask(scene, 64).numbers() == n + 1).sum() for scene in scenes]
            for n in range(len(scenes[0].figures))
        ]
        hidden += sum(min(area) < 0.6 * max(area) for area in areas)
    assert hidden >= 4


def test_points_of_a_pair_have_the_same_names(scenes: Scenes) -> None:
    """Each stands for the same joint or tip: where the skeleton puts it in both images."""
    images = items(scenes, "pairs")
    for pair in scenes.pairs():
        assert len(pair.source_points) == len(pair.target_points) >= 3
        ends = ((pair.source, pair.source_points), (pair.target, pair.target_points))
        names = []
        for image, points in ends:
            figure = pairs.pair_scene(0, image).figures[0]
            assert CLASSES[figure.who.category] == pair.category
            xy = scenes.annotations(images[image], "pairs")["points"].xy[list(points)]
            at = {name: place * 64 for name, (place, _) in figure.keypoints.items()}
            names.append([min(at, key=lambda name: abs(at[name] - complex(x, y))) for x, y in xy])
            assert all(abs(at[name] - complex(x, y)) < 1e-9 for name, (x, y) in zip(names[-1], xy, strict=True))
        assert names[0] == names[1]


def test_pairs_cover_all_categories(scenes: Scenes) -> None:
    found, images = scenes.pairs(), items(scenes, "pairs")
    assert len(images) == 6 * len(CATEGORIES)
    assert min(Counter(pair.category for pair in found).values()) >= 9
    assert len({frozenset((pair.source, pair.target)) for pair in found}) == len(found)
    for number, image in enumerate(images):
        stands = {n for n, pair in enumerate(found) if number in (pair.source, pair.target)}
        assert image.units is not None
        assert set(image.units) == stands
    for name in ("viewpoint", "scale", "truncation", "occlusion"):
        assert {pair.difficulty[name] for pair in found} == {0, 1, 2}


def test_symmetric_objects_are_not_mirrored() -> None:
    """Else the left wing of one image would answer to what anybody takes for the right wing of the other."""
    for category, kind in enumerate(CATEGORIES):
        sides = {pairs.pair_scene(0, category * 6 + n).figures[0].view.yaw > 0 for n in range(6)}
        assert kind.sided or sides == {True}


def test_pairs_and_points_are_the_same_at_every_size(scenes: Scenes) -> None:
    large = Scenes(size=224)
    assert large.pairs() == scenes.pairs()
    for item in items(scenes, "pairs")[::9]:
        small, big = (one.annotations(item, "pairs") for one in (scenes, large))
        assert np.allclose(small["points"].xy * 3.5, big["points"].xy)
        assert np.isclose(small["box"].right * 3.5, big["box"].right)
