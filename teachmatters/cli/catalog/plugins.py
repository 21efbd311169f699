"""``tm plugins``: list the plugins with their specs and problems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from teachmatters.cli import options, output
from teachmatters.cli.catalog import listing
from teachmatters.cli.completion import complete_plugins
from teachmatters.errors import UnknownNameError
from teachmatters.errors import listing as enumeration

if TYPE_CHECKING:
    from teachmatters.registry import Plugin

HELP = """List the plugins, their contents and their problems.

Examples:

  tm plugins

  tm plugins teachmatters

  tm plugins --format json
"""

SHOWN = 6  # names of each kind in the text; JSON has all


def plugins(
    name: Annotated[
        str | None, listing.name_argument(complete_plugins, "The plugin to show. Default: list all.")
    ] = None,
    style: options.ListFormatOption = "table",
) -> None:
    """List the plugins, or show one."""
    from teachmatters.registry import load

    found = load().plugins
    chosen = [plugin for plugin in found if name in (None, plugin.name, plugin.distribution)]
    if not chosen:
        known = [label for plugin in found for label in (plugin.name, plugin.distribution)]
        raise UnknownNameError("plugin", str(name), known, f"'tm plugins' lists all {len(found)}.")
    if name is None and style == "table":
        _overview(chosen)
    elif name is None:
        listing.emit_list([_plugin(plugin, most=10**6) for plugin in chosen], style, ())
    else:
        for plugin in chosen:
            listing.emit_one(_plugin(plugin, most=10**6 if style == "json" else SHOWN), style)


def _overview(plugins: Sequence[Plugin]) -> None:
    """Print a narrow table, and the problems below it, where there is room for sentences."""
    rows = [(plugin.name, plugin.distribution, plugin.version, _counts(plugin) or "nothing") for plugin in plugins]
    output.emit_table(("name", "distribution", "version", "offers"), rows)
    wrong = [(plugin.name, plugin.distribution, problem) for plugin in plugins for problem in plugin.problems]
    if wrong:
        output.emit("\n" + output.render(("name", "distribution", "problem"), wrong))


def _counts(plugin: Plugin) -> str:
    return ", ".join(_count(hook, specs) for hook, specs in plugin.specs.items() if specs)


def _count(hook: str, specs: Sequence[object]) -> str:
    """Return a count with its noun: ``37 models``, ``1 analysis``."""
    kinds = hook.removeprefix("register_")
    kind = {"analyses": "analysis"}.get(kinds, kinds.removesuffix("s"))
    return f"{len(specs)} {kind if len(specs) == 1 else kinds}"


def _plugin(plugin: Plugin, most: int) -> dict[str, object]:
    offers = [
        f"{_count(hook, specs)}: {enumeration((spec.name for spec in specs), most)}"
        for hook, specs in plugin.specs.items()
        if specs
    ]
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "built_in": plugin.built_in,
        "api": plugin.api,
        "offers": offers,
        "problems": plugin.problems,
    }


app = options.single(plugins, HELP)
