"""``tm help``: show the help of a command."""

from __future__ import annotations

from typing import Annotated

import typer

from teachmatters.cli import options
from teachmatters.cli.completion import complete_commands

HELP = """Show the help of a command, as 'tm COMMAND --help' does. Without COMMAND: the list of commands.

Examples:

  tm help analyze

  tm help db merge
"""


def show_help(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[COMMAND]...", help="The command.", show_default=False, autocompletion=complete_commands
        ),
    ] = None,
) -> None:
    """Show the help of a command."""
    root = context.find_root()
    with root.command.make_context(root.info_name, [*(words or ()), "--help"]) as asked:
        root.command.invoke(asked)


app = options.single(show_help, HELP)
