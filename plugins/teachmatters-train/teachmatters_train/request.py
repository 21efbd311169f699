"""A request for a training, and its execution up to the files on disk."""

from __future__ import annotations

import hashlib
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teachmatters.api.progress import Progress
from teachmatters.errors import TeachMattersError
from teachmatters_train import methods
from teachmatters_train.training_set import Source, gather

if TYPE_CHECKING:
    from teachmatters_train.method import Method


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The options of ``tm train``."""

    method: str
    data: str
    data_root: Path | None
    parameters: tuple[str, ...]
    epochs: int
    limit: int | None
    batch_size: int | None
    learning_rate: float | None
    seed: int
    threads: int | None
    device: str
    out: Path
    force: bool

    @property
    def checkpoint(self) -> Path:
        """Return the path of the checkpoint, in the user's cache; each output file has its own."""
        place = hashlib.sha256(str(self.out.resolve()).encode()).hexdigest()[:8]
        return cache_folder() / f"{self.out.stem}-{place}.ckpt"

    @property
    def command(self) -> str:
        """Return the command that repeats it, without the paths of data and weights, which differ between machines."""
        words = ["tm", "train", "--method", self.method, "--data", self.data]
        words += [word for text in self.parameters for word in ("--param", text)]
        words += ["--epochs", str(self.epochs)]
        words += [] if self.batch_size is None else ["--batch-size", str(self.batch_size)]
        words += [] if self.learning_rate is None else ["--learning-rate", f"{self.learning_rate:g}"]
        words += ["--seed", str(self.seed)]
        words += [] if self.limit is None else ["--limit", str(self.limit)]
        words += [] if self.threads is None else ["--threads", str(self.threads)]
        return shlex.join(words)


def cache_folder() -> Path:
    """Return the folder for prepared images and checkpoints: TM_TRAIN_CACHE, else one in the user's cache.

    Raises:
        TeachMattersError: the folder cannot be created.
    """
    from platformdirs import user_cache_path

    given = os.environ.get("TM_TRAIN_CACHE")
    folder = Path(given).expanduser() if given else user_cache_path("teachmatters") / "train"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TeachMattersError(
            f"cannot create {folder} ({error.strerror}) for prepared images and checkpoints; "
            "set TM_TRAIN_CACHE to another folder"
        ) from None
    return folder


def carry_out(request: Request, progress: Progress) -> bool:
    """Prepare the images, train, and write the weights, the card and the loss curve.

    Returns:
        False if the user stopped the training.

    Raises:
        TeachMattersError: a name is unknown, the data lack what the method needs, or a file cannot be written.
    """
    kind = methods.find(request.method)
    source = _source(request)
    if not os.access(request.out.parent, os.W_OK):
        raise TeachMattersError(f"--out {request.out}: cannot write to {request.out.parent}; name another folder")
    corpus, name = gather(source, kind.needs, cache_folder(), progress)
    training = _training(request, kind, corpus, name)
    if request.force:
        request.checkpoint.unlink(missing_ok=True)
    if training.resume(request.checkpoint):
        progress.say(f"resuming {request.checkpoint} after step {training.step:,} of {training.recipe.steps:,}")
    if not training.run(corpus, request.checkpoint, progress):
        return False
    from teachmatters_train import card

    facts = {"dataset": request.data, "parameters": dict(source.parameters), "limit": request.limit, "sha256": name}
    card.write(training, request.command, facts, request.out)
    request.checkpoint.unlink(missing_ok=True)
    return True


def _source(request: Request) -> Source:
    from teachmatters.registry import load
    from teachmatters.runner.plan.parameters import effective, given_parameters

    spec = load().dataset(request.data)
    parameters = effective(spec, "", given_parameters(request.parameters, [spec]))
    return Source(spec=spec, root=request.data_root, parameters=parameters, limit=request.limit, seed=request.seed)


def _training(request: Request, kind: type[Method], corpus: Any, name: str) -> Any:
    """Build the training, initialised from the seed; all methods start from the same backbone."""
    import torch

    from teachmatters.models.mini.sources import mini_network
    from teachmatters.runner.forward.device import find_device
    from teachmatters_train.loop import Training
    from teachmatters_train.recipe import Recipe, seeded

    if request.threads is not None:
        torch.set_num_threads(request.threads)
    size = len(corpus.images)
    settings = kind.settings
    recipe = Recipe(
        images=size,
        epochs=request.epochs,
        batch=request.batch_size or settings.batch,
        peak=request.learning_rate or settings.rate,
        warm_up=settings.warm_up,
        decay=settings.decay,
        seed=request.seed,
    )
    with seeded(request.seed, 0):
        method = kind(mini_network(request.seed), corpus)
    facts = {"method": request.method, "data": name, "epochs": recipe.epochs, "batch": recipe.size}
    facts |= {"rate": recipe.peak, "seed": recipe.seed}
    return Training(method, recipe, facts, find_device(request.device))
