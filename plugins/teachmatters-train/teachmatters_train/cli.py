"""``tm train``: train one small network with six kinds of supervision."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from teachmatters.cli import options as given
from teachmatters.cli import output
from teachmatters.errors import TeachMattersError

HELP = """Train a mini model: labels, captions, self-distillation, contrast or masks.

The methods are supervised, clip, dino, moco, mae and beit. They share the network, its initialisation, the images and
the optimiser; batch size and learning rate are tuned for each method. The command writes the weights
(FILE.safetensors), a card that describes them (FILE.json) and the loss curve (FILE.png). Ctrl-C saves a checkpoint in
the user's cache; run the same command to resume.

Examples:

  tm train --method dino --data scenes --epochs 2

  tm train --method mae --limit 256 --out mine.safetensors

  tm analyze --model mini-mae --weights mine.safetensors --metric attn-distance --limit 20
"""


def train(
    method: Annotated[str, typer.Option("--method", help="supervised, clip, dino, moco, mae or beit.")],
    data: Annotated[str, typer.Option("--data", "-d", metavar="NAME", help="The data set.")] = "scenes",
    data_root: given.DataRootOption = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter of the data set, such as train=40000."),
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", metavar="N", help="The number of epochs.")] = 1,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", help="Use only the first N images.")] = None,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", "-b", metavar="N", help="Images per step. Default: depends on the method."),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option("--learning-rate", metavar="X", help="The peak learning rate. Default: depends on the method."),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="The seed of the weights, the order of images and their views.")
    ] = 0,
    threads: Annotated[
        int | None, typer.Option("--threads", metavar="N", help="The number of CPU threads. Default: all cores.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="The file for the weights. Default: build/train/mini-METHOD.safetensors."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Ignore any checkpoint and start over.")] = False,
) -> None:
    """Train a mini model."""
    from teachmatters_train import methods
    from teachmatters_train.request import Request, carry_out

    methods.check(method)
    for value, option in ((epochs, "--epochs"), (limit, "--limit"), (threads, "--threads")):
        if value is not None:
            given.at_least(value, 1, option)
    if batch_size is not None:
        given.at_least(batch_size, 2, "--batch-size")
    if learning_rate is not None:
        given.above(learning_rate, 0, "--learning-rate")
    given.at_least(seed, 0, "--seed")
    request = Request(
        method=method,
        data=data,
        data_root=data_root,
        parameters=tuple(param or ()),
        epochs=epochs,
        limit=limit,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        threads=threads,
        device=device,
        out=_target(out, method),
        force=force,
    )
    with output.progress() as display:
        finished = carry_out(request, display)
    if not finished:
        output.say(f"stopped; run the same command to resume from {request.checkpoint}")
        raise typer.Exit(130)
    output.say(f"wrote {request.out}, its card and its loss curve; load it with --model mini-{method} --weights")
    output.emit(str(request.out))


def _target(out: Path | None, method: str) -> Path:
    """Return the path for the weights, and make the default folder.

    Raises:
        TeachMattersError: the folder cannot be made, or the name does not end in .safetensors.
    """
    path = out or Path("build", "train", f"mini-{method}.safetensors")
    if out is None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TeachMattersError(f"cannot create {path.parent} ({error.strerror}); name a file with --out") from None
    given.check_target(path, "--out", (".safetensors",))
    return path


app = given.single(train, HELP)
