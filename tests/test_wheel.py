"""Tests of the installed wheel, where there is no checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from teachmatters.runner.study.files import packaged
from tests.building import ROOT

EVERY_REPORT = """
import teachmatters
from teachmatters import registry
from teachmatters.registry import load_object
from teachmatters.reports.run import run_report
from teachmatters.reports.options import Options
from teachmatters.store.location import reading_path

print(teachmatters.__file__)
path, remark = reading_path(None)
for spec in registry.load().reports.values():
    if spec.name == "published":  # needs ImageNet, which the shipped store does not have
        continue
    report = run_report(spec, path, Options())
    assert len(report.table), spec.name
    if spec.name == "heads":  # figures read no files: one stands for all
        report.figure()
    elif spec.draw:
        load_object(spec.draw)
"""


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to put on Python's path."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(installed: Path, where: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=where, env=environment, capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    return done.stdout


def test_the_wheel_holds_the_results_and_no_more_than_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert archive.read("teachmatters/results.db") == (ROOT / "results.db").read_bytes()
    assert {f"teachmatters/runner/study/packaged/{name}.yaml" for name in packaged()} <= set(names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"teachmatters"}
    assert wheel.stat().st_size < 20e6


def test_every_report_runs_where_there_is_no_checkout(installed: Path, tmp_path: Path) -> None:
    said = run(installed, tmp_path, "-c", EVERY_REPORT)
    assert Path(said.splitlines()[0]).is_relative_to(installed)
    assert list(tmp_path.iterdir()) == []


def test_the_installed_command_measures(installed: Path, tmp_path: Path) -> None:
    analyze = ["analyze", "--model", "mini-dino", "--metric", "attn-distance", "--limit", "2", "--format", "json"]
    assert '"attn-distance"' in run(installed, tmp_path, "-m", "teachmatters", *analyze)
    assert (tmp_path / "results.db").exists()
