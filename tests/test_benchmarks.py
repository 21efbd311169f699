"""Tests of benchmarks against other programs: both ways give the same numbers, and nothing is left behind."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from benchmarks import large_gallery
from benchmarks.alternatives import growth, pairs, passes, solvers


def test_the_paper_method_gives_the_numbers_of_one_pass() -> None:
    theirs, ours = passes(images=8, layers=2, tokens=17, width=64)
    assert len(ours()) == 4
    assert torch.allclose(theirs(), ours(), atol=1e-6)


@pytest.mark.parametrize("name", ["k-NN", "k-means", "logistic regression"])
def test_scikit_learn_gives_the_same_numbers(name: str) -> None:
    theirs, ours = solvers(images=200, width=16)[name]
    assert torch.allclose(theirs().double(), ours().double(), atol=1e-4)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
def test_growth_prints_each_size_and_the_slopes(capsys: pytest.CaptureFixture[str]) -> None:
    growth("pairs", [8, 16], lambda images: pairs(images, 2, 8), rounds=1)
    title, *sizes, slopes = capsys.readouterr().out.splitlines()
    assert title == "pairs"
    assert [int(line.split()[0]) for line in sizes] == [8, 16]
    assert all(float(line.split()[-1]) < 1e-5 for line in sizes)
    assert slopes.startswith("  slope of time")


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
def test_a_large_gallery_is_measured_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(large_gallery, "GALLERY_BLOCK", 500)
    monkeypatch.setattr(large_gallery, "SIGNAL", 1.0)  # easily told apart
    sizes = {"images": 1100, "queries": 8, "width": 64, "classes": 4}
    options = [word for name, number in sizes.items() for word in (f"--{name}", str(number))]
    monkeypatch.setattr(sys, "argv", ["large_gallery", *options])
    large_gallery.main()
    shown = re.findall(r"^  (\S+) +([\d.]+) %", capsys.readouterr().out, re.MULTILINE)
    assert [name for name, _ in shown] == ["k-NN", "ridge", "retrieval"]
    assert all(float(percent) > 90 for _, percent in shown)
    assert not list(tmp_path.iterdir())
