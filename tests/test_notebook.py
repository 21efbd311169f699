"""Tests that the example notebook runs and that the page in the docs shows its stored outputs."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


def script() -> Any:
    spec = importlib.util.spec_from_file_location("notebook", ROOT / "docs" / "notebook.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cells() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((ROOT / "examples" / "first-hour.ipynb").read_text("utf-8"))["cells"]
    return found


def kinds(cell: dict[str, Any]) -> list[str]:
    return sorted(kind for output in cell.get("outputs", []) for kind in output.get("data", {}) if kind != "text/plain")


def test_it_runs_and_shows_three_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fresh = cells()
    script().run(fresh)
    assert sum("image/png" in kinds(cell) for cell in fresh) == 3
    assert [kinds(cell) for cell in fresh] == [kinds(cell) for cell in cells()], "what is stored is what it shows"
    assert [path.name for path in tmp_path.glob("*.db")] == ["first-hour.db"]


def test_the_page_equals_the_notebook() -> None:
    notebook = script()
    text, images = notebook.page(cells())
    assert notebook.PAGE.read_text("utf-8") == text
    assert {path.name: path.read_bytes() for path in notebook.IMAGES.iterdir()} == images
    assert str(ROOT) not in notebook.NOTEBOOK.read_text("utf-8")
