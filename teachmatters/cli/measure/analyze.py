"""``tm analyze``: measure models on data and store the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from teachmatters.cli import completion, options, output
from teachmatters.cli.measure.outcomes import show_outcomes
from teachmatters.cli.report_text import report_text
from teachmatters.errors import NothingToShowError, listing

if TYPE_CHECKING:
    from teachmatters.reports.cell_rows import Cell
    from teachmatters.runner.requests import Outcome
    from teachmatters.store.location import StoreLocation
    from teachmatters.store.reader import Rows

LEGEND = "score (best layer); for a metric without a direction: first to last layer; -v prints every layer"

HELP = """Measure models on data and record every number in the store.

Numbers that the store already holds are reused; --force measures them again. The default data set is the bundled
'scenes', a set of synthetic images. 'tm models', 'tm metrics' and 'tm datasets' list the names.

Examples:

  tm analyze --model mini-mae --metric attn-distance

  tm analyze --model random-s16 --metric knn --data digits --limit 50

  tm analyze --model mine=dino-s16 --weights mine=checkpoint.pth --metric attention --data folder --data-root images
"""


def analyze(
    model: Annotated[
        list[str],
        typer.Option(
            "--model",
            "-m",
            metavar="[LABEL=]NAME",
            help="A model or 'mini-*'; repeat for more.",
            autocompletion=completion.complete_models,
        ),
    ],
    metric: Annotated[
        list[str],
        typer.Option(
            "--metric",
            metavar="NAME",
            help="A metric, analysis or suite; repeat.",
            autocompletion=completion.complete_metrics,
        ),
    ],
    data: options.DataOption = None,
    data_root: options.DataRootOption = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weights",
            "-w",
            metavar="[LABEL=]FILE",
            help="A checkpoint; FILE#NAME: one of its networks; a pattern ('ckpt-*.pth'): all those of a run.",
        ),
    ] = None,
    supervision: Annotated[
        list[str] | None,
        typer.Option(
            "--supervision",
            metavar="[LABEL=]TEXT",
            help="How a checkpoint was trained, such as 'labels'. Default: inferred if possible.",
        ),
    ] = None,
    label_seed: Annotated[
        int | None,
        typer.Option("--label-seed", metavar="N", help="Training seed, added to the labels."),
    ] = None,
    db: options.DbOption = None,
    device: options.DeviceOption = "",
    dtype: Annotated[str, typer.Option("--dtype", help="float32, bfloat16 or float16.")] = "float32",
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", "-b", metavar="N", help="Inputs per pass. Default: depends on the model."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            metavar="N",
            help="Only the first N images, queries, pairs or videos.",
        ),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            "-p",
            metavar="NAME=VALUE",
            autocompletion=completion.complete_parameters,
            help="A parameter, such as feature=mean: 'tm metrics ANALYSIS' lists those of an analysis.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Random seed.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Measure again even if the store has the numbers.")] = False,
    engine: options.EngineOption = "local",
    address: options.AddressOption = None,
    shards: options.ShardsOption = None,
    style: options.ListFormatOption = "table",
) -> None:
    """Measure models on data and record every number in the store."""
    from teachmatters.runner.outcomes import ModelLines
    from teachmatters.runner.requests import AnalyzeRequest, EngineRequest
    from teachmatters.store.location import writing_path

    path = writing_path(db)  # before the seconds that the import of torch takes
    from teachmatters.runner.session.analyze import analyze as run

    request = AnalyzeRequest(
        models=model,
        metrics=metric,
        db=path,
        data=data or (),
        data_root=data_root,
        weights=weights or (),
        supervision=supervision or (),
        label_seed=label_seed,
        device=device,
        dtype=dtype,  # type: ignore[arg-type]  # the runner checks the name
        batch_size=batch_size,
        limit=limit,
        parameters=param or (),
        seed=seed,
        force=force,
        engine=EngineRequest(name=engine, address=address, shards=shards),
    )
    with output.progress() as display:
        lines = ModelLines(display.say, verbose=output.level >= output.VERBOSE)
        outcomes = run(request, display, lines)
        lines.flush()
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if len(failed) == len(outcomes) and len({outcome.reason for outcome in failed}) == 1:
        raise failed[0].error  # type: ignore[misc]  # a failed outcome has one
    show_numbers(path, outcomes, style)
    show_outcomes(outcomes, path)
    if failed:
        raise typer.Exit(1)


def show_numbers(path: StoreLocation, outcomes: Sequence[Outcome], style: options.ListFormat) -> None:
    """Print the numbers of the outcomes: all rows as JSON, one table of best layers, or with -v a table per metric."""
    successful = [outcome for outcome in outcomes if outcome.status != "failed"]
    if style == "json":
        tables = [_rows(path, outcome) for outcome in successful]
        columns = tables[0].columns if tables else ["model", "metric", "layer", "value"]
        output.emit_table(columns, [row for table in tables for row in table.rows], "json")
    elif output.level >= output.VERBOSE or (output.level == output.NORMAL and not _show_best(path, successful)):
        _show_tables(path, successful)


def _show_best(path: StoreLocation, outcomes: Sequence[Outcome]) -> bool:
    """Print one table, metrics by models; return False if it would be empty, and one metric has a table of its own."""
    from teachmatters.reports.best_values import best_values

    metrics = {metric for outcome in outcomes for metric in outcome.metrics}
    found = best_values(path, {_cell(outcome): outcome.metrics for outcome in outcomes})
    if not found.rows and len(metrics) == 1:
        return False
    if found.rows:
        output.emit_table(found.columns, found.rows, "table", found.bold, whole=False)
        output.emit(output.paragraphs([LEGEND]))
    if found.omitted:
        output.say(f"not in the table: {listing(found.omitted)}; -v prints every layer of every metric")
    if detailed := sorted(metrics & _detailed()):
        output.say(f"several values per layer: {listing(detailed)}; see 'tm report metric --metric {detailed[0]}'")
    return True


def _detailed() -> set[str]:
    """Return the metrics with numbers, but without one number per layer."""
    from teachmatters.registry import load

    metrics = (metric for spec in load().analyses.values() for metric in spec.metrics)
    return {m.name for m in metrics if m.level == "layer-pair" or (m.level != "map" and not m.headline)}


def _show_tables(path: StoreLocation, outcomes: Sequence[Outcome]) -> None:
    """Print one table per data set, setting and metric."""
    keys = dict.fromkeys((o.dataset, o.setting, o.analysis, metric) for o in outcomes for metric in sorted(o.metrics))
    for dataset, setting, analysis, metric in keys:
        models = {label for o in outcomes if metric in o.metrics for label in (o.model, o.other) if label}
        output.emit(_table(path, f"{analysis}:{metric}", dataset, setting, tuple(sorted(models))))


def _table(path: StoreLocation, metric: str, dataset: str, setting: str, models: tuple[str, ...]) -> str:
    from teachmatters.registry import load
    from teachmatters.reports.options import Options
    from teachmatters.reports.run import run_report

    chosen = Options(metrics=(metric,), models=models, data=(dataset,), setting=setting)
    try:
        return report_text(run_report(load().report("metric"), path, chosen), "table")
    except NothingToShowError:  # the metric does not apply to these models; their notes say so
        return ""


def _rows(path: StoreLocation, outcome: Outcome) -> Rows:
    from teachmatters.reports.cell_rows import read_cell

    return read_cell(path, _cell(outcome), outcome.metrics)


def _cell(outcome: Outcome) -> Cell:
    from teachmatters.reports.cell_rows import Cell

    return Cell(outcome.model, outcome.other, outcome.dataset, outcome.analysis, outcome.setting)


app = options.single(analyze, HELP)
