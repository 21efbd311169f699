"""Check a command: a Typer app with a summary, help for each option, and examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from teachmatters.api import CommandSpec
from teachmatters.errors import TeachMattersError
from teachmatters.plugin.findings import CheckFailed, CheckList, CheckSkipped
from teachmatters.registry import load_object


def check_command(sheet: CheckList, spec: CommandSpec) -> None:
    """Check the app, its help and its examples."""
    command = None
    with sheet.check("app"):
        command = _command(spec)
    if command is None:
        return
    with sheet.check("help") as tell:
        for name, leaf in leaves(command, f"tm {spec.name}"):
            if not (leaf.help or "").strip():
                tell(f"'{name} --help' has no summary: add a docstring, or help=", _place(sheet, leaf))
            for parameter in leaf.params:
                if not getattr(parameter, "hidden", False) and not (getattr(parameter, "help", None) or "").strip():
                    told = f"{parameter.opts[0] if parameter.opts else parameter.name} of '{name}' has no help"
                    tell(f"{told}: typer.Option(help=...)", _place(sheet, leaf))
    with sheet.check("examples") as tell:
        for name, leaf in leaves(command, f"tm {spec.name}"):
            lines = (leaf.help or "").partition("Examples:")[2].split("\n")
            if not any(line.strip().startswith(name) for line in lines):
                tell(f"the help of '{name}' shows no example: 'Examples:', and below it lines that begin with "
                     f"'{name}'", _place(sheet, leaf))  # fmt: skip


def leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield each command of a group with its full name, or the single command."""
    below = getattr(command, "commands", None)
    if below is None:
        yield name, command
        return
    for part, each in below.items():
        yield from leaves(each, f"{name} {part}")


def _command(spec: CommandSpec) -> Any:
    try:
        app = load_object(spec.app)
    except TeachMattersError as error:
        raise CheckSkipped("its code cannot be imported") from error
    if not isinstance(app, typer.Typer):
        raise CheckFailed(f"{spec.app!r} is a {type(app).__name__}: it must be a typer.Typer")
    try:
        command = typer.main.get_command(app)
    except RuntimeError as error:
        raise CheckFailed(f"{spec.app!r} is a Typer app without a command: {error}") from error
    command.params = [one for one in command.params if one.name not in ("install_completion", "show_completion")]
    return command


def _place(sheet: CheckList, leaf: Any) -> str:
    """Return where the function of a command is defined."""
    function = getattr(leaf.callback, "__wrapped__", leaf.callback)
    return sheet.package.place_of(function) or sheet.home
