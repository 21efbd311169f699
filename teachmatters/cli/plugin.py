"""``tm plugin``: write a plugin, and check one."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from teachmatters.cli import options as given
from teachmatters.cli import output
from teachmatters.errors import TeachMattersError, UnknownNameError
from teachmatters.plugin.new import Kind, write_package

if TYPE_CHECKING:
    from teachmatters.plugin.findings import Finding
    from teachmatters.registry import Plugin

NEW_HELP = """Write a plugin: a package that installs, is found, and passes its own tests, from the first minute.

NAME is what it is called everywhere: the folder and the package, and the model, data set, analysis or command that it
brings. A folder that holds something is left as it is.

Examples:

  tm plugin new my-vit --kind model

  tm plugin new my-images --kind dataset --out work/my-images
"""
CHECK_HELP = """Run the contract of plugins: what is wrong, in plain words, and where.

NAME is a plugin or a distribution, as 'tm plugins' lists them; without NAME, every installed one that is not built in.
Nothing is fetched: what cannot be checked without a network, or without data that is not here, is said. The exit code
is 1 if anything is wrong.

Examples:

  tm plugin check

  tm plugin check cli --format json
"""

NEXT: dict[Kind, tuple[str, ...]] = {
    "model": (
        "pip install -e {folder}",
        "tm plugin check {name}",
        "tm analyze --model {name} --metric attn-distance",
        "tm report attention-distance",
    ),
    "dataset": (
        "pip install -e {folder}",
        "python -m {module}.sample data/{name}",
        "tm plugin check {name} --data-root data",
        "tm analyze --model mini-dino --metric attn-distance --data {name} --data-root data",
    ),
    "analysis": (
        "pip install -e {folder}",
        "tm plugin check {name}",
        "tm analyze --model mini-dino --metric {name} --limit 40",
        "tm report metric --metric {name}",
    ),
    "command": ("pip install -e {folder}", "tm plugin check {name}", "tm {name}"),
}

app = typer.Typer(
    help="Write a plugin that works from the first minute, and check what installed ones promise.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

NameArgument = Annotated[
    str | None, typer.Argument(help="A plugin or a distribution; leave it out for all.", show_default=False)
]
ModelOption = Annotated[
    list[str] | None,
    typer.Option("--model", "-m", metavar="NAME", help="A model to check as well, such as one of a prefix (hf/...)."),
]


@app.command(help=NEW_HELP)
def new(
    name: Annotated[str, typer.Argument(help="Small letters, digits and '-', such as my-vit.", show_default=False)],
    kind: Annotated[Kind, typer.Option("--kind", help="What it brings.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The folder to write. Default: NAME.")
    ] = None,
) -> None:
    """Write a plugin."""
    folder = write_package(name, kind, out)
    lines = [
        line.format(name=name, module=name.replace("-", "_"), folder=shlex.quote(str(folder))) for line in NEXT[kind]
    ]
    output.say(f"wrote {folder}; its README tells what is in which file. Next:\n" + "\n".join(f"  {x}" for x in lines))
    output.emit(str(folder))


@app.command(help=CHECK_HELP)
def check(
    name: NameArgument = None,
    model: ModelOption = None,
    data_root: given.DataRootOption = None,
    style: given.ListFormatOption = "table",
) -> None:
    """Run the contract of plugins."""
    from teachmatters.plugin.check import check
    from teachmatters.registry import load

    if data_root is not None and not data_root.is_dir():
        raise TeachMattersError(f"--data-root {data_root} is not a directory; name the one that holds the data sets")
    chosen = _chosen(load().plugins, name)
    further = [load().model(each) for each in model or ()]
    if not chosen:
        output.say("no plugin is installed beside the built-in ones; 'tm plugin check teachmatters' checks these")
    with output.progress() as display:
        findings = check(chosen, data_root=data_root, models=further, progress=display)
    _emit(findings, style)
    if any(finding.status == "wrong" for finding in findings):
        raise typer.Exit(1)


def _chosen(plugins: Sequence[Plugin], name: str | None) -> list[Plugin]:
    if name is None:
        return [plugin for plugin in plugins if not plugin.built_in]
    chosen = [plugin for plugin in plugins if name in (plugin.name, plugin.distribution)]
    if not chosen:
        known = [label for plugin in plugins for label in (plugin.name, plugin.distribution)]
        advice = f"'tm plugins' lists all {len(plugins)}; one that is not there is not installed here."
        raise UnknownNameError("plugin", name, known, advice)
    return chosen


def _emit(findings: Sequence[Finding], style: given.ListFormat) -> None:
    import dataclasses

    if style == "json":
        keys = ["plugin", "distribution", "about", "check", "status", "message", "where"]
        output.emit_table(keys, [list(dataclasses.asdict(each).values()) for each in findings], "json")
        return
    parts = dict.fromkeys((each.plugin, each.about) for each in findings)
    rows = [(*part, _sound([f for f in findings if (f.plugin, f.about) == part])) for part in parts]
    if rows:
        output.emit_table(("plugin", "part", "in order"), rows, labels=2)
    for status in ("not checked", "wrong"):
        for each in findings:
            if each.status == status:
                output.emit(f"\n{status}: {each.plugin}, {each.about}, {each.check}: {each.message}")
                if each.where:
                    output.emit(f"  {each.where}")


def _sound(findings: Sequence[Finding]) -> str:
    return ", ".join(dict.fromkeys(each.check for each in findings if each.status == "ok")) or "nothing"
