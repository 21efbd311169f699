"""Tests of the keypoints analysis against explicitly enlarged features, pair by pair."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from teachmatters.analyses.tasks.keypoints import KeypointsAnalysis
from teachmatters.api import Pad, Result
from teachmatters.errors import TeachMattersError
from teachmatters.runner.plan.tasks import Task
from tests import task_oracles
from tests.measuring import adapter, measure, task, values
from tests.toy_tasks import ToyTasks

pytestmark = pytest.mark.usefixtures("toys")
ALPHAS = {"pck-0.10": 0.1, "pck-0.05": 0.05, "pck-0.01": 0.01}


def matched(wanted: Task, layer: int) -> dict[int, tuple[list[float], float]]:
    """Distances and the target's size of every pair, by enlarging each target's features to pixels."""
    model, dataset = adapter(), wanted.opened.dataset
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in (model.info.mean, model.info.std))
    large, known = [], []
    for item in wanted.items["all"]:
        transformed = Pad().apply(dataset.image(item), {"pairs": dataset.annotations(item, "pairs")}, model.info)
        found: list[torch.Tensor] = []

        def sink(number: int, tap: str, value: torch.Tensor, found: list[torch.Tensor] = found) -> None:
            if number == layer and tap == "block":
                found.append(value[0, 1:].double())

        with torch.inference_mode():
            model.stream((torch.from_numpy(transformed.inputs).float() / 255 - mean) / std, frozenset({"block"}), sink)
        large.append(task_oracles.enlarged(normalize(found[0], dim=1).reshape(4, 4, -1), 8))
        known.append(transformed.annotations["pairs"])
    distances = {}
    for number, pair in enumerate(dataset.pairs()):
        mine, box = [], known[pair.target]["box"]
        for a, b in zip(pair.source_points, pair.target_points, strict=True):
            (x, y), truth = known[pair.source]["points"].xy[a], known[pair.target]["points"].xy[b]
            query = large[pair.source][min(max(round(y), 0), 31), min(max(int(x), 0), 31)]
            best = task_oracles.first_best(large[pair.target] @ query)
            mine.append(float(np.hypot(best[0] - truth[0], best[1] - truth[1])))
        distances[number] = mine, max(box.right - box.left, box.bottom - box.top)
    return distances


@pytest.fixture
def wanted(toys: None) -> Task:
    return task("keypoints", "toy-tasks")


def test_both_protocols_equal_the_oracle(wanted: Task) -> None:
    result, pairs = measure(wanted), ToyTasks().pairs()
    for layer in (1, 3):
        distances = matched(wanted, layer)
        for metric, alpha in ALPHAS.items():
            pooled: dict[str, list[bool]] = defaultdict(list)
            single = []
            for number, (mine, size) in distances.items():
                pooled[pairs[number].category] += [d < alpha * size for d in mine]
                single.append(np.mean([d <= alpha * size for d in mine]))
            paper = 100 * np.mean([np.mean(hits) for hits in pooled.values()])
            assert values(result, metric, protocol="paper")[layer - 1] == pytest.approx(paper)
            assert values(result, metric, protocol="official")[layer - 1] == pytest.approx(100 * np.mean(single))
            for category, hits in pooled.items():
                assert values(result, metric, category, "paper")[layer - 1] == pytest.approx(100 * np.mean(hits))
            (unit,) = [m for m in result.maps if (m.name, m.layer) == (f"unit:{metric}", layer)]
            assert unit.array.tolist() == pytest.approx([100 * share for share in single])
    assert max(values(result, "pck-0.10", protocol="official")) > 0


def test_difficulty_restricts_to_its_pairs(wanted: Task) -> None:
    result, distances, pairs = measure(wanted), matched(wanted, 2), ToyTasks().pairs()
    for grade in range(3):
        mine = [n for n in distances if pairs[n].difficulty["viewpoint"] == grade]
        single = [np.mean([d <= 0.1 * distances[n][1] for d in distances[n][0]]) for n in mine]
        pooled = [
            [d < 0.1 * distances[n][1] for n in mine if pairs[n].category == c for d in distances[n][0]]
            for c in ("ant", "bee")
        ]
        found = values(result, "pck-0.10", f"viewpoint={grade}", "official")[1]
        assert found == pytest.approx(100 * np.mean(single))
        paper = values(result, "pck-0.10", f"viewpoint={grade}", "paper")[1]
        assert paper == pytest.approx(100 * np.mean([np.mean(hits) for hits in pooled]))


def counts(result: Result, category: str, protocol: str) -> set[int | None]:
    return {r.n for r in result.records if (r.category, r.protocol) == (category, protocol)}


def test_units_are_pairs_keypoints_and_categories(wanted: Task) -> None:
    result = measure(wanted)
    assert counts(result, "", "official") == {10}
    assert counts(result, "", "paper") == {2}
    assert counts(result, "ant", "official") == {5}
    assert counts(result, "ant", "paper") == {sum(8 - n % 3 for n in (0, 2, 4, 6, 8))}
    assert (result.maps[0].units or ())[:2] == ("000000-insect 0-insect 1:ant", "000001-insect 4-insect 5:bee")


def test_an_unreadable_image_removes_its_pairs() -> None:
    result = measure(task("keypoints", "toy-tasks", "bad=insect 2"))
    assert counts(result, "ant", "official") == {2}
    assert counts(result, "bee", "official") == {5}
    assert list(result.notes.values()) == [3]


def test_no_readable_pair_is_an_error() -> None:
    bad = ",".join(f"insect {i}" for i in (0, 2, 4, 6))
    with pytest.raises(TeachMattersError, match="none of 10 pairs could be matched"):
        measure(task("keypoints", "toy-tasks", f"bad={bad}"))


def test_limit_counts_pairs_and_needs_only_their_images() -> None:
    wanted = task("keypoints", "toy-tasks", limit=3)
    assert [item.key for item in wanted.items["all"]] == [f"insect {i}" for i in (0, 1, 2, 4, 5)]
    result = measure(wanted)
    assert counts(result, "", "official") == {3}
    whole = measure(task("keypoints", "toy-tasks"))
    first = [each.array[:3].tolist() for each in whole.maps]
    assert first == [each.array.tolist() for each in result.maps]


def test_a_sample_is_seeded_sorted_and_drawn_per_category() -> None:
    wanted = task("keypoints", "toy-tasks", "pairs_per_category=2")
    samples = [measure(wanted, seed=seed).maps[0].units or () for seed in (0, 0, 1, 2, 3)]
    assert samples[0] == samples[1]
    assert len(set(samples)) > 1
    for units in samples:
        assert list(units) == sorted(units)
        assert sorted(unit.rpartition(":")[2] for unit in units) == ["ant", "ant", "bee", "bee"]
    many = measure(task("keypoints", "toy-tasks", "pairs_per_category=99"))
    assert counts(many, "", "official") == {10}


def test_features_are_freed_after_their_last_pair(wanted: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    finish = KeypointsAnalysis._finish

    def watched(self: KeypointsAnalysis) -> None:
        finish(self)
        held.append(max(len(maps) for maps in self.features.values()))

    monkeypatch.setattr(KeypointsAnalysis, "_finish", watched)
    measure(wanted, batch_size=1)
    assert held[-1] == 0
    assert max(held) <= 4  # never more than one category's
