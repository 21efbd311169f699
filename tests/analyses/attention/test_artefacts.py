"""Planted outliers, layer by layer and batch by batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from teachmatters.analyses.attention import patch_norms
from teachmatters.analyses.attention.artefacts import ArtefactsAnalysis
from teachmatters.api import Batch, Context, Item, ModelInfo, Result, Row
from tests import mask_oracles as oracles
from tests.toys import ToyData

COUNT, DEPTH, HEADS, WIDTH = 7, 3, 2, 6
BOTH = frozenset({"artefact-share", "artefact-mass"})


def info(grid: tuple[int, int] = (3, 4), registers: int = 0, depth: int = DEPTH) -> ModelInfo:
    return ModelInfo(
        arch="ViT", depth=depth, heads=HEADS, width=WIDTH, patch_size=8, image_size=24, grid=grid, class_token=True,
        registers=registers, mean=(0.5,) * 3, std=(0.5,) * 3,
    )  # fmt: skip


def drawn(model: ModelInfo) -> tuple[torch.Tensor, torch.Tensor]:
    """Block outputs (image, layer, token, channel) with long tokens here and there, and attention."""
    rng = np.random.default_rng(model.tokens)
    tokens = rng.standard_normal((COUNT, model.depth, model.tokens, WIDTH))
    tokens *= np.where(rng.random(tokens.shape[:3]) < 0.2, 20, 1)[..., None]
    tokens[:, :, : model.prefix] *= 100  # those of class token and registers are not looked at
    shape = COUNT, model.depth, HEADS, model.tokens, model.tokens
    return torch.from_numpy(tokens).float(), torch.from_numpy(2 * rng.standard_normal(shape)).softmax(dim=-1).float()


def measured(model: ModelInfo, metrics: frozenset[str], size: int, factor: float = 3.0) -> tuple[Result, Any, Any]:
    tokens, attention = drawn(model)
    items: Any = {"all": [Item(f"image {i}", 0) for i in range(COUNT)]}
    analysis = ArtefactsAnalysis()
    context = Context(
        model=model, metrics=metrics, parameters={"factor": factor}, items=items, dataset=ToyData(COUNT),
        device=torch.device("cpu"),
    )  # fmt: skip
    analysis.start(context)
    taps = analysis.input_spec(context.parameters, metrics).taps
    for start in range(0, COUNT, size):
        some = slice(start, min(start + size, COUNT))
        rows = [Row(i, model.grid, None, {}) for i in range(some.start, some.stop)]
        for layer in range(1, model.depth + 1):
            if "attention" in taps:
                analysis.update(layer, "attention", Batch(attention[some, layer - 1], rows, "all"))
            analysis.update(layer, "block", Batch(tokens[some, layer - 1], rows, "all"))
    return analysis.compute(analysis.state()), tokens.numpy().astype(float), attention.numpy().astype(float)


@pytest.mark.parametrize(("grid", "registers"), [((3, 4), 0), ((4, 4), 4), ((1, 5), 0)])
@pytest.mark.parametrize("size", [1, 3, COUNT])
def test_every_number_equals_the_loop(grid: tuple[int, int], registers: int, size: int) -> None:
    model = info(grid, registers)
    patches = grid[0] * grid[1]
    result, tokens, attention = measured(model, BOTH, size)
    found = {(r.metric, r.layer): r for r in result.records}
    units = {(each.name, each.layer): each for each in result.maps}
    assert set(found) == {("artefact-share", 1), ("artefact-share", 2), ("artefact-share", 3)} | {
        ("artefact-mass", 1), ("artefact-mass", 2),
    }  # fmt: skip
    for (metric, layer), record in found.items():
        where = [oracles.artefacts(image[layer - 1, model.prefix :], 3) for image in tokens]
        if metric == "artefact-share":
            expected = np.array([len(some) / patches for some in where])
        else:
            expected = np.array(
                [oracles.artefact_mass(attention[i, layer], some, patches) for i, some in enumerate(where)]
            )
        assert 0 < expected.mean() < 1
        assert record.n == COUNT
        assert record.value == pytest.approx(expected.mean(), rel=1e-5)
        assert record.std == pytest.approx(expected.std(ddof=1), rel=1e-5)
        unit = units[f"unit:{metric}", layer]
        assert unit.array == pytest.approx(expected, rel=1e-5)
        assert unit.units == tuple(f"image {i}" for i in range(COUNT))


def test_a_larger_factor_finds_fewer() -> None:
    shares = [measured(info(), BOTH, 4, factor)[0].records[0].value for factor in (1, 3, 1000)]
    assert shares[0] > shares[1] > shares[2] == 0


def test_the_share_alone_needs_no_attention() -> None:
    result, _, _ = measured(info(), frozenset({"artefact-share"}), 4)
    assert {r.metric for r in result.records} == {"artefact-share"}
    assert ArtefactsAnalysis().input_spec({"factor": 3.0}, frozenset({"artefact-share"})).taps == {"block"}


def test_only_dtypes_of_the_device_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Apple's GPUs have no float64."""

    def refuse(tensor: torch.Tensor) -> torch.Tensor:
        raise TypeError("no float64")

    monkeypatch.setattr(torch.Tensor, "double", refuse)
    result, _, _ = measured(info(), BOTH, 4)
    assert len(result.records) == DEPTH + DEPTH - 1


def test_a_model_of_one_block_has_no_artefact_mass() -> None:
    result, _, _ = measured(info(depth=1), BOTH, 4)
    assert [(r.metric, r.layer) for r in result.records] == [("artefact-share", 1)]
    assert result.notes == {"no artefact-mass": "a model of one block has no next block"}


def norms_by_loop(tokens: Any, some: slice) -> Any:
    """The mean over images of the image's mean norm, and its deviation over images."""
    means = [np.mean([sum(x**2 for x in token) ** 0.5 for token in image[some]]) for image in tokens]
    return pytest.approx(np.mean(means), rel=1e-6), pytest.approx(np.std(means, ddof=1), rel=1e-5), COUNT


@pytest.mark.parametrize(("registers", "size"), [(0, 1), (4, 3)])
def test_norms_equal_the_loop(registers: int, size: int) -> None:
    model = info(registers=registers)
    result, tokens, _ = measured(model, frozenset({"patch-norm"}), size)
    found = {(r.layer, r.category): (r.value, r.std, r.n) for r in result.records}
    assert len(found) == len(result.records) == DEPTH * (6 + bool(registers))
    for layer in range(1, DEPTH + 1):
        of_layer = tokens[:, layer - 1]
        assert found[layer, ""] == norms_by_loop(of_layer, slice(model.prefix, None))
        assert found[layer, "cls"] == norms_by_loop(of_layer, slice(0, 1))
        if registers:
            assert found[layer, "register"] == norms_by_loop(of_layer, slice(1, 5))
        every = sorted(sum(x**2 for x in token) ** 0.5 for image in of_layer for token in image[model.prefix :])
        for category, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)):
            place = share * (len(every) - 1)
            low, high = every[int(place)], every[min(int(place) + 1, len(every) - 1)]
            value, std, n = found[layer, category]
            assert value == pytest.approx(low + (place - int(place)) * (high - low), rel=1e-6)
            assert (std, n) == (None, len(every))
    assert {each.name for each in result.maps} == {"unit:patch-norm"}


def test_quantiles_of_too_many_tokens_come_from_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {(r.layer, r.category): r.value for r in measured(info(), frozenset({"patch-norm"}), 4)[0].records}
    monkeypatch.setattr(patch_norms, "MOST_TOKENS", 5 * COUNT + 3)
    results = [measured(info(), frozenset({"patch-norm"}), size)[0] for size in (1, 4)]
    assert results[0].records == results[1].records, "batches do not matter"
    assert {r.n for r in results[0].records if r.category == "p99"} == {5 * COUNT}
    assert results[0].notes == {"patch-norm: patches of each image used for the quantiles": 5}
    means = {(r.layer, r.category): r.value for r in results[0].records if r.category in ("", "cls")}
    assert means.items() <= whole.items()
