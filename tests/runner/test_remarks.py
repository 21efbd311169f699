"""Tests of remarks about ambiguous weight files: printed while measuring and stored with the numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch

from teachmatters.api.progress import NoProgress
from teachmatters.runner.requests import AnalyzeRequest
from teachmatters.runner.session.analyze import analyze
from tests.runner.session.test_analyze import Runs, run, statuses

pytestmark = pytest.mark.usefixtures("toys")
__all__ = ["run"]  # a fixture


class Heard(NoProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_the_choice_between_two_networks_is_reported_and_stored(run: Runs, tmp_path: Path) -> None:
    teacher = timm.create_model("test_vit", num_classes=0).state_dict()
    student = {name: value + 1 for name, value in teacher.items()}
    torch.save({"teacher": teacher, "student": student}, tmp_path / "run.pth")
    heard = Heard()
    request = AnalyzeRequest(
        models=["timm/test_vit"], metrics=["attn-distance"], db=run.path, data=["toys"], limit=2,
        weights=[str(tmp_path / "run.pth")],
    )  # fmt: skip
    assert statuses(analyze(request, heard)) == ["done"]
    (said,) = [line for line in heard.lines if "is taken" in line]
    assert said.startswith("timm/test_vit@run: ")
    assert "'teacher' is taken, not 'student'" in said
    ((notes,),) = run.rows("SELECT notes FROM runs")
    assert json.loads(notes)["weights"] == [said]
