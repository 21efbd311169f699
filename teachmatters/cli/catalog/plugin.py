"""``tm plugin``: create a plugin, check a plugin."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from teachmatters.cli import options, output
from teachmatters.errors import TeachMattersError, UnknownNameError
from teachmatters.plugin.new import Kind, write_package

if TYPE_CHECKING:
    from teachmatters.plugin.findings import Finding
    from teachmatters.registry import Plugin

NEW_HELP = """Create a plugin: an installable package with a working example and passing tests.

NAME becomes the name of the folder, of the package and of the model, data set, analysis or command. The command does
not write into a folder that is not empty.

Examples:

  tm plugin new my-vit --kind model

  tm plugin new my-images --kind dataset --out work/my-images
"""
CHECK_HELP = """Check plugins against the plugin contract; report each fault and where it is.

NAME is a plugin or a distribution that 'tm plugins' lists. Without NAME it checks every installed plugin except the
built-in ones. Nothing is downloaded: the report names the checks that need weights or data that are not here. The exit
code is 1 if a check finds a fault.

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
    help="Create a plugin, or check installed ones.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

NameArgument = Annotated[
    str | None, typer.Argument(help="A plugin or a distribution. Default: all.", show_default=False)
]
ModelOption = Annotated[
    list[str] | None,
    typer.Option("--model", "-m", metavar="NAME", help="Also check this model, such as one with a prefix (hf/...)."),
]


@app.command(help=NEW_HELP)
def new(
    name: Annotated[
        str, typer.Argument(help="Lower-case letters, digits and '-', such as my-vit.", show_default=False)
    ],
    kind: Annotated[Kind, typer.Option("--kind", help="What the plugin adds.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The folder to write. Default: NAME.")
    ] = None,
) -> None:
    """Create a plugin."""
    folder = write_package(name, kind, out)
    lines = [
        line.format(name=name, module=name.replace("-", "_"), folder=shlex.quote(str(folder))) for line in NEXT[kind]
    ]
    output.say(f"wrote {folder}; its README describes the files. Next:\n" + "\n".join(f"  {x}" for x in lines))
    output.emit(str(folder))


@app.command(help=CHECK_HELP)
def check(
    name: NameArgument = None,
    model: ModelOption = None,
    data_root: options.DataRootOption = None,
    style: options.ListFormatOption = "table",
) -> None:
    """Check plugins against the plugin contract."""
    from teachmatters.plugin.check import check
    from teachmatters.registry import load

    if data_root is not None and not data_root.is_dir():
        raise TeachMattersError(f"--data-root {data_root} is not a directory; name the one that holds the data sets")
    chosen = _chosen(load().plugins, name)
    further = [load().model(each) for each in model or ()]
    if not chosen:
        output.say("only built-in plugins are installed; 'tm plugin check teachmatters' checks them")
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
        advice = f"'tm plugins' lists all {len(plugins)}; other plugins are not installed here."
        raise UnknownNameError("plugin", name, known, advice)
    return chosen


def _emit(findings: Sequence[Finding], style: options.ListFormat) -> None:
    import dataclasses

    if style == "json":
        keys = ["plugin", "distribution", "about", "check", "status", "message", "where"]
        output.emit_table(keys, [list(dataclasses.asdict(each).values()) for each in findings], "json")
        return
    parts = dict.fromkeys((each.plugin, each.about) for each in findings)
    rows = [(*part, _passed([f for f in findings if (f.plugin, f.about) == part])) for part in parts]
    if rows:
        output.emit_table(("plugin", "part", "ok"), rows, labels=2)
    for status in ("not checked", "wrong"):
        for each in findings:
            if each.status == status:
                output.emit(f"\n{status}: {each.plugin}, {each.about}, {each.check}: {each.message}")
                if each.where:
                    output.emit(f"  {each.where}")


def _passed(findings: Sequence[Finding]) -> str:
    return ", ".join(dict.fromkeys(each.check for each in findings if each.status == "ok")) or "nothing"
