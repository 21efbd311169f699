"""``tm report``: tables and drawings from the store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from teachmatters.cli import options as given
from teachmatters.cli import output
from teachmatters.cli.report_page import write_page
from teachmatters.errors import TeachMattersError, listing
from teachmatters.reports.tables import formats

if TYPE_CHECKING:
    from teachmatters.api import ReportSpec
    from teachmatters.reports.options import Options
    from teachmatters.reports.run import Report

HELP = """Show results from the store, as a table or a drawing. Without NAME: list the reports.

Examples:

  tm report best-layers

  tm report metric --metric knn-top1 --model 'dino-*' --format markdown

  tm report attention-distance --layers 1,6,12 --plot distance.png

  tm report page --out report.html
"""

DRAWINGS = (".png", ".pdf", ".svg")


def report(
    name: Annotated[str | None, typer.Argument(help="The report; leave it out for a list.", show_default=False)] = None,
    db: given.DbOption = None,
    metric: given.MetricOption = None,
    model: given.ModelOption = None,
    data: given.DataOption = None,
    setting: given.SettingOption = "",
    layers: given.LayersOption = None,
    heads: given.HeadsOption = None,
    by: Annotated[
        Literal["supervision"] | None, typer.Option("--by", help="Draw a panel for each way of training, on one scale.")
    ] = None,
    style: given.ReportFormatOption = "table",
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw it: .png, .pdf or .svg.")] = None,
    out: given.OutOption = None,
    sql: Annotated[bool, typer.Option("--sql", help="Print the query that is run instead of its table.")] = False,
) -> None:
    """Show results from the store, as a table or a drawing."""
    from teachmatters import registry

    known = registry.load()
    asked = replace(_options(metric, model, data, setting, (layers, heads)), by=by or "")
    if name is None:
        _refuse_without_name(asked, {"--plot": plot is not None, "--out": out is not None, "--sql": sql})
        _list(list(known.reports.values()), style)
        return
    if name == "page":
        write_page(
            db,
            asked,
            out,
            {"--format": style != "table", "--plot": plot is not None, "--sql": sql, "--by": by is not None},
        )
        return
    spec = known.report(name)
    given.check_target(plot, "--plot", DRAWINGS)
    given.check_target(out, "--out")
    found = _run(spec, db, asked)
    text = found.sql if sql else report_text(found, style, to_file=out is not None)
    if out is not None:
        output.write_file(out, text)
    else:
        output.emit(text)
    if plot is not None:
        from teachmatters.reports.figures import plots

        plots.save(found.figure(), plot)
        output.say(f"Drew {plot}")


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
        layers=given.parse_numbers(numbers[0], "--layers"),
        heads=given.parse_numbers(numbers[1], "--heads"),
    )


def _run(spec: ReportSpec, db: str | None, asked: Options) -> Report:
    from teachmatters.reports.run import run_report
    from teachmatters.store.location import reading_path

    path, remark = reading_path(db)
    if remark:
        output.say(remark)
    return run_report(spec, path, asked)


def report_text(found: Report, style: given.ReportFormat, *, to_file: bool = False) -> str:
    """The report in a format. Programs get the rows as they are, people a rounded table with its notes and caption."""
    if style in ("csv", "json"):
        for line in found.caption:
            output.say(line)
        return output.render(found.data.columns, found.data.rows, style, to_file=to_file)
    table = found.table
    text = output.render(
        list(table.columns),
        table.values.tolist(),
        style,
        table.attrs.get("bold", ()),
        table.attrs.get("labels", 1),
        to_file=to_file,
    )
    beneath = [*table.attrs.get("notes", ()), *found.caption]
    if style == "table":
        return f"{text}\n{output.paragraphs(beneath, to_file=to_file)}\n"
    mark, gap = ("% ", "\n") if style == "latex" else ("", "  \n")
    return text + "\n" + gap.join(mark + formats.visible(line) for line in beneath) + "\n"


def _refuse_without_name(asked: Options, others: dict[str, bool]) -> None:
    """Refuse options that mean nothing to the list of reports.

    Raises:
        TeachMattersError: there is one.
    """
    options: dict[str, object] = {"--metric": asked.metrics, "--model": asked.models, "--data": asked.data}
    options |= {"--setting": asked.setting, "--layers": asked.layers, "--heads": asked.heads, "--by": asked.by}
    if given_ones := [option for option, value in {**options, **others}.items() if value]:
        raise TeachMattersError(
            f"{listing(given_ones)} without the name of a report: write 'tm report NAME {given_ones[0]} ...'; "
            "'tm report' alone lists the names"
        )


def _list(specs: list[ReportSpec], style: given.ReportFormat) -> None:
    from teachmatters.reports.page.build import NAME, SUMMARY

    rows = [[spec.name, spec.summary] for spec in specs] + [[NAME, SUMMARY]]
    output.emit_table(["report", "what it shows"], rows, style)


app = given.single(report, HELP)
