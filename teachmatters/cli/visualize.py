"""``tm visualize``: attention laid over images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from teachmatters.cli import options as given
from teachmatters.cli import output
from teachmatters.cli.figures import Drawings, figures_of
from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    from teachmatters.runner.visualize.visualize import FailedImage

HELP = """Lay a model's attention over images: grids of layers, heads and the positions that look.

Three drawings of each image: layers x heads (of the first position), heads x positions (of the last layer), and
layers x positions (the mean over heads).

Examples:

  tm visualize images/cats/0.png --model random-s16

  tm visualize images/cats/0.png images/dogs/0.png -m random-s16 --layers 1,6,12 --heads 1-3 --grid layers-heads

  tm visualize images/dogs/1.png --model noise-b16 --grid layers-positions --positions center,3:2 --out maps
"""

GridChoice: TypeAlias = Literal["all", "layers-heads", "heads-positions", "layers-positions"]
ImagesArgument = Annotated[
    list[Path], typer.Argument(metavar="IMAGE...", help="Files; a folder stands for its images.", show_default=False)
]


def visualize(
    images: ImagesArgument,
    model: Annotated[
        list[str],
        typer.Option("--model", "-m", metavar="[LABEL=]NAME", help="A model or a pattern ('mini-*'); repeat for more."),
    ],
    layers: given.LayersOption = None,
    heads: Annotated[
        str | None, typer.Option("--heads", metavar="LIST", help="Only these heads, from 1: '1,6,12' or '1-3'.")
    ] = None,
    positions: Annotated[
        str | None,
        typer.Option(
            "--positions",
            metavar="LIST",
            help="Who looks: cls, top, left, center, right, bottom, spatial (the mean over patches), self (every patch "
            "at itself), ROW:COLUMN, diagonal (a patch of every row). Default: the first eight.",
        ),
    ] = None,
    grid: Annotated[GridChoice, typer.Option("--grid", help="Which drawing.")] = "all",
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the drawings go.")] = Path("attention"),
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weights",
            "-w",
            metavar="[LABEL=]FILE",
            help="A checkpoint for a model, instead of its own; #NAME behind it chooses a network in it.",
        ),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")] = "auto",
    dtype: Annotated[str, typer.Option("--dtype", help="float32, bfloat16 or float16.")] = "float32",
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="For untrained models.")] = 0,
) -> None:
    """Lay a model's attention over images."""
    from teachmatters.measures.attention_views import KINDS
    from teachmatters.runner.visualize.visualize import FailedImage, VisualizeRequest
    from teachmatters.runner.visualize.visualize import visualize as run

    if out.exists() and not out.is_dir():
        raise TeachMattersError(f"--out {str(out)!r} is a file; name a folder")
    request = VisualizeRequest(
        images=figures_of(images),
        models=model,
        weights=weights or (),
        layers=given.parse_numbers(layers, "--layers"),
        heads=given.parse_numbers(heads, "--heads"),
        positions=tuple(word.strip() for word in positions.split(",")) if positions is not None else (),
        device=device,
        dtype=dtype,  # type: ignore[arg-type]  # the runner says which ones there are
        seed=seed,
    )
    drawings = Drawings(out, request.images, KINDS if grid == "all" else (grid,))
    missed: list[FailedImage] = []
    with output.progress() as display:
        for seen in run(request, display):
            if isinstance(seen, FailedImage):
                missed.append(seen)
                continue
            try:
                for path in drawings.draw(seen):
                    display.say(f"Drew {path}")
            except TeachMattersError as error:
                missed.append(FailedImage(what=f"{seen.image} in {seen.model}", error=error))
    _close(missed, drawings)


def _close(missed: Sequence[FailedImage], drawings: Drawings) -> None:
    """Say what failed; where there is nothing else to say, it is the command's own error."""
    if not missed:
        return
    if not drawings.written and len({each.reason for each in missed}) == 1:
        raise missed[0].error
    for each in missed:
        output.say(f"failed {each.what}: {each.reason}")
    raise typer.Exit(1)


app = given.single(visualize, HELP)
