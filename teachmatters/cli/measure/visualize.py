"""``tm visualize``: draw attention, principal components and similarity over images, or write the explorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from teachmatters.cli import completion, options, output
from teachmatters.cli.explorer import explorer_page
from teachmatters.cli.images import image_files
from teachmatters.cli.measure.draw import FigureChoices, GridChoice, NormChoice, ScaleChoice, ViewChoice, draw_figures
from teachmatters.cli.measure.figures import FigureWriter
from teachmatters.errors import TeachMattersError, listing

if TYPE_CHECKING:
    from teachmatters.runner.visualize.request import FailedImage

HELP = """Draw a model's attention over images, or explore it patch by patch in a browser.

Each image gets three figures: layers x heads, heads x positions and layers x positions. --html writes one file that
shows all of it for any patch, offline.

Examples:

  tm visualize images/cats/0.png --model random-s16

  tm visualize images/dogs/0.png -m random-s16 --positions center,3:2

  tm visualize images/cats -m mini-dino -m mini-mae --html explorer.html
"""

ImagesArgument = Annotated[
    list[Path], typer.Argument(metavar="IMAGE...", help="Files, or folders of images.", show_default=False)
]

# The options that each output does not use; giving one is an error.
UNUSED = {
    "--view attention": ("--at", "--foreground", "--norm"),
    "--view pca": ("--heads", "--positions", "--grid", "--at"),
    "--view similarity": ("--heads", "--positions", "--grid", "--foreground"),
    "--html": ("--view", "--positions", "--grid", "--at", "--scale", "--out"),
}


def visualize(
    images: ImagesArgument,
    model: Annotated[
        list[str],
        typer.Option(
            "--model",
            "-m",
            metavar="[LABEL=]NAME",
            help="A model or 'mini-*'; repeat.",
            autocompletion=completion.complete_models,
        ),
    ],
    view: Annotated[ViewChoice | None, typer.Option("--view", help="What to draw.  [default: attention]")] = None,
    layers: options.LayersOption = None,
    heads: Annotated[
        str | None, typer.Option("--heads", metavar="LIST", help="Only these heads: '1,6,12' or '1-3'.")
    ] = None,
    positions: Annotated[
        str | None,
        typer.Option(
            "--positions",
            metavar="LIST",
            help="cls, top, left, center, right, bottom, spatial (mean of patches), self, ROW:COLUMN, diagonal. "
            "Default: the first eight.",
        ),
    ] = None,
    grid: Annotated[GridChoice | None, typer.Option("--grid", help="The figure to draw.  [default: all]")] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="ROW:COLUMN",
            help="For similarity: a patch of the first image, or as --positions.  [default: center]",
        ),
    ] = None,
    foreground: Annotated[bool, typer.Option("--foreground", help="For pca: only the foreground.")] = False,
    norm: Annotated[
        NormChoice | None,
        typer.Option(
            "--norm",
            help="For pca and similarity: final applies the network's last norm.  [default: none]",
        ),
    ] = None,
    scale: Annotated[
        ScaleChoice | None,
        typer.Option(
            "--scale",
            help="Colours up to a map's maximum, that of all, or 5x uniform attention. Default: by view.",
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the explorer instead of figures.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder of the figures.  [default: the view's name]")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weights",
            "-w",
            metavar="[LABEL=]FILE",
            help="A checkpoint, or FILE#NAME: a network in it.",
        ),
    ] = None,
    device: options.DeviceOption = "",
    dtype: Annotated[str, typer.Option("--dtype", help="float32, bfloat16 or float16.")] = "float32",
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Seed of untrained models.")] = 0,
) -> None:
    """Draw a model's attention over images."""
    from teachmatters.runner.visualize.request import VisualizeRequest

    given = {
        "--view": view, "--heads": heads, "--positions": positions, "--grid": grid, "--at": at,
        "--foreground": foreground or None, "--norm": norm, "--scale": scale, "--out": out,
    }  # fmt: skip
    _check_used("--html" if html else f"--view {view or 'attention'}", given)
    request = VisualizeRequest(
        images=image_files(images),
        models=model,
        weights=weights or (),
        layers=options.parse_numbers(layers, "--layers"),
        heads=options.parse_numbers(heads, "--heads"),
        positions=tuple(word.strip() for word in positions.split(",")) if positions is not None else (),
        norm=norm or "none",
        device=device,
        dtype=dtype,  # type: ignore[arg-type]  # the runner checks the name
        seed=seed,
    )
    with output.progress() as display:
        if html:
            _check_html(html)
            page, failed = explorer_page(request, display, only_foreground=foreground)
            output.write_file(html, page)
            written = True
        else:
            writer = FigureWriter(_folder(out or Path(view or "attention")), request.images)
            choices = FigureChoices(
                view=view or "attention", grid=grid or "all", at=at or "center", foreground=foreground, scale=scale
            )
            failed = list(draw_figures(writer, request, choices, display))
            written = bool(writer.written)
    _report_failures(failed, written)


def _check_used(wanted: str, given: Mapping[str, object]) -> None:
    """Reject a given option that the wanted output does not use.

    Raises:
        TeachMattersError: there is one.
    """
    for option in UNUSED[wanted]:
        if given[option] is not None:
            uses = [other for other, unused in UNUSED.items() if option not in unused]
            raise TeachMattersError(
                f"{option} has no effect with {wanted}: use it with {listing(uses)}, or leave it out"
            )


def _check_html(file: Path) -> None:
    """Reject a file that cannot be written before the models run."""
    if file.is_dir() or not file.resolve().parent.is_dir():
        reason = "is a folder" if file.is_dir() else "is in a folder that does not exist"
        raise TeachMattersError(f"--html {str(file)!r} {reason}; name a file in an existing folder")


def _folder(out: Path) -> Path:
    if out.exists() and not out.is_dir():
        raise TeachMattersError(f"--out {str(out)!r} is a file; name a folder")
    return out


def _report_failures(failed: Sequence[FailedImage], written: bool) -> None:
    """Print the failures and exit with 1; a single reason without any file is the command's own error."""
    if not failed:
        return
    if not written and len({image.reason for image in failed}) == 1:
        raise failed[0].error
    for image in failed:
        output.complain(f"failed {image.what}: {image.reason}")
    raise typer.Exit(1)


app = options.single(visualize, HELP)
