from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from teachmatters.api.progress import NoProgress
from teachmatters.errors import TeachMattersError
from teachmatters_train import card, loop
from teachmatters_train.loop import Training
from teachmatters_train.method import Batch, Corpus, Method
from teachmatters_train.recipe import Recipe

Small = Callable[[str], Any]
FACTS = {"method": "dino", "seed": 0}


class Said(NoProgress):
    """Remembers what it is given."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.done = 0

    def say(self, text: str) -> None:
        self.said.append(text)

    def begin(self, label: str, total: int) -> None:
        self.done = 0

    def advance(self, count: int) -> None:
        self.done += count


class Line(Method):
    """Pulls one number up; steps cost nothing."""

    def __init__(self, interrupt_at: int = -1) -> None:
        super().__init__(torch.nn.Linear(1, 1), Corpus(np.zeros((0,), np.uint8), None, 0, []))
        self.interrupt_at, self.calls = interrupt_at, 0

    def loss(self, batch: Batch, progress: float) -> torch.Tensor:
        if self.calls == self.interrupt_at:
            signal.raise_signal(signal.SIGINT)
        self.calls += 1
        loss: torch.Tensor = (self.backbone.weight - torch.rand(1)).square().sum()
        return loss


def training(method: Method, **facts: Any) -> Training:
    recipe = Recipe(images=16, epochs=2, batch=8)
    return Training(method, recipe, FACTS | facts, torch.device("cpu"))


@pytest.mark.parametrize("name", ["dino", "moco", "clip"])
def test_an_interrupted_training_ends_with_the_same_weights(
    name: str, corpus: Corpus, small: Small, tmp_path: Path
) -> None:
    whole = training(small(name))
    whole.run(corpus, tmp_path / "whole.ckpt", Said())
    first = training(small(name))
    for _ in range(2):
        first._step(corpus)
    first.save(tmp_path / "half.ckpt")
    second = training(small(name))
    assert second.resume(tmp_path / "half.ckpt")
    assert second.step == 2
    second.run(corpus, tmp_path / "half.ckpt", Said())
    assert second.losses == whole.losses
    for key, value in whole.method.state_dict().items():
        assert torch.equal(value, second.method.state_dict()[key]), key


def test_ctrl_c_finishes_the_step_and_keeps_a_checkpoint(corpus: Corpus, tmp_path: Path) -> None:
    path, display = tmp_path / "line.ckpt", Said()
    before = signal.getsignal(signal.SIGINT)
    assert not training(Line(interrupt_at=1)).run(corpus, path, display)
    assert signal.getsignal(signal.SIGINT) is before
    assert display.done == 16
    assert display.said[0].startswith("dino: step 2 of 4, loss ")
    again = training(Line())
    assert again.resume(path)
    assert again.run(corpus, path, Said())
    assert again.step == 4


def test_checkpoints_are_written_at_intervals(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    steps: list[int] = []
    monkeypatch.setattr(Training, "save", lambda self, path: steps.append(self.step))
    assert training(Line()).run(corpus, tmp_path / "line.ckpt", Said())
    assert steps == [1, 2, 3, 4]


def test_without_a_checkpoint_training_starts_at_the_beginning(tmp_path: Path) -> None:
    assert not training(Line()).resume(tmp_path / "none.ckpt")


def test_the_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    training(Line()).save(tmp_path / "line.ckpt")
    with pytest.raises(TeachMattersError, match=r"another training \(seed 0, not 1\); repeat that command"):
        training(Line(), seed=1).resume(tmp_path / "line.ckpt")


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 torn"])
def test_a_damaged_checkpoint_is_a_one_line_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "line.ckpt").write_bytes(content)
    with pytest.raises(
        TeachMattersError, match="is not a readable checkpoint of 'tm train'; use --force to start over"
    ):
        training(Line()).resume(tmp_path / "line.ckpt")


def test_a_loss_that_is_not_finite_ends_the_training(corpus: Corpus) -> None:
    method = Line()
    torch.nn.init.constant_(method.backbone.weight, float("nan"))
    with pytest.raises(TeachMattersError, match="the loss of step 1 is nan"):
        training(method)._step(corpus)


def test_an_unwritable_checkpoint_is_a_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(TeachMattersError, match="cannot write the checkpoint"):
        training(Line()).save(tmp_path / "nowhere" / "line.ckpt")


def test_every_image_is_seen_once_an_epoch_in_another_order() -> None:
    recipe = Recipe(images=50, epochs=2, batch=16)
    orders = [
        [*recipe.indices(epoch * 3), *recipe.indices(epoch * 3 + 1), *recipe.indices(epoch * 3 + 2)] for epoch in (0, 1)
    ]
    assert recipe.steps == 6
    assert all(len(set(order)) == 48 for order in orders)
    assert orders[0] != orders[1]
    assert recipe.indices(4).tolist() == recipe.indices(4).tolist()
    assert Recipe(images=50, epochs=2, batch=16, seed=1).indices(0).tolist() != recipe.indices(0).tolist()


def test_a_set_smaller_than_a_batch_is_one_step() -> None:
    recipe = Recipe(images=5, epochs=3, batch=64)
    assert (recipe.size, recipe.steps) == (5, 3)


def test_weight_files_record_their_provenance(corpus: Corpus, tmp_path: Path) -> None:
    finished = training(Line())
    finished.run(corpus, tmp_path / "line.ckpt", Said())
    card.write(finished, "tm train --method dino", {"dataset": "toys"}, tmp_path / "mini-dino.safetensors")
    told = json.loads((tmp_path / "mini-dino.json").read_text("utf-8"))
    expected = {"model": "mini-dino", "images_seen": 32, "distinct_images": 16, "steps": 4, "batch_size": 8}
    assert {key: told[key] for key in expected} == expected
    assert told["command"] == "tm train --method dino"
    assert told["data"] == {"dataset": "toys"}
    assert [images for images, _ in told["loss_curve"]] == [8, 16, 24, 32]
    assert told["loss_curve"][-1][1] == pytest.approx(finished.losses[-1], abs=1e-4)
    weights = load_file(tmp_path / "mini-dino.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float16}
    backbone = finished.method.backbone
    # Matrices keep the 8 digits that the training's products used, biases the 11 of half precision.
    torch.testing.assert_close(weights["weight"].float(), backbone.weight.detach().bfloat16().float(), atol=0, rtol=0)
    torch.testing.assert_close(weights["bias"].float(), backbone.bias.detach(), atol=0, rtol=2**-11)
    assert (tmp_path / "mini-dino.png").read_bytes()[:4] == b"\x89PNG"


def test_a_weight_too_large_for_half_precision_is_refused(tmp_path: Path) -> None:
    method = Line()
    torch.nn.init.constant_(method.backbone.weight, 1e6)
    with pytest.raises(TeachMattersError, match=r"weight does not fit half precision \(its largest is 1e\+06\)"):
        card.write(training(method), "", {}, tmp_path / "mini-dino.safetensors")
    assert not (tmp_path / "mini-dino.safetensors").exists()
