"""The walk on bundled data: the commands of the README run it whole, and here is what it must not trip over."""

from __future__ import annotations

from pathlib import Path

import pytest

from teachmatters.cli.measure import demo
from teachmatters.reports.figures import plots

SHIPPED = Path(__file__).parents[3] / "results.db"


def test_reports_of_metrics_that_were_not_measured_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Plugins bring reports too, and the demo measures the built-in suites alone."""
    saved: list[Path] = []
    monkeypatch.setattr(plots, "save", lambda figure, path: saved.append(path))
    figures = demo._draw(SHIPPED, tmp_path, {"davis-jf"})
    assert figures == saved == [tmp_path / f"{name}.png" for name in ("best-layers", "scatter", "video")]
    assert "mini-supervised" in capsys.readouterr().out
