"""The command ``tm``: built-in commands, plugin commands and error handling."""

from __future__ import annotations

import errno
import os
import re
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
from teachmatters.cli.verbosity import add_verbosity
from teachmatters.errors import TeachMattersError, did_you_mean

# Standard output is on a disk that is full or fails.
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)

HELP = """What did this way of training teach this vision transformer?

Measure with 'analyze', read the numbers with 'report' and 'query'. 'demo' shows all of it on bundled data.

Examples:

  tm demo

  tm analyze --model mini-mae --metric attn-distance

  tm report attention-distance --plot distance.png

Exit codes: 0 success; 1 an error that you can fix, in one line; 2 an unknown option or command; 130 Ctrl-C.
"""


class LazyCommand(TyperCommand):
    """A command whose module is imported only when it runs; ``tm --help`` needs no more than its spec."""

    def __init__(self, spec: CommandSpec) -> None:
        super().__init__(spec.name, help=spec.summary, callback=lambda: None)
        self.spec = spec

    def real(self) -> click.Command:
        """Import the command and return it.

        Raises:
            TeachMattersError: the module cannot be imported, or the name is not a Typer app with a command.
        """
        from teachmatters.registry import load_object

        try:
            command = typer.main.get_command(load_object(self.spec.app))
        except (AttributeError, RuntimeError) as error:
            raise TeachMattersError(
                f"{self.spec.app!r} is not a Typer app with a command: {error}; "
                f"'tm plugins' shows which plugin offers {self.spec.name!r}"
            ) from error
        command.name = self.spec.name
        command.params = [
            param for param in command.params if param.name not in ("install_completion", "show_completion")
        ]
        add_verbosity(command)
        return command

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return self.real().make_context(info_name, args, parent=parent, **extra)


class Commands(TyperGroup):
    """The commands of the registry. A TeachMattersError becomes one line on standard error and exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._load_commands()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        self._load_commands()
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        from teachmatters.registry import load

        if self.get_command(ctx, args[0]) is None and (instead := load().instead("command", args[0])):
            ctx.fail(f"No such command {args[0]!r}. {instead.rstrip()}")
        return super().resolve_command(ctx, args)

    def _load_commands(self) -> None:
        from teachmatters.registry import load

        self.commands = {name: LazyCommand(spec) for name, spec in load().commands.items()}

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        output.level = output.NORMAL
        with one_line():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with one_line():
            return super().invoke(ctx)


@contextmanager
def one_line() -> Iterator[None]:
    """Print an error that the user can fix as one line on standard error, and exit with 1."""
    try:
        yield
    except TeachMattersError as error:
        _fail(str(error), error)
    except click.exceptions.UsageError as error:
        error.message = _plain(error.message)
        raise
    except BrokenPipeError:  # Click writes help itself, and the reader closed the pipe
        output.leave_quietly()
    except OSError as error:
        if error.filename is not None:  # a path that no code of ours checked: too long, no permission
            _fail(f"{str(error.filename)!r}: {error.strerror}", error)
        if error.errno not in UNWRITABLE:
            raise
        _fail(f"cannot write the output: {error.strerror}; free some space, or write it elsewhere", error)


def _plain(message: str) -> str:
    """Return a usage error without the name of its Python exception, and with the nearest of the allowed values.

    >>> _plain("Value error, 'pcaa' is not one of 'attention', 'pca'.")
    "'pcaa' is not one of 'attention', 'pca'. Did you mean 'pca'?"
    """
    text = message.removeprefix("Value error, ")
    if not (found := re.fullmatch(r"'(.*)' is not one of ('.*')\.", text)):
        return text
    allowed = re.findall(r"'([^']*)'", found[2])
    return f"{text} {did_you_mean(found[1], allowed)}".rstrip()


def _fail(text: str, error: Exception) -> NoReturn:
    if os.environ.get("TM_DEBUG") == "1":
        traceback.print_exc()
    output.complain(f"Error: {text}")
    raise typer.Exit(1) from error


app = typer.Typer(
    name="tm",
    cls=Commands,
    help=HELP,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
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
    """Handle the options of ``tm`` itself."""


def main() -> None:
    """Run ``tm``."""
    # Figures go only into files. A notebook's kernel may have set a backend that this Python lacks, and importing
    # matplotlib would fail.
    os.environ["MPLBACKEND"] = "agg"
    # torch then asks Linux for huge pages: on a CPU, each layer's tensors would cost thousands of page faults.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    app(prog_name="tm")
