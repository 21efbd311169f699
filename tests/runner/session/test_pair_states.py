"""Tests of cached states of comparisons: found only if nothing that affects them has changed."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from teachmatters.cache.entry import entries
from teachmatters.cache.states import load_state
from tests.runner.features.test_features import Said
from tests.runner.session.test_analyze import Runs, forwards, run, statuses

pytestmark = pytest.mark.usefixtures("toys")
__all__ = ["forwards", "run"]  # fixtures

VALUES = "SELECT model, other_model, layer, other_layer, value FROM results ORDER BY 1, 2, 3, 4"


def test_a_model_with_a_stored_state_needs_no_pass(run: Runs, forwards: Counter[str], tmp_path: Path) -> None:
    run("toy-a toy-b", "toy-similarity")
    forwards.clear()
    assert set(statuses(run("again=toy-a toy-c toy-b", "toy-similarity"))) == {"done", "reused"}
    assert forwards == {"3": 21}, "only toy-c, whatever the labels"
    fresh = Runs(tmp_path / "fresh.db")
    fresh("again=toy-a toy-c toy-b", "toy-similarity")
    both = [[row for row in each.rows(VALUES) if "toy-a" not in row[:2]] for each in (run, fresh)]
    assert both[0] == both[1]


@pytest.mark.parametrize(
    "other",
    [
        {"param": ["batch=5"]},
        {"param": ["count=20"]},
        {"limit": 12},
        {"seed": 1},
        {"dtype": "bfloat16"},
        {"force": True},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_changed_state_needs_a_pass(run: Runs, forwards: Counter[str], other: dict[str, object]) -> None:
    run("toy-b", "toy-similarity")
    forwards.clear()
    run("x=toy-b", "toy-similarity", **other)
    assert forwards["2"] > 0


def test_a_stored_state_must_hold_all_requested_metrics(run: Runs, forwards: Counter[str]) -> None:
    run("toy-b", "toy-similarity")
    run("x=toy-b", "toy-pairs")
    assert forwards["2"] == 42
    run("y=toy-b", "toy-similarity")
    assert forwards["2"] == 42


def test_bad_images_are_remembered(run: Runs) -> None:
    run("toy-b", "toy-similarity", param=["bad=2"])
    run("x=toy-b", "toy-similarity", param=["bad=2"])
    assert run.rows("SELECT n_items, n_skipped FROM runs") == [(20, 1), (20, 1)]


def test_an_unwritable_folder_only_costs_passes(run: Runs, forwards: Counter[str]) -> None:
    run.path.with_name(run.path.name + ".cache").write_text("in the way")
    for label in ("x", "y"):
        assert statuses(run(f"{label}=toy-b", "toy-similarity")) == ["done"]
    assert forwards["2"] == 42


def _cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def _changed(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3] + b"abc")


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [_cut_off, _changed, _emptied])
def test_a_damaged_state_is_reported_once_and_measured_again(
    run: Runs, forwards: Counter[str], monkeypatch: pytest.MonkeyPatch, harm: Callable[[Path], None]
) -> None:
    run("toy-b", "toy-similarity")
    (path,) = run.path.with_name(run.path.name + ".cache").glob("toy-pairs-*/state.safetensors")
    (entry,) = entries(path.parents[1])
    whole = load_state(path, entry.key)
    harm(path)
    forwards.clear()
    said = Said()
    monkeypatch.setattr("teachmatters.runner.session.analyze.NoProgress", lambda: said)
    assert set(statuses(run("x=toy-b y=toy-b toy-b", "toy-similarity"))) == {"done", "reused"}
    assert said.lines == [f"{path} is damaged, belongs to another model or cannot be read: its model runs again"]
    assert forwards == {"2": 21}
    np.testing.assert_equal(load_state(path, entry.key), whole)


def test_the_state_of_another_model_is_not_reused(run: Runs, forwards: Counter[str], tmp_path: Path) -> None:
    """Whether the file alone was filed under the other's name, or the whole folder."""
    run("toy-a toy-b", "toy-similarity")
    one, two = sorted(entries(run.path.with_name(run.path.name + ".cache")), key=lambda entry: entry.facts["model"])
    right = run.rows(VALUES)
    for names in (["state.safetensors"], ["state.safetensors", "about.json"]):
        for name in names:
            (two.path / name).write_bytes((one.path / name).read_bytes())
        forwards.clear()
        again = Runs(tmp_path / f"{len(names)}.db")
        shutil.copytree(one.path.parent, again.path.with_name(again.path.name + ".cache"))
        again("toy-a toy-b", "toy-similarity")
        assert forwards == {"2": 21}
        assert again.rows(VALUES) == right


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{}", "[]", "null", '{"teachmatters": [], "facts": 1, "holds": []}', ""]
)
def test_a_damaged_description_is_rewritten(run: Runs, forwards: Counter[str], text: str) -> None:
    run("toy-b", "toy-similarity")
    (path,) = run.path.with_name(run.path.name + ".cache").glob("toy-pairs-*/about.json")
    whole = json.loads(path.read_text())
    path.write_text(text)
    forwards.clear()
    assert statuses(run("x=toy-b", "toy-similarity")) == ["done"]
    assert forwards == {"2": 21}
    assert json.loads(path.read_text()) == whole
