"""Tests of the cka analysis on generated features and through the runner: batches, tokens, missing images, passes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from teachmatters.analyses.representation.similarity_specs import CKA
from teachmatters.api import Analysis, ModelInfo, Result
from teachmatters.errors import TeachMattersError
from tests.driving import Taps, info, run_updates, started
from tests.measures.representation.test_cka import expected
from tests.runner.session.test_analyze import Runs, forwards, statuses

WIDTH = 6


def tokens(seed: int, images: int, depth: int, model: ModelInfo) -> list[torch.Tensor]:
    """Layers whose tokens share more and more."""
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(images, model.tokens, WIDTH, generator=torch.Generator().manual_seed(77))
    own = [torch.randn(images, model.tokens, WIDTH, generator=generator) for _ in range(depth)]
    return [x + 0.5 * layer * common for layer, x in enumerate(own, start=1)]


def taps(seed: int, images: int, model: ModelInfo) -> Taps:
    block, norm1, norm2 = (tokens(seed + i, images, model.depth, model) for i in range(3))
    return {"norm1": norm1, "norm2": norm2, "block": block}


def run(model: ModelInfo, features: Taps, batch: int, *, bad: tuple[int, ...] = (), **options: Any) -> Analysis:
    analysis = started(CKA, model, len(next(iter(features.values()))[0]), cka_batch=batch, **options)
    run_updates(analysis, features, batch, bad=bad)
    return analysis


def rows(result: Result, metric: str, category: str = "") -> dict[tuple[int, int], float]:
    found = [r for r in result.records if (r.metric, r.category) == (metric, category)]
    return {(r.layer, r.other_layer): r.value for r in found}


def cut(features: torch.Tensor, batches: list[list[int]], part: slice) -> list[np.ndarray[Any, Any]]:
    return [features[batch][:, part].flatten(1).double().numpy() for batch in batches]


ALL, CLS = slice(None), slice(0, 1)


@pytest.mark.parametrize(("images", "size", "whole"), [(13, 8, 1), (8, 4, 2), (5, 64, 1)])
def test_every_kind_of_tokens_and_pair_of_layers(images: int, size: int, whole: int) -> None:
    """13 images: the last five are left out. 5 images: the only mini-batch is not."""
    used = min(images, size * whole)
    cuts = np.arange(used).reshape(whole, -1).tolist()
    one, two = info(3, width=WIDTH, registers=2), info(2, width=WIDTH)
    first, second = taps(0, images, one), taps(10, images, two)
    a, b = run(one, first, size), run(two, second, size)
    result = a.compare(a.state(), b.state())
    for metric, mine, others in (
        ("cka", ALL, ALL), ("cka-cls", CLS, CLS), ("cka-spatial", slice(3, None), slice(1, None))
    ):  # fmt: skip
        values = rows(result, metric)
        assert values.keys() == {(i, j) for i in (1, 2, 3) for j in (1, 2)}
        for (i, j), value in values.items():
            x, y = cut(first["block"][i - 1], cuts, mine), cut(second["block"][j - 1], cuts, others)
            assert value == pytest.approx(expected(x, y), abs=1e-5), (metric, i, j)
    for m in (1, 2):
        for k in (1, 2):
            for (i, j), value in rows(result, "cka-norm", f"{m}-{k}").items():
                norms: Any = f"norm{m}", f"norm{k}"
                x, y = cut(first[norms[0]][i - 1], cuts, ALL), cut(second[norms[1]][j - 1], cuts, ALL)
                assert value == pytest.approx(expected(x, y), abs=1e-5)
    assert {r.n for r in result.records if r.metric == "cka"} == {len(cuts)}
    assert len(rows(result, "cka-null")) == 6
    assert {r.n for r in result.records if r.metric == "cka-null"} == {100}


def test_a_mini_batch_may_arrive_in_pieces() -> None:
    model = info(2, width=WIDTH)
    features = taps(0, 8, model)
    whole = run(model, features, 8)
    pieces = started(CKA, model, 8, cka_batch=8)
    end = pieces.end_group
    pieces.end_group = lambda: None  # type: ignore[method-assign]
    run_updates(pieces, features, 3)
    end()
    one, two = whole.compare(whole.state(), whole.state()), pieces.compare(pieces.state(), pieces.state())
    assert one.records == two.records


def test_a_bad_image_shrinks_its_mini_batch_for_both_models() -> None:
    model = info(1, width=WIDTH)
    first, second = taps(0, 15, model), taps(10, 15, model)
    a, b = run(model, first, 5, bad=(2,)), run(model, second, 5, bad=(2,))
    cuts = [[0, 1, 3, 4], [5, 6, 7, 8, 9], [10, 11, 12, 13, 14]]
    value = rows(a.compare(a.state(), b.state()), "cka")[1, 1]
    x, y = cut(first["block"][0], cuts, ALL), cut(second["block"][0], cuts, ALL)
    assert value == pytest.approx(expected(x, y), abs=1e-5)
    unlike = run(model, second, 5, bad=(2, 7))
    result = a.compare(a.state(), unlike.state())
    assert rows(result, "cka")[1, 1] == pytest.approx(expected(x[::2], y[::2]), abs=1e-5)
    assert "mini-batches with different images for the two models, left out" in result.notes


def test_a_model_without_class_token_has_no_cka_cls_and_no_mknn() -> None:
    one, two = info(1, width=WIDTH), info(1, width=WIDTH, class_token=False)
    a, b = run(one, taps(0, 12, one), 4), run(two, taps(1, 12, two), 4)
    for result in (a.compare(a.state(), b.state()), b.compare(b.state(), a.state())):
        assert {r.metric for r in result.records} == {"cka", "cka-spatial", "cka-norm", "cka-null"}


def test_constant_layers_have_no_row_and_one_note() -> None:
    model = info(2, width=WIDTH)
    features = taps(0, 8, model)
    features["block"][0][:, 0] = 3.0
    analysis = run(model, features, 4)
    result = analysis.compare(analysis.state(), analysis.state())
    assert rows(result, "cka-cls").keys() == {(2, 2)}
    assert rows(result, "cka").keys() == {(1, 1), (1, 2), (2, 1), (2, 2)}
    note = {"cka-cls": {"layers": "1", "other layers": "1"}}
    assert result.notes["no number where nothing varies from image to image"] == note
    assert all(np.isfinite(r.value) for r in result.records)


def test_fewer_than_four_images_is_an_error() -> None:
    model = info(1, width=WIDTH)
    analysis = run(model, taps(0, 3, model), 64)
    with pytest.raises(TeachMattersError, match="CKA needs at least 4 images"):
        analysis.compare(analysis.state(), analysis.state())


def test_mutual_neighbours_use_all_images_or_a_note_says_how_many() -> None:
    model = info(1, width=WIDTH)
    few, enough = (run(model, taps(0, n, model), 4, metrics=["mknn", "mknn-null"]) for n in (10, 13))
    result = few.compare(few.state(), few.state())
    assert (result.records, result.notes) == ([], {"mknn": "needs more than 10 images, and there are 10"})
    result = enough.compare(enough.state(), enough.state())
    (share,) = [r for r in result.records if r.metric == "mknn"]
    assert (share.value, share.std, share.n) == (1.0, 0.0, 13)
    (null,) = [r for r in result.records if r.metric == "mknn-null"]
    assert 10 / 12 < null.value < 1
    assert null.n == 100


# ---------------------------------------------------------------- through the runner
__all__ = ["forwards"]  # a fixture


@pytest.fixture
def runs(tmp_path: Path, toys: None) -> Runs:
    return Runs(tmp_path / "store.db")


def test_comparing_three_models_takes_three_passes(runs: Runs, forwards: Counter[str]) -> None:
    outcomes = runs("toy-a toy-b toy-bare", "cka residual rank", param=["cka.cka_batch=4", "residual.cka_batch=4"])
    assert set(statuses(outcomes)) == {"done"}
    assert forwards == {"3": 21, "2": 2 * 21}, "residual and rank in the same pass as cka"
    shapes = runs.rows(
        "SELECT model, other_model, count(*) FROM results WHERE metric = 'cka' GROUP BY 1, 2 ORDER BY 1, 2"
    )
    depths = {"toy-a": 3, "toy-b": 2, "toy-bare": 2}
    assert shapes == [(a, b, depths[a] * depths[b]) for a in depths for b in depths]
    assert runs.rows(
        "SELECT count(*) FROM results WHERE metric = 'cka-cls' AND 'toy-bare' IN (model, other_model)"
    ) == [(0,)]
    same = runs.rows("SELECT value FROM results WHERE metric = 'cka' AND model = other_model AND layer = other_layer")
    assert [value for (value,) in same] == pytest.approx([1.0] * 7)


def test_fewer_than_four_images_fail_in_one_line(runs: Runs) -> None:
    reason = runs.fails("toy-a", "cka", limit=3)
    assert "CKA needs at least 4 images" in reason
    assert statuses(runs("toy-a", "mknn", limit=12)) == ["done"]
