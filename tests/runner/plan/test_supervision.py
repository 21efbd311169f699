"""Tests of the column ``supervision``, which stays blank unless it is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from teachmatters import registry
from teachmatters.api.progress import NoProgress
from teachmatters.runner.requests import AnalyzeRequest
from teachmatters.runner.session.analyze import analyze
from teachmatters.runner.study.resolve import open_study
from tests.runner.session.test_analyze import Runs, run, statuses

pytestmark = pytest.mark.usefixtures("toys")
__all__ = ["run"]  # a fixture

WORDS = "SELECT DISTINCT model, family, supervision FROM results ORDER BY 1, 3"


def test_a_file_does_not_take_the_supervision_of_the_spec(run: Runs) -> None:
    run("toy-a mine=toy-a", "attn-distance", weights=["mine=any.pth"], limit=2)
    assert run.rows(WORDS) == [("mine", "toy", ""), ("toy-a", "toy", "none")]


def test_the_users_supervision_wins(run: Runs) -> None:
    options: dict[str, Any] = {"weights": ["mine=any.pth"], "limit": 2}
    run("toy-b mine=toy-a", "attn-distance", supervision=["mine=labels", "toy-b=fine-tuned"], **options)
    assert run.rows(WORDS) == [("mine", "toy", "labels"), ("toy-b", "toy", "fine-tuned")]


class Heard(NoProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_a_reused_run_keeps_its_supervision_and_a_note_says_so(run: Runs) -> None:
    def again(**options: Any) -> tuple[list[str], list[str]]:
        request = AnalyzeRequest(
            models=["mine=toy-a"], metrics=["attn-distance"], db=run.path, data=["toys"], limit=2,
            weights=["mine=any.pth"], **options,
        )  # fmt: skip
        heard = Heard()
        outcomes = analyze(request, heard)
        return statuses(outcomes), [line for line in heard.lines if "supervision" in line]

    assert again() == (["done"], [])
    kept = (
        f"mine: runs in {run.path} have the supervision none known and keep it; --force measures them again with "
        "'labels'"
    )
    assert again(supervision=["labels"]) == (["reused"], [kept])
    assert again(supervision=["labels"], force=True) == (["done"], [])
    assert run.rows(WORDS) == [("mine", "toy", "labels")]
    assert again(supervision=["lables"]) == (
        ["reused"],
        [
            "mine: the supervision 'lables' is used as written. Did you mean 'labels'?",
            f"mine: runs in {run.path} have the supervision none known, 'labels' and keep it; --force measures them "
            "again with 'lables'",
        ],
    )


def test_a_study_notes_it_too(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text("models:\n- {name: toy-a, label: mine, supervision: label}\nmeasure: knn\n", "utf-8")
    study = open_study(registry.load(), file)
    assert [(model.label, model.supervision) for model in study.models] == [("mine", "label")]
    assert study.remarks[0] == "mine: the supervision 'label' is used as written. Did you mean 'labels'?"
