"""``tm report``: show results from the store as tables or figures."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from teachmatters.cli import options, output, stores
from teachmatters.cli.browser import open_file
from teachmatters.cli.completion import complete_reports
from teachmatters.cli.report_text import report_text
from teachmatters.cli.results.report_page import write_page
from teachmatters.errors import TeachMattersError, listing
from teachmatters.reports.options import DRAWING

if TYPE_CHECKING:
    from teachmatters.api import ReportSpec
    from teachmatters.reports.options import Options
    from teachmatters.reports.page.build import PageText
    from teachmatters.reports.run import Report

HELP = """Show results as a table or a figure. Without NAME: list the reports.

Examples:

  tm report best-layers

  tm report metric --metric knn-top1 --model 'dino-*'

  tm report attention-distance --layers 1,6,12 --plot distance.png

  tm report page --out report.html
"""

FIGURE_SUFFIXES = (".png", ".pdf", ".svg")


def report(
    name: Annotated[
        str | None,
        typer.Argument(help="The report. Default: list all.", show_default=False, autocompletion=complete_reports),
    ] = None,
    db: options.DbOption = None,
    metric: options.MetricOption = None,
    model: options.ModelOption = None,
    data: options.StoredDataOption = None,
    setting: options.SettingOption = "",
    layers: options.LayersOption = None,
    heads: options.HeadsOption = None,
    by: Annotated[
        Literal["supervision", "step", "head"] | None,
        typer.Option(
            "--by",
            help="A panel per supervision, steps of models RUN@STEP on the x-axis, or a point per head.",
        ),
    ] = None,
    pool: Annotated[bool, typer.Option("--pool", help="With --by supervision: mean lines only.")] = False,
    sort: Annotated[bool, typer.Option("--sort", help="Sort the heads of each layer by value.")] = False,
    scale: Annotated[
        Literal["own", "shared"] | None, typer.Option("--scale", help="Colours: one scale per map or for all.")
    ] = None,
    zoom: Annotated[
        int | None, typer.Option("--zoom", metavar="N", help="Show N patches around the query. Default: 5.")
    ] = None,
    style: options.ReportFormatOption = "table",
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw the figure: .png, .pdf or .svg.")
    ] = None,
    title: Annotated[str | None, typer.Option("--title", metavar="TEXT", help="The title of the page.")] = None,
    note: Annotated[
        Path | None, typer.Option("--note", metavar="FILE.md", help="Notes below the title of the page.")
    ] = None,
    short: Annotated[bool, typer.Option("--short", help="A short page: findings and figures.")] = False,
    explore: Annotated[
        list[Path] | None, typer.Option("--explore", metavar="IMAGE", help="Add an explorer of this image; repeat.")
    ] = None,
    out: options.OutOption = None,
    plain: Annotated[bool, typer.Option("--plain", help="best-layers for a paper: scores and layers.")] = False,
    intervals: Annotated[bool, typer.Option("--intervals", help="With --plain: 95 % intervals as columns.")] = False,
    name_: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="MODEL=TEXT", help="Show MODEL as TEXT; repeat for more."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the figure or the page in a browser.")] = False,
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL query instead of the table.")] = False,
) -> None:
    """Show results from the store as a table or a figure."""
    from teachmatters import registry

    known = registry.load()
    if zoom is not None:
        options.at_least(zoom, 1, "--zoom")
    asked = replace(
        _options(metric, model, data, setting, (layers, heads)),
        by=by or "",
        pool=pool,
        sort=sort,
        scale=scale or "",
        zoom=zoom or 0,
        plain=plain,
        intervals=intervals,
        names=_names(name_ or []),
    )
    drawn = {
        "--plot": plot is not None,
        "--sql": sql,
        "--plain": plain,
        "--intervals": intervals,
        "--name": bool(name_),
    }
    of_page = {"--title": title is not None, "--note": note is not None, "--short": short, "--explore": bool(explore)}
    if name is None:
        _refuse_without_name(asked, {**drawn, **of_page, "--out": out is not None, "--open": open_})
        _list(list(known.reports.values()), style)
        return
    if name == "page":
        drawn |= {"--format": style != "table"} | {f"--{each}": bool(getattr(asked, each)) for each in DRAWING}
        target = write_page(db, asked, out, drawn, _page_text(title, note, short=short), explore or ())
        if open_:
            _open(target)
        return
    if used := [option for option, given in of_page.items() if given]:
        raise TeachMattersError(f"report {name!r} takes no {listing(used)}; report page does.")
    spec = known.report(name)
    options.check_target(plot, "--plot", FIGURE_SUFFIXES)
    options.check_target(out, "--out")
    found = _run(spec, db, asked)
    text = found.sql if sql else report_text(found, style, to_file=out is not None)
    if out is not None:
        output.write_file(out, text)
    else:
        output.emit(text)
    if plot is not None or open_:
        from teachmatters.reports.figures import plots

        figure = plot or Path(tempfile.mkdtemp(prefix="teachmatters-")) / f"{name}.png"
        plots.save(found.figure(), figure)
        output.say(f"Drew {figure}")
        if open_:
            _open(figure)


def _open(path: Path) -> None:
    if not open_file(path):
        output.say(f"no browser to open it in; the file is {path}")


def _names(given: list[str]) -> dict[str, str]:
    """Return the display name of each model of ``--name MODEL=TEXT``."""
    parts = [text.partition("=") for text in given]
    for text, (label, _, shown) in zip(given, parts, strict=True):
        if not label or not shown:
            raise typer.BadParameter(f"{text!r} is not of the form MODEL=TEXT.", param_hint="--name")
    return {label: shown for label, _, shown in parts}


def _page_text(title: str | None, note: Path | None, *, short: bool) -> PageText:
    from teachmatters.reports.page.build import PageText
    from teachmatters.reports.page.notes import read_note

    return PageText(title=title or "", note=read_note(note) if note else "", short=short)


def _options(
    metric: list[str] | None,
    model: list[str] | None,
    data: list[str] | None,
    setting: str,
    numbers: tuple[str | None, str | None],
) -> Options:
    from teachmatters.reports.options import Options

    return Options(
        metrics=tuple(metric or ()),
        models=tuple(model or ()),
        data=tuple(data or ()),
        setting=setting,
        layers=options.parse_numbers(numbers[0], "--layers"),
        heads=options.parse_numbers(numbers[1], "--heads"),
    )


def _run(spec: ReportSpec, db: str | None, asked: Options) -> Report:
    from teachmatters.reports.run import run_report

    return run_report(spec, stores.reading(db), asked)


def _refuse_without_name(asked: Options, others: dict[str, bool]) -> None:
    """Reject options that the list of reports does not use.

    Raises:
        TeachMattersError: such an option was given.
    """
    chosen: dict[str, object] = {"--metric": asked.metrics, "--model": asked.models, "--data": asked.data}
    chosen |= {"--setting": asked.setting, "--layers": asked.layers, "--heads": asked.heads}
    chosen |= {f"--{name}": getattr(asked, name) for name in DRAWING}
    if used := [option for option, value in {**chosen, **others}.items() if value]:
        raise TeachMattersError(
            f"{listing(used)} without the name of a report: write 'tm report NAME {used[0]} ...'; "
            "'tm report' alone lists the names"
        )


def _list(specs: list[ReportSpec], style: options.ReportFormat) -> None:
    from teachmatters.reports.page.build import NAME, SUMMARY

    rows = [[spec.name, spec.summary] for spec in specs] + [[NAME, SUMMARY]]
    output.emit_table(["report", "what it shows"], rows, style)


app = options.single(report, HELP)
