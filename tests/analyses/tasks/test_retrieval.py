"""Tests of the retrieval analysis against an oracle, also with missing images and positives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from teachmatters.api import Result, ThumbnailCrop
from teachmatters.errors import TeachMattersError
from tests import task_oracles
from tests.measuring import adapter, measure, task, values

pytestmark = pytest.mark.usefixtures("toys")


def class_tokens(role: str, crop: bool = False) -> list[np.ndarray]:
    """Of layer 2, one image at a time."""
    wanted = task("retrieval", "toy-tasks")
    model, dataset, tokens = adapter(), wanted.opened.dataset, []
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in (model.info.mean, model.info.std))
    for item in wanted.items[role]:  # type: ignore[index]
        known = {"retrieval": dataset.annotations(item, "retrieval")}
        inputs = ThumbnailCrop(crop_to_box=crop).apply(dataset.image(item), known, model.info).inputs

        def sink(layer: int, tap: str, value: torch.Tensor) -> None:
            if layer == 2 and tap == "block":
                tokens.append(value[0, 0].double().numpy())

        pixels = (torch.from_numpy(inputs).float() / 255 - mean) / std
        with torch.inference_mode():
            model.stream(pixels, frozenset({"block"}), sink)
    return tokens


@pytest.mark.parametrize("crop", [False, True])
def test_numbers_equal_the_oracle(crop: bool) -> None:
    wanted = task("retrieval", "toy-tasks", f"crop_queries={crop}")
    result = measure(wanted)
    queries, gallery = class_tokens("queries", crop), np.stack(class_tokens("gallery"))
    scores = []
    for number, query in enumerate(queries[:4]):
        cosine = gallery @ query / np.linalg.norm(gallery, axis=1)
        known = wanted.opened.dataset.annotations(wanted.items["queries"][number], "retrieval")
        order = sorted(range(15), key=lambda i: -cosine[i])
        scores.append(task_oracles.retrieval(order, {*known["easy"], *known["hard"]}, set(known["junk"])))
    area = np.array([area for area, _ in scores]) * 100
    assert values(result, "map-medium")[1] == pytest.approx(area.mean(), abs=1e-4)
    (row,) = [r for r in result.records if (r.metric, r.layer) == ("map-medium", 2)]
    assert row.std == pytest.approx(area.std(ddof=1), abs=1e-4)
    assert row.n == 4
    for k in (1, 5, 10):
        expected = 100 * np.mean([at[k] for _, at in scores])
        assert values(result, "mp-medium", f"@{k}")[1] == pytest.approx(expected, abs=1e-4)
    assert values(result, "mp-medium") == values(result, "mp-medium", "@10")


def test_each_difficulty_has_its_own_positives_and_junk() -> None:
    wanted = task("retrieval", "toy-tasks")
    result = measure(wanted)
    gallery = np.stack(class_tokens("gallery"))
    for level, ok, out in (("easy", ["easy"], ["junk", "hard"]), ("hard", ["hard"], ["junk", "easy"])):
        scores = []
        for number, query in enumerate(class_tokens("queries")):
            known = wanted.opened.dataset.annotations(wanted.items["queries"][number], "retrieval")
            positive, junk = ({i for name in names for i in known[name]} for names in (ok, out))
            if positive:
                order = sorted(range(15), key=lambda i: -float(gallery[i] @ query / np.linalg.norm(gallery[i])))
                scores.append(task_oracles.retrieval(order, positive, junk)[0])
        assert values(result, f"map-{level}")[1] == pytest.approx(100 * np.mean(scores), abs=1e-4)


def units(result: Result, name: str) -> list[tuple[str, ...] | None]:
    return [each.units for each in result.maps if each.name == f"unit:{name}"]


def test_queries_without_positives_are_excluded_and_noted() -> None:
    result = measure(task("retrieval", "toy-tasks"))
    assert result.notes == {"queries without a positive": {"easy": 1, "medium": 1, "hard": 2}}
    assert {r.n for r in result.records if r.metric == "map-hard"} == {3}
    assert units(result, "map-hard") == [("query 0", "query 1", "query 2")] * 3
    scores = [each.array for each in result.maps if each.name == "unit:map-hard"]
    assert [float(s.mean()) for s in scores] == pytest.approx(values(result, "map-hard"), abs=1e-4)


def test_an_unreadable_gallery_image_is_not_a_positive() -> None:
    """Query 2's only hard image is gone: no hard score, and the others are as if it had never been."""
    result = measure(task("retrieval", "toy-tasks", "bad=place 12"))
    assert units(result, "map-hard")[0] == ("query 0", "query 1")
    assert result.notes["queries without a positive"] == {"easy": 1, "medium": 1, "hard": 3}


def test_no_positive_at_all_is_an_error() -> None:
    wanted = task("retrieval", "toy-tasks", "bad=query 0,query 1,query 2,query 3")
    with pytest.raises(TeachMattersError, match="none of 1 queries has a positive image"):
        measure(wanted)


def test_limit_counts_queries_and_keeps_the_whole_gallery() -> None:
    result = measure(task("retrieval", "toy-tasks", limit=2))
    assert units(result, "map-easy")[0] == ("query 0", "query 1")
    assert values(result, "map-easy") != pytest.approx(values(measure(task("retrieval", "toy-tasks")), "map-easy"))
