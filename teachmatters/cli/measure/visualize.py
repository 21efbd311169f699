"""``tm visualize``: draw attention over images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from teachmatters.cli import options, output
from teachmatters.cli.measure.figures import FigureWriter, image_files
from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    from teachmatters.runner.visualize.visualize import FailedImage

HELP = """Draw a model's attention over images, in grids of layers, heads and query positions.

Each image gets three figures: layers x heads (for the first position), heads x positions (in the last layer) and
layers x positions (averaged over heads).

Examples:

  tm visualize images/cats/0.png --model random-s16

  tm visualize images/cats/0.png images/dogs/0.png -m random-s16 --layers 1,6,12 --heads 1-3 --grid layers-heads

  tm visualize images/dogs/1.png --model noise-b16 --grid layers-positions --positions center,3:2 --out maps
"""

GridChoice: TypeAlias = Literal["all", "layers-heads", "heads-positions", "layers-positions"]
ImagesArgument = Annotated[
    list[Path], typer.Argument(metavar="IMAGE...", help="Files, or folders of images.", show_default=False)
]


def visualize(
    images: ImagesArgument,
    model: Annotated[
        list[str],
        typer.Option("--model", "-m", metavar="[LABEL=]NAME", help="A model or a pattern ('mini-*'); repeat for more."),
    ],
    layers: options.LayersOption = None,
    heads: Annotated[
        str | None, typer.Option("--heads", metavar="LIST", help="Only these heads, from 1: '1,6,12' or '1-3'.")
    ] = None,
    positions: Annotated[
        str | None,
        typer.Option(
            "--positions",
            metavar="LIST",
            help="Query positions: cls, top, left, center, right, bottom, spatial (the mean over patches), self (each "
            "patch to itself), ROW:COLUMN, diagonal (one patch per row). Default: the first eight.",
        ),
    ] = None,
    grid: Annotated[GridChoice, typer.Option("--grid", help="The figure to draw.")] = "all",
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the figures.")] = Path("attention"),
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weights",
            "-w",
            metavar="[LABEL=]FILE",
            help="A checkpoint to load instead of the model's own; FILE#NAME selects one of its networks.",
        ),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")] = "auto",
    dtype: Annotated[str, typer.Option("--dtype", help="float32, bfloat16 or float16.")] = "float32",
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Random seed, for untrained models.")] = 0,
) -> None:
    """Draw a model's attention over images."""
    from teachmatters.measures.attention.attention_views import KINDS
    from teachmatters.runner.visualize.visualize import FailedImage, VisualizeRequest
    from teachmatters.runner.visualize.visualize import visualize as run

    if out.exists() and not out.is_dir():
        raise TeachMattersError(f"--out {str(out)!r} is a file; name a folder")
    request = VisualizeRequest(
        images=image_files(images),
        models=model,
        weights=weights or (),
        layers=options.parse_numbers(layers, "--layers"),
        heads=options.parse_numbers(heads, "--heads"),
        positions=tuple(word.strip() for word in positions.split(",")) if positions is not None else (),
        device=device,
        dtype=dtype,  # type: ignore[arg-type]  # the runner checks the name
        seed=seed,
    )
    writer = FigureWriter(out, request.images, KINDS if grid == "all" else (grid,))
    failed: list[FailedImage] = []
    with output.progress() as display:
        for views in run(request, display):
            if isinstance(views, FailedImage):
                failed.append(views)
                continue
            try:
                for path in writer.draw(views):
                    display.say(f"Drew {path}")
            except TeachMattersError as error:
                failed.append(FailedImage(what=f"{views.image} in {views.model}", error=error))
    _report_failures(failed, writer)


def _report_failures(failed: Sequence[FailedImage], writer: FigureWriter) -> None:
    """Print the failures and exit with 1; a single reason without any figure is the command's own error."""
    if not failed:
        return
    if not writer.written and len({image.reason for image in failed}) == 1:
        raise failed[0].error
    for image in failed:
        output.say(f"failed {image.what}: {image.reason}")
    raise typer.Exit(1)


app = options.single(visualize, HELP)
