"""``tm fetch``: weights, beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from teachmatters.cli import options as given
from teachmatters.cli import output
from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    from teachmatters.api import ModelSpec

HELP = """Fetch the weights of models beforehand, for machines without a network or runs that should not wait.

What is here already is checked and left alone; a download that broke off goes on where it ended. Of several models one
that fails does not stop the rest.

Examples:

  tm fetch random-s16

  tm fetch 'random-*' noise-b16 --format json
"""

NamesArgument = Annotated[
    list[str], typer.Argument(metavar="NAME...", help="Models, patterns ('dino-*') or timm/<id>.", show_default=False)
]


def fetch(names: NamesArgument, style: given.ListFormatOption = "table") -> None:
    """Fetch the weights of models."""
    from teachmatters.registry import load

    registry = load()
    specs = list({spec.name: spec for name in names for spec in registry.match_models(name)}.values())
    rows = [_fetched(spec, alone=len(specs) == 1) for spec in specs]
    if style == "json":
        output.emit_table(("name", "status", "weights", "reason"), rows, "json")
    else:  # reasons were said in full on standard error, and the beginning of a sha256 will do
        output.emit_table(("name", "status", "weights"), [(row[0], row[1], row[2] and row[2][:12]) for row in rows])
    if any(status == "failed" for _, status, _, _ in rows):
        raise typer.Exit(1)


def _fetched(spec: ModelSpec, *, alone: bool) -> tuple[str, str, str | None, str | None]:
    """Name, what became of it, the weights' sha256, and why it failed. The only one of a command speaks for itself."""
    from teachmatters.api import ModelRequest
    from teachmatters.models.fetch.presence import weights_here
    from teachmatters.registry import call

    here = weights_here(spec)
    try:
        source = call(spec.factory, ModelRequest(spec=spec))
    except TeachMattersError as error:
        if alone:
            raise
        output.say(f"failed {spec.name}: {error}")
        return spec.name, "failed", None, str(error)
    status = {"yes": "already here", "no": "fetched", "": "found"}.get(here, here)
    return spec.name, status, source.weights if here != "none needed" else None, None


app = given.single(fetch, HELP)
