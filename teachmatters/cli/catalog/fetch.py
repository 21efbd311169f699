"""``tm fetch``: download weights in advance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from teachmatters.cli import options, output
from teachmatters.cli.completion import complete_models
from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    from teachmatters.api import ModelSpec

HELP = """Download the weights of models in advance, for offline machines or runs that must not wait.

Weights that are already here are only checked; an interrupted download resumes. If one of several models fails, the
others are still fetched.

Examples:

  tm fetch random-s16

  tm fetch 'random-*' noise-b16 --format json
"""

NamesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME...",
        help="Models, patterns ('dino-*') or timm/<id>.",
        show_default=False,
        autocompletion=complete_models,
    ),
]


def fetch(names: NamesArgument, style: options.ListFormatOption = "table") -> None:
    """Download the weights of models."""
    from teachmatters.registry import load

    registry = load()
    specs = list({spec.name: spec for name in names for spec in registry.match_models(name)}.values())
    rows = [_fetched(spec, alone=len(specs) == 1) for spec in specs]
    if style == "json":
        output.emit_table(("name", "status", "weights", "reason"), rows, "json")
    else:  # standard error has the reasons in full, and the first digits of a sha256 are enough
        output.emit_table(("name", "status", "weights"), [(row[0], row[1], row[2] and row[2][:12]) for row in rows])
    if any(status == "failed" for _, status, _, _ in rows):
        raise typer.Exit(1)


def _fetched(spec: ModelSpec, *, alone: bool) -> tuple[str, str, str | None, str | None]:
    """Fetch one model; return its name, the status, the weights' sha256 and the reason of a failure.

    Raises:
        TeachMattersError: the fetch failed and the model is ``alone`` in the command.
    """
    from teachmatters.api import ModelRequest
    from teachmatters.models.fetch.presence import weights_here
    from teachmatters.registry import call

    here = weights_here(spec)
    try:
        source = call(spec.factory, ModelRequest(spec=spec))
    except TeachMattersError as error:
        if alone:
            raise
        output.complain(f"failed {spec.name}: {error}")
        return spec.name, "failed", None, str(error)
    status = {"yes": "already here", "no": "fetched", "": "found"}.get(here, here)
    return spec.name, status, source.weights if here != "none needed" else None, None


app = options.single(fetch, HELP)
