"""The contract, the measure against NumPy, and a user's way from the model to the drawing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from teachmatters import registry
from teachmatters.api import ModelRequest
from teachmatters.cli.app import app
from teachmatters.errors import TeachMattersError
from teachmatters.plugin.check import faults
from teachmatters.store import query
from tm_token_norm.data import Checkers
from tm_token_norm.model import open_tiny, resolve


# --8<-- [start:contract]
@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Of all plugins that are installed, this one alone."""
    monkeypatch.setenv("TM_LOAD_PLUGINS", "tm-token-norm")
    registry.load.cache_clear()
    yield
    monkeypatch.undo()
    registry.load.cache_clear()


def test_the_plugin_keeps_the_contract() -> None:
    """All that ``tm plugin check token-norm`` looks at: batches and parts change nothing, among much else."""
    assert faults("token-norm") == []


# --8<-- [end:contract]


def tm(*words: str) -> Result:
    return CliRunner().invoke(app, [*words], catch_exceptions=False)


def test_a_user_measures_and_reads(tmp_path: Path) -> None:
    db = str(tmp_path / "results.db")
    assert (
        tm("analyze", "--model", "tiny-ti16", "--metric", "token-norm", "--data", "checkers", "--db", db).exit_code == 0
    )
    norms = [value for (value,) in query(Path(db), "SELECT value FROM results ORDER BY layer").rows]
    assert tm("report", "token-growth", "--db", db, "--plot", str(tmp_path / "growth.png")).exit_code == 0
    assert (tmp_path / "growth.png").stat().st_size > 5000
    (grown,) = json.loads(tm("report", "token-growth", "--db", db, "--format", "json").stdout)
    assert grown["growth"] == pytest.approx(norms[-1] / norms[0])
    (longest,) = json.loads(tm("norms", "--db", db, "--format", "json").stdout)
    assert longest == {"model": "tiny-ti16", "layer": 1 + int(np.argmax(norms)), "norm": max(norms)}


def test_a_seed_is_a_model() -> None:
    tiny = registry.load().models["tiny-ti16"]
    seeded = {open_tiny(ModelRequest(spec=tiny, seed=seed)).weights for seed in (0, 7)}
    assert len(seeded) == 2
    assert open_tiny(ModelRequest(spec=resolve("tiny/7"))).weights in seeded
    for name in ("tiny/x", "tiny/-1", "tiny/²"):
        with pytest.raises(TeachMattersError, match="a whole number"):
            resolve(name)
    with pytest.raises(TeachMattersError, match="is untrained"):
        open_tiny(ModelRequest(spec=tiny, weights=Path("x.pth")))


def test_boards_become_finer() -> None:
    checkers = Checkers(3)
    edges = []
    for item in checkers.items("images", "all") or ():
        row = np.asarray(checkers.image(item))[5, :, 0].astype(int)
        edges.append(int((np.diff(row) != 0).sum()))
    assert edges == [1, 3, 5]
