from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from teachmatters.api import ModelRequest
from teachmatters.errors import TeachMattersError
from teachmatters.models.mini.sources import open_mini
from teachmatters.models.mini.specs import mini_specs
from teachmatters_train.cli import app
from teachmatters_train.request import Request

FEW = ["--data", "digits", "--limit", "8", "--batch-size", "4", "--threads", "1"]


def run(*words: str) -> Result:
    return CliRunner().invoke(app, [*words], catch_exceptions=False, standalone_mode=False)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TM_TRAIN_CACHE", str(tmp_path / "cache"))


def test_it_is_a_command_of_tm() -> None:
    (entry,) = entry_points(group="teachmatters", name="train")
    (spec,) = entry.load().register_commands()
    assert (spec.name, spec.app) == ("train", "teachmatters_train.cli:app")


def test_a_few_images_become_a_model(tmp_path: Path) -> None:
    answer = run("--method", "mae", *FEW)
    out = tmp_path / "build" / "train" / "mini-mae.safetensors"
    assert answer.stdout.strip() == str(Path("build", "train", "mini-mae.safetensors"))
    spec = next(spec for spec in mini_specs() if spec.name == "mini-mae")
    model = open_mini(ModelRequest(spec=spec, weights=out)).build()
    assert torch.isfinite(model.forward(torch.zeros(1, 3, 64, 64))).all()
    card = json.loads(out.with_suffix(".json").read_text("utf-8"))
    assert card["images_seen"] == 8
    command = "tm train --method mae --data digits --epochs 1 --batch-size 4 --seed 0 --limit 8 --threads 1"
    assert card["command"] == command
    assert card["optimiser"].startswith("AdamW 0.0015, ")  # the method's own
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} == {
        ".npy",
        ".json",
        ".lock",
    }  # no checkpoint is left
    before = out.read_bytes()
    run("--method", "mae", *FEW)
    assert out.read_bytes() == before


def test_the_rate_can_be_chosen(tmp_path: Path) -> None:
    run("--method", "supervised", *FEW, "--learning-rate", "0.0002", "--out", "mine.safetensors")
    card = json.loads((tmp_path / "mine.json").read_text("utf-8"))
    assert card["optimiser"].startswith("AdamW 0.0002, ")
    assert "--batch-size 4 --learning-rate 0.0002 --seed 0" in card["command"]


def test_the_cache_has_one_checkpoint_per_weight_file(tmp_path: Path) -> None:
    def checkpoint(out: str) -> Path:
        request = Request(
            method="mae", data="digits", data_root=None, parameters=(), epochs=1, limit=None, batch_size=None,
            learning_rate=None, seed=0, threads=None, device="cpu", out=Path(out), force=False,
        )  # fmt: skip
        return request.checkpoint

    assert checkpoint("mine.safetensors").parent == tmp_path / "cache"
    assert checkpoint("mine.safetensors") == checkpoint(str(tmp_path / "mine.safetensors"))
    assert checkpoint("mine.safetensors") != checkpoint("other/mine.safetensors")


def test_an_impossible_cache_is_a_one_line_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TM_TRAIN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(
        TeachMattersError, match="for prepared images and checkpoints; set TM_TRAIN_CACHE to another folder"
    ):
        run("--method", "mae", *FEW)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--method", "dyno"], "unknown method 'dyno'. Did you mean 'dino'?"),
        (["--method", "mae", "--data", "digit"], "unknown data set 'digit'. Did you mean 'digits'?"),
        (["--method", "mae", "--epochs", "0"], "--epochs 0 is out of range"),
        (["--method", "mae", "--batch-size", "1"], "--batch-size 1 is out of range"),
        (["--method", "mae", "--learning-rate", "0"], "--learning-rate 0 is out of range"),
        (["--method", "mae", "--out", "mae.pth"], "must end in .safetensors"),
        (["--method", "mae", "--out", "nowhere/mae.safetensors"], "there is no folder 'nowhere'"),
        (["--method", "mae", "--device", "tpu", *FEW], "unknown device 'tpu'"),
        (["--method", "mae", "--data", "digits", "--param", "train=5"], "unknown parameter 'train'"),
        (["--method", "supervised", "--data", "photos"], "data set 'photos' has no labels here"),
    ],
)
def test_invalid_options_are_one_line_errors(words: list[str], told: str) -> None:
    with pytest.raises(TeachMattersError) as error:
        run(*words)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
    assert not Path("build", "train").exists() or "dyno" not in words
