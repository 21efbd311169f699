"""``tm plugins``: who offers what, and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teachmatters.cli import listing
from teachmatters.cli import options as given
from teachmatters.errors import UnknownNameError
from teachmatters.errors import listing as enumeration

if TYPE_CHECKING:
    from teachmatters.registry import Plugin

HELP = """List the plugins, what they offer and what is wrong with them.

Examples:

  tm plugins

  tm plugins --format json
"""


def plugins(name: given.NameArgument = None, style: given.ListFormatOption = "table") -> None:
    """List the plugins, or show one."""
    from teachmatters.registry import load

    found = load().plugins
    rows = [_plugin(plugin, most=10**6 if style == "json" else 6) for plugin in found]
    if name is None:
        listing.emit_list(rows, style, ("name", "distribution", "version", "offers", "problems"))
        return
    chosen = [row for row in rows if name in (row["name"], row["distribution"])]
    if not chosen:
        known = [str(row[key]) for row in rows for key in ("name", "distribution")]
        raise UnknownNameError("plugin", name, known, f"'tm plugins' lists all {len(rows)}.")
    for row in chosen:
        listing.emit_one(row, style)


def _plugin(plugin: Plugin, most: int) -> dict[str, object]:
    offers = [
        f"{len(specs)} {hook.removeprefix('register_')}: {enumeration((spec.name for spec in specs), most)}"
        for hook, specs in plugin.specs.items()
        if specs
    ]
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "built_in": plugin.built_in,
        "offers": offers,
        "problems": plugin.problems,
    }


app = given.single(plugins, HELP)
