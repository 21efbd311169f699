"""The options -v and -q, which every command has, those of plugins too."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from teachmatters.cli import output


def _loud(context: typer.Context, value: bool) -> None:
    if value:
        output.level = output.VERBOSE


def _quiet(context: typer.Context, value: bool) -> None:
    if value:
        output.level = output.QUIET


def _options(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", callback=_loud, help="Print more: all tables, and what is read.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", callback=_quiet, help="No messages except errors.")] = False,
) -> None:
    """Declare the options."""


def add_verbosity(command: Any) -> None:
    """Add -v and -q to a command, or to all commands of a group, where they do not have another meaning."""
    if isinstance(command, TyperGroup):
        for each in command.commands.values():
            add_verbosity(each)
        return
    template = typer.Typer(add_completion=False)
    template.command()(_options)
    taken = {name for param in command.params for name in param.opts}
    for param in typer.main.get_command(template).params:
        if taken.isdisjoint(param.opts):
            param.expose_value = False
            command.params.append(param)
