"""The training loop of all methods. An interrupted and resumed training gives the same weights."""

from __future__ import annotations

import pickle
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn

from teachmatters.api.progress import Progress
from teachmatters.errors import TeachMattersError, listing
from teachmatters_train.method import Batch, Corpus, Method
from teachmatters_train.recipe import CLIP, Recipe, optimiser_of, seeded

SAVE_EVERY = 60.0  # seconds


@dataclass(slots=True)
class Training:
    """The state of a training.

    Attributes:
        method: the module that is trained.
        recipe: the number of steps, their order and learning rates.
        facts: the facts that a checkpoint must match to be resumed.
        device: the device to train on.
        step: the number of completed steps.
        losses: the loss of each completed step.
        seconds: the training time so far, including earlier sessions.
    """

    method: Method
    recipe: Recipe
    facts: Mapping[str, Any]
    device: torch.device
    step: int = 0
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0
    optimiser: torch.optim.AdamW = field(init=False)

    def __post_init__(self) -> None:
        self.method.to(self.device).train()
        if self.device.type == "cpu":
            _plain_attention(self.method)
        self.optimiser = optimiser_of(self.method, self.recipe)

    def run(self, corpus: Corpus, checkpoint: Path, progress: Progress) -> bool:
        """Train to the end, and save a checkpoint every minute.

        Returns:
            False if the user stopped the training; a checkpoint was saved then.

        Raises:
            TeachMattersError: the loss is not finite, or the checkpoint cannot be written.
        """
        progress.begin(str(self.facts["method"]), self.recipe.steps * self.recipe.size)
        progress.advance(self.step * self.recipe.size)
        saved, first = time.monotonic(), (self.step, self.seconds)
        with _polite() as asked:
            while self.step < self.recipe.steps:
                self._step(corpus)
                progress.advance(self.recipe.size)
                if asked or time.monotonic() - saved > SAVE_EVERY:
                    self.save(checkpoint)
                    saved = time.monotonic()
                    progress.say(self._told(*first))
                if asked:
                    return False
        return True

    def _step(self, corpus: Corpus) -> None:
        start, progress = time.monotonic(), self.step / self.recipe.steps
        indices = self.recipe.indices(self.step)
        images = torch.from_numpy(corpus.images[indices]).to(self.device)
        with seeded(self.recipe.seed, self.step), torch.autocast(self.device.type, torch.bfloat16):
            loss = self.method.loss(Batch(images, torch.from_numpy(indices).to(self.device)), progress)
        self.losses.append(loss.item())
        if not torch.isfinite(loss):
            raise TeachMattersError(f"the loss of step {self.step + 1} is {loss.item()}: the training diverged")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.method.before_step(progress)
        nn.utils.clip_grad_norm_(self.method.parameters(), CLIP, foreach=True)
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate(self.step)
        self.optimiser.step()
        self.method.after_step(progress)
        self.step += 1
        self.seconds += time.monotonic() - start

    def _told(self, first_step: int, first_seconds: float) -> str:
        rate = (self.step - first_step) * self.recipe.size / max(self.seconds - first_seconds, 1e-9)
        recent = self.losses[-50:]
        done = f"step {self.step:,} of {self.recipe.steps:,}"
        return f"{self.facts['method']}: {done}, loss {sum(recent) / len(recent):.3f}, {rate:.0f} images/s"

    def save(self, path: Path) -> None:
        """Write a checkpoint to a temporary file, then rename it."""
        content = {
            "facts": dict(self.facts),
            "method": self.method.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "losses": self.losses,
            "seconds": self.seconds,
        }
        part = path.with_name(path.name + ".part")
        try:
            torch.save(content, part)
            part.replace(path)
        except (OSError, RuntimeError) as error:
            raise TeachMattersError(f"cannot write the checkpoint {path}: {error}; free some disk space") from None

    def resume(self, path: Path) -> bool:
        """Load a checkpoint, if there is one.

        Returns:
            whether there was one.

        Raises:
            TeachMattersError: the checkpoint is damaged, or belongs to another training.
        """
        if not path.exists():
            return False
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            found = content["facts"]
        except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError):
            raise TeachMattersError(
                f"{path} is not a readable checkpoint of 'tm train'; use --force to start over"
            ) from None
        other = {name: value for name, value in found.items() if value != self.facts.get(name)}
        if other:
            told = listing(f"{name} {value}, not {self.facts.get(name)}" for name, value in other.items())
            raise TeachMattersError(
                f"{path} is the checkpoint of another training ({told}); repeat that command, give another --out, or "
                "use --force to start over"
            )
        self.method.load_state_dict(content["method"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.step, self.losses, self.seconds = content["step"], content["losses"], content["seconds"]
        return True


def _plain_attention(method: nn.Module) -> None:
    """Turn off fused attention, which takes three times as long on a CPU.

    The backward pass of the fused kernel is slow for bfloat16 and for heads of 16 channels.
    """
    for module in method.modules():
        if hasattr(module, "fused_attn"):
            setattr(module, "fused_attn", False)  # noqa: B010  (to mypy every attribute of a module is a tensor)


@contextmanager
def _polite() -> Iterator[list[int]]:
    """Let the current step finish after Ctrl-C or SIGTERM, which are added to the list; a second signal interrupts."""
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
