"""Tests of the checkpoints of a run: found by a pattern, ordered by step."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from teachmatters import registry
from teachmatters.errors import TeachMattersError
from teachmatters.runner.plan.checkpoint_series import checkpoints_of
from teachmatters.runner.plan.models import labelled_models


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()


@pytest.mark.parametrize(
    ("names", "pattern", "steps"),
    [
        (["ckpt-10.pth", "ckpt-9.pth", "ckpt-0100.pth"], "ckpt-*.pth", [9, 10, 100]),
        (["vit16_7.pth", "vit16_8.pth"], "vit16_[0-9].pth", [7, 8]),
        (["a1/weights.pth", "a20/weights.pth"], "a*/weights.pth", [1, 20]),
        (["checkpoint-500/model.safetensors", "checkpoint-1000/model.safetensors"], "checkpoint-*", [500, 1000]),
    ],
)
def test_the_step_is_the_number_that_the_wildcard_matches(
    tmp_path: Path, names: list[str], pattern: str, steps: list[int]
) -> None:
    touch(tmp_path, *names)
    assert list(checkpoints_of(str(tmp_path / pattern))) == steps


def test_the_step_may_be_in_the_file(tmp_path: Path) -> None:
    for name, content in {
        "last.pth": {"epoch": 3, "global_step": torch.tensor(300)},
        "best.pth": {"epoch": 2, "model": {}},
    }.items():
        torch.save(content, tmp_path / name)
    assert checkpoints_of(str(tmp_path / "*.pth")) == {2: tmp_path / "best.pth", 300: tmp_path / "last.pth"}


def test_a_network_is_selected_in_every_file(tmp_path: Path) -> None:
    touch(tmp_path, "1.pth", "2.pth")
    assert checkpoints_of(f"{tmp_path}/*.pth#teacher") == {n: Path(f"{tmp_path}/{n}.pth#teacher") for n in (1, 2)}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "no file matches"),
        (["ckpt-1.pth", "ckpt-01.pth"], "are both of step 1"),
    ],
)
def test_a_series_without_steps_is_refused(tmp_path: Path, names: list[str], message: str) -> None:
    touch(tmp_path, *names)
    with pytest.raises(TeachMattersError, match=message):
        checkpoints_of(str(tmp_path / "ckpt-*.pth"))


def test_a_file_without_a_step_is_named(tmp_path: Path) -> None:
    torch.save({"model": {}, "epoch": True}, tmp_path / "best.pth")
    with pytest.raises(TeachMattersError, match=r"best\.pth: its step is unknown"):
        checkpoints_of(str(tmp_path / "*.pth"))


def labels(models: list[str], weights: list[str], seed: int | None = None) -> list[str]:
    return [model.label for model in labelled_models(registry.load(), models, weights, (), seed)]


def test_each_checkpoint_is_a_model_labelled_by_its_step(tmp_path: Path) -> None:
    touch(tmp_path, "ckpt-20.pth", "ckpt-3.pth", "final.pth")
    series = f"{tmp_path}/ckpt-*.pth"
    assert labels(["run=dino-s16"], [f"run={series}"]) == ["run@3", "run@20"]
    assert labels(["dino-s16"], [series], seed=1) == ["dino-s16-seed1@3", "dino-s16-seed1@20"]
    assert labels(["run=dino-s16", "mae-b16"], [f"run={tmp_path}/final.pth"], seed=4) == ["run-seed4", "mae-b16"]
    with pytest.raises(TeachMattersError, match="--label-seed 1: it applies only to checkpoints"):
        labels(["dino-s16"], [], seed=1)
