"""Tests of the demo's choices on the shipped results; test_examples.py runs the demo itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from teachmatters.cli import output
from teachmatters.cli.measure import demo
from teachmatters.registry import load

SHIPPED = Path(__file__).parents[3] / "results.db"


def test_the_headline_and_the_figure_show_what_the_demo_measures() -> None:
    measured = {metric.name for name in demo.METRICS for metric in load().analyses[name].metrics}
    assert measured >= {*demo.FIRST, *demo.TASKS}


def test_the_headline_has_a_line_for_each_model_and_with_v_the_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = demo.headline(SHIPPED).splitlines()
    assert sum("mini-" in line for line in lines) == 7
    assert len(lines) < 15
    assert "95 %" not in "".join(lines)
    monkeypatch.setattr(output, "level", output.VERBOSE)
    assert "95 %" in demo.headline(SHIPPED)
