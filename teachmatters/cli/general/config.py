"""``tm config``: show or set the defaults of the configuration file."""

from __future__ import annotations

from typing import Annotated

import typer

from teachmatters import config as configuration
from teachmatters.cli import options, output
from teachmatters.cli.catalog import listing
from teachmatters.cli.completion import complete_config_keys
from teachmatters.errors import TeachMattersError, UnknownNameError
from teachmatters.errors import listing as listed

HELP = """Show your defaults, or set one in the configuration file. Environment variables override it.

Examples:

  tm config

  tm config data_root ~/data

  tm config db --unset
"""

COLUMNS = ("key", "value", "set_by", "variable", "summary")


def config(
    key: Annotated[
        str | None,
        typer.Argument(
            help="db, data_root, device or cache_limit. Default: show all.",
            show_default=False,
            autocompletion=complete_config_keys,
        ),
    ] = None,
    value: Annotated[str | None, typer.Argument(help="The new value. Default: show it.", show_default=False)] = None,
    unset: Annotated[bool, typer.Option("--unset", help="Remove the key from the file.")] = False,
    style: options.ListFormatOption = "table",
) -> None:
    """Show your defaults, or set one."""
    if unset and (key is None or value is not None):
        raise TeachMattersError("--unset takes the key to remove and no value, such as 'tm config db --unset'.")
    if key is not None and key not in configuration.KEYS:
        raise UnknownNameError("key", key, configuration.KEYS, f"The keys are {listed(configuration.KEYS)}.")
    if key is not None and (unset or value is not None):
        path = configuration.write(key, None if value is None else _checked(key, value))
        output.say(f"Wrote {path}")
        return
    rows = [_row(name) for name in ([key] if key else configuration.KEYS)]
    listing.emit_list(rows, style, COLUMNS[:3])
    output.say(f"The file is {configuration.config_path()}")


def _row(key: str) -> dict[str, object]:
    declared = configuration.KEYS[key]
    values = (key, configuration.default(key), configuration.source(key) or None, declared.variable, declared.summary)
    return dict(zip(COLUMNS, values, strict=True))


def _checked(key: str, value: str) -> str:
    """Return the value to store: paths are made absolute, since commands run in any folder.

    Raises:
        TeachMattersError: the value does not suit the key.
    """
    from pathlib import Path

    from teachmatters.cache.limit import parse_size
    from teachmatters.store.location import BUNDLED, plain_path

    if key == "db":
        location = plain_path(value)
        return value if value == BUNDLED or not isinstance(location, Path) else str(location.absolute())
    if key == "data_root":
        return str(Path(value).expanduser().absolute())
    if key == "cache_limit":
        parse_size(value, key)
    elif value not in configuration.DEVICES:
        raise TeachMattersError(f"unknown device {value!r}; allowed: {', '.join(configuration.DEVICES)}")
    return value


app = options.single(config, HELP)
