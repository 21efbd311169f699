"""The measure against SciPy, the analysis against its contract, and the report as its user asks for it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy
from typer.testing import CliRunner

from teachmatters import registry
from teachmatters.api import Batch, Context, Record, Row
from teachmatters.cli.app import app
from teachmatters.store import query
from teachmatters_head_specialisation import METRIC
from teachmatters_head_specialisation.analysis import HeadSpecialisation, divergences

DEPTH, HEADS, TOKENS = 2, 3, 5


# --8<-- [start:found]
@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Of all plugins that are installed, this one alone."""
    monkeypatch.setenv("TM_LOAD_PLUGINS", "teachmatters-head-specialisation")
    registry.load.cache_clear()
    yield
    monkeypatch.undo()
    registry.load.cache_clear()


def test_the_plugin_is_found_without_problems() -> None:
    (plugin,) = [each for each in registry.load().plugins if not each.built_in]
    assert plugin.distribution == "teachmatters-head-specialisation"
    assert plugin.problems == []
    assert {hook for hook, specs in plugin.specs.items() if specs} == {"register_analyses", "register_reports"}


# --8<-- [end:found]


# --8<-- [start:oracle]
def some_attention(images: int, seed: int = 0, heads: int = HEADS, sharpness: float = 2.0) -> torch.Tensor:
    scores = torch.randn(images, heads, TOKENS, TOKENS, generator=torch.Generator().manual_seed(seed))
    return (sharpness * scores).softmax(dim=-1)


def test_the_distance_of_two_heads_equals_scipy() -> None:
    attention = some_attention(2, heads=2)
    pairs = attention.double().numpy().transpose(0, 2, 1, 3).reshape(-1, 2, TOKENS)
    truth = np.mean([jensenshannon(one, other) ** 2 for one, other in pairs])  # SciPy's is the square root
    assert divergences(attention).mean().item() == pytest.approx(truth, rel=1e-5)


def test_the_distance_from_the_mean_equals_a_loop() -> None:
    attention = some_attention(2, sharpness=30.0)  # weights down to 1e-40
    for image, found in zip(attention.double().numpy(), divergences(attention), strict=True):
        for head in range(HEADS):
            each = [entropy(image[head, q], image[:, q].mean(axis=0)) for q in range(TOKENS)]
            assert found[head].item() == pytest.approx(np.mean(each), rel=1e-5)


# --8<-- [end:oracle]


def test_the_range_is_from_equal_to_disjoint_heads() -> None:
    alike = some_attention(200, heads=1).expand(-1, 3, -1, -1)  # a third is no float: the mean differs by rounding
    assert (divergences(alike) >= 0).all()
    assert divergences(alike).max() < 1e-6
    one_key_each = torch.eye(4, 5).view(1, 4, 1, 5).expand(2, 4, 5, 5)  # and a key that nobody looks at
    assert torch.allclose(divergences(one_key_each), torch.tensor(math.log(4)))
    assert divergences(some_attention(1, heads=1)).tolist() == [[0.0]]


# --8<-- [start:contract]
def seen(layers: torch.Tensor, batch: int) -> HeadSpecialisation:
    """The analysis after images (layer, image, head, query, key), so many at a time."""
    analysis = HeadSpecialisation()
    analysis.start(cast("Context", SimpleNamespace(model=SimpleNamespace(depth=DEPTH, heads=HEADS))))
    for start in range(0, layers.shape[1], batch):
        for number, layer in enumerate(layers[:, start : start + batch], start=1):
            rows = [Row(start + place, (2, 2), None, {}) for place in range(len(layer))]
            analysis.update(number, "attention", Batch(layer, rows, "all"))
    return analysis


def records(analysis: HeadSpecialisation, state: Any = None) -> list[Record]:
    return analysis.compute(analysis.state() if state is None else state).records


@pytest.fixture
def layers() -> torch.Tensor:
    return torch.stack([some_attention(7, seed) for seed in range(DEPTH)])


def same(some: list[Record], others: list[Record]) -> bool:
    places = [[(each.layer, each.head, each.n) for each in records] for records in (some, others)]
    numbers = [np.array([(each.value, each.std) for each in records], float) for records in (some, others)]
    return places[0] == places[1] and np.allclose(numbers[0], numbers[1], rtol=1e-6)


def test_batches_change_nothing(layers: torch.Tensor) -> None:
    assert same(records(seen(layers, 1)), records(seen(layers, 3)))


def test_parts_change_nothing(layers: torch.Tensor) -> None:
    whole = seen(layers, 7)
    nothing = seen(layers[:, :0], 7).state()
    parts = [seen(layers[:, 4:], 2).state(), nothing, seen(layers[:, :4], 2).state()]
    assert same(records(whole), records(whole, HeadSpecialisation().merge(parts)))
    assert records(whole, nothing) == []


def test_the_state_is_a_copy(layers: torch.Tensor) -> None:
    analysis = seen(layers, 7)
    state = analysis.state()
    before = {name: np.array(value) for name, value in state.items()}
    for number, layer in enumerate(layers, start=1):
        analysis.update(number, "attention", Batch(layer, [], "all"))
    assert all(np.array_equal(before[name], np.asarray(state[name])) for name in before)


# --8<-- [end:contract]


def test_records_are_means_over_images_with_deviations(layers: torch.Tensor) -> None:
    found = {(each.layer, each.head): each for each in records(seen(layers, 7))}
    assert len(found) == DEPTH * (1 + HEADS)
    for number, layer in enumerate(layers, start=1):
        heads = divergences(layer).double().numpy()
        for head, truth in enumerate([heads.mean(axis=1), *heads.T]):
            record = found[number, head]
            assert (record.metric, record.n) == (METRIC.name, 7)
            assert record.value == pytest.approx(truth.mean())
            assert record.std == pytest.approx(truth.std(ddof=1))
    assert {each.std for each in records(seen(layers[:, :1], 1))} == {None}


# --8<-- [start:user]
def tm(*words: str) -> str:
    answer = CliRunner().invoke(app, [*words], catch_exceptions=False)
    assert answer.exit_code == 0, answer.stderr
    return answer.stdout


@pytest.fixture
def db(tmp_path: Path) -> str:
    path = str(tmp_path / "results.db")
    for limit in ("2", "3"):  # a trial, and the measurement
        tm(
            "analyze",
            "--model",
            "mini-random",
            "--metric",
            METRIC.name,
            "--data",
            "photos",
            "--limit",
            limit,
            "--db",
            path,
        )
    return path


def test_a_user_measures_and_reads(db: str, tmp_path: Path) -> None:
    rows = query(Path(db), "SELECT layer, head, value FROM results WHERE setting = 'limit=3'").rows
    assert len(rows) == 12 * (1 + 6)
    assert all(0 < value < math.log(6) for _, _, value in rows)
    report = ("report", METRIC.name, "--db", db)
    table = tm(*report, "--plot", str(tmp_path / "heads.png")).splitlines()
    assert (tmp_path / "heads.png").stat().st_size > 10_000
    assert table[0].split() == ["layer", "mini-random"]
    (first,) = [value for layer, head, value in rows if (layer, head) == (1, None)]
    assert table[2].split() == ["1", f"{first:.3f}"]
    assert "Setting: limit=3" in table  # the newest, not both


def test_the_table_shows_the_requested_heads(db: str) -> None:
    text = tm("report", METRIC.name, "--db", db, "--heads", "2", "--layers", "12", "--format", "markdown")
    shown = [[cell.strip() for cell in line.split("|")[1:3]] for line in text.splitlines() if line.startswith("| ")]
    assert shown == [["layer", "head"], ["--:", ":--"], ["12", "all"], ["12", "2"]]


# --8<-- [end:user]
