"""The command ``tm``: its commands, those of plugins, and what becomes of an error."""

from __future__ import annotations

import os
import traceback
from typing import Annotated, Any

import typer
from typer import _click as click
from typer.core import TyperCommand, TyperGroup

from teachmatters import __version__
from teachmatters.cli import analyze, db, demo, listing, output, query, report
from teachmatters.errors import TeachMattersError

HELP = """What did this way of training teach this vision transformer?

Measure with 'analyze', read with 'report' and 'query'; 'demo' shows all of it on bundled data.

Examples:

  tm demo

  tm analyze --model random-s16 --metric attn-distance

  tm report attention-distance --plot distance.png
"""


class PluginCommand(TyperCommand):
    """A plugin's command: its help is known from the spec, its module is imported when it runs."""

    def __init__(self, name: str, summary: str, app: str) -> None:
        super().__init__(name, help=summary, callback=lambda: None)
        self.app = app

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        from teachmatters.registry import load_object

        real = typer.main.get_command(load_object(self.app))
        real.name = self.name
        return real.make_context(info_name, args, parent=parent, **extra)


class Commands(TyperGroup):
    """The built-in commands and those of plugins; a TeachMattersError is one line and exit 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *self._of_plugins()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) or self._of_plugins().get(cmd_name)

    def _of_plugins(self) -> dict[str, click.Command]:
        from teachmatters.registry import load

        return {
            name: PluginCommand(name, spec.summary, spec.app)
            for name, spec in load().commands.items()
            if name not in self.commands
        }

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TeachMattersError as error:
            if os.environ.get("TM_DEBUG") == "1":
                traceback.print_exc()
            output.say(f"Error: {error}")
            raise typer.Exit(1) from error


app = typer.Typer(
    name="tm",
    cls=Commands,
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        output.emit(f"teachmatters {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options of ``tm`` itself."""


app.command("analyze", help=analyze.HELP)(analyze.analyze)
app.command("report", help=report.HELP)(report.report)
app.command("query", help=query.HELP)(query.query)
app.command("models", help=listing.MODELS_HELP)(listing.models)
app.command("datasets", help=listing.DATASETS_HELP)(listing.datasets)
app.command("metrics", help=listing.METRICS_HELP)(listing.metrics)
app.command("plugins", help=listing.PLUGINS_HELP)(listing.plugins)
app.command("demo", help=demo.HELP)(demo.demo)
app.add_typer(db.db_app, name="db")


def main() -> None:
    """Run ``tm``."""
    app(prog_name="tm")
