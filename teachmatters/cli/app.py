"""The command ``tm``: its commands, those of plugins, and what becomes of an error."""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from typer import _click as click
from typer.core import TyperCommand, TyperGroup

from teachmatters import __version__
from teachmatters.api import CommandSpec
from teachmatters.cli import output
from teachmatters.errors import TeachMattersError

# A disk that is full, or fails, beneath standard output.
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)

HELP = """What did this way of training teach this vision transformer?

Measure with 'analyze', read with 'report' and 'query'; 'demo' shows all of it on bundled data.

Examples:

  tm demo

  tm analyze --model mini-mae --metric attn-distance

  tm report attention-distance --plot distance.png
"""


class LazyCommand(TyperCommand):
    """A command of which only the spec is known: that is all ``tm --help`` needs. Its module is imported to run it."""

    def __init__(self, spec: CommandSpec) -> None:
        super().__init__(spec.name, help=spec.summary, callback=lambda: None)
        self.spec = spec

    def real(self) -> click.Command:
        """The command itself.

        Raises:
            TeachMattersError: its module cannot be imported, or names no Typer app with a command.
        """
        from teachmatters.registry import load_object

        try:
            command = typer.main.get_command(load_object(self.spec.app))
        except (AttributeError, RuntimeError) as error:
            raise TeachMattersError(
                f"{self.spec.app!r} is no Typer app with a command: {error}; "
                f"'tm plugins' says who offers {self.spec.name!r}"
            ) from error
        command.name = self.spec.name
        command.params = [one for one in command.params if one.name not in ("install_completion", "show_completion")]
        return command

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return self.real().make_context(info_name, args, parent=parent, **extra)


class Commands(TyperGroup):
    """The commands of the registry; a TeachMattersError is one line and exit 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._look_up()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        self._look_up()
        return super().get_command(ctx, cmd_name)

    def _look_up(self) -> None:
        from teachmatters.registry import load

        self.commands = {name: LazyCommand(spec) for name, spec in load().commands.items()}

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        with one_line():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with one_line():
            return super().invoke(ctx)


@contextmanager
def one_line() -> Iterator[None]:
    """Turn what a user can put right into one line on standard error, and exit with 1."""
    try:
        yield
    except TeachMattersError as error:
        _tell(str(error), error)
    except BrokenPipeError:  # Click writes help itself; the reader went away
        output.leave_quietly()
    except OSError as error:
        if error.filename is not None:  # a path that nothing of ours has looked at: too long, no permission
            _tell(f"{str(error.filename)!r}: {error.strerror}", error)
        if error.errno not in UNWRITABLE:
            raise
        _tell(f"cannot write the output: {error.strerror}; make room, or send it elsewhere", error)


def _tell(text: str, error: Exception) -> NoReturn:
    if os.environ.get("TM_DEBUG") == "1":
        traceback.print_exc()
    output.say(f"Error: {text}")
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


def main() -> None:
    """Run ``tm``."""
    # Drawings go into files alone. What a notebook's kernel left here may be a backend that this Python lacks, and then
    # matplotlib could not even be imported.
    os.environ["MPLBACKEND"] = "agg"
    app(prog_name="tm")
