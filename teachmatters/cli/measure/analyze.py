"""``tm analyze``: measure models on data and store the numbers."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from teachmatters.cli import options, output
from teachmatters.cli.results.report import report_text
from teachmatters.errors import NothingToShowError, listing

if TYPE_CHECKING:
    from teachmatters.api import MetricSpec
    from teachmatters.runner.requests import Outcome
    from teachmatters.store.location import StoreLocation
    from teachmatters.store.reader import Rows

# Notes that are printed elsewhere: unreadable images, remarks about the data set and about the weights.
PRINTED_ELSEWHERE = ("skipped", "data", "weights")

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
        typer.Option("--model", "-m", metavar="[LABEL=]NAME", help="A model or a pattern ('mini-*'); repeat for more."),
    ],
    metric: Annotated[
        list[str], typer.Option("--metric", metavar="NAME", help="An analysis, a metric or a suite; repeat for more.")
    ],
    data: options.DataOption = None,
    data_root: options.DataRootOption = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weights",
            "-w",
            metavar="[LABEL=]FILE",
            help="A checkpoint to load instead of the model's own; FILE#NAME selects one of its networks, "
            "a pattern ('ckpt-*.pth') the checkpoints of a run.",
        ),
    ] = None,
    supervision: Annotated[
        list[str] | None,
        typer.Option(
            "--supervision",
            metavar="[LABEL=]TEXT",
            help="How a checkpoint was trained, such as 'labels'. Default: inferred from its layout, else blank.",
        ),
    ] = None,
    label_seed: Annotated[
        int | None,
        typer.Option("--label-seed", metavar="N", help="Training seed of the checkpoints, added to their labels."),
    ] = None,
    db: options.DbOption = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")] = "auto",
    dtype: Annotated[str, typer.Option("--dtype", help="float32, bfloat16 or float16.")] = "float32",
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", "-b", metavar="N", help="Inputs per forward pass. Default: depends on the model."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", help="Only the first N images (queries, pairs, videos).")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter of an analysis or a data set."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Random seed.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Measure again even if the store has the numbers.")] = False,
    engine: options.EngineOption = "local",
    address: options.AddressOption = None,
    shards: options.ShardsOption = None,
    style: options.ListFormatOption = "table",
) -> None:
    """Measure models on data and record every number in the store."""
    from teachmatters.runner.requests import AnalyzeRequest, EngineRequest
    from teachmatters.runner.session.analyze import analyze as run
    from teachmatters.store.location import writing_path

    path = writing_path(db)
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
        outcomes = run(request, display)
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if len(failed) == len(outcomes) and len({outcome.reason for outcome in failed}) == 1:
        raise failed[0].error  # type: ignore[misc]  # a failed outcome has one
    show_numbers(path, outcomes, style)
    show_outcomes(outcomes, path)
    if failed:
        raise typer.Exit(1)


def show_outcomes(outcomes: Sequence[Outcome], path: StoreLocation) -> None:
    """Print each outcome, and where the rows went, to standard error."""
    for outcome in outcomes:
        output.say(outcome_line(outcome))
        if outcome.error is not None and os.environ.get("TM_DEBUG") == "1":
            output.say("".join(traceback.format_exception(outcome.error)))
    if any(outcome.status == "done" for outcome in outcomes):
        output.say(f"recorded in {path}")


def outcome_line(outcome: Outcome) -> str:
    """Return one line that describes an outcome."""
    pair = f" and {outcome.other}" if outcome.other and outcome.other != outcome.model else ""
    return f"{outcome.status:6} {outcome.model}{pair}: {outcome.analysis} on {outcome.dataset}{_detail(outcome)}"


def _detail(outcome: Outcome) -> str:
    if outcome.status == "failed":
        return f": {outcome.reason}"
    setting = f" [{outcome.setting}]" if outcome.setting else ""
    if outcome.status == "reused":
        return f"{setting}: {listing(sorted(outcome.metrics))} already in the store (--force measures again)"
    notes = [f"{name}: {_text(value)}" for name, value in outcome.notes.items() if name not in PRINTED_ELSEWHERE]
    if outcome.skipped:
        skipped = outcome.notes["skipped"]
        assert isinstance(skipped, dict)
        notes.insert(0, f"{outcome.skipped} could not be read and were left out ({listing(skipped, most=3)})")
    suffix = "".join(f"; {note}" for note in notes)
    return f"{setting}: {outcome.items:,} images in {outcome.seconds:.1f} s{suffix}"


def _text(value: object) -> str:
    return listing(map(str, value)) if isinstance(value, list | tuple) else str(value)


def show_numbers(path: StoreLocation, outcomes: Sequence[Outcome], style: options.ListFormat) -> None:
    """Print the numbers of the outcomes: all rows as JSON, or one table per metric."""
    successful = [outcome for outcome in outcomes if outcome.status != "failed"]
    if style == "json":
        tables = [_rows(path, outcome) for outcome in successful]
        columns = tables[0].columns if tables else ["model", "metric", "layer", "value"]
        output.emit_table(columns, [row for table in tables for row in table.rows], "json")
        return
    for dataset, setting, analysis, metric in _tables(successful):
        models = {label for o in successful if metric in o.metrics for label in (o.model, o.other) if label}
        output.emit(_table(path, f"{analysis}:{metric}", dataset, setting, tuple(sorted(models))))


def _tables(outcomes: Sequence[Outcome]) -> list[tuple[str, str, str, str]]:
    """Return the data set, setting, analysis and metric of each table.

    A metric with several values per layer gets a table only if no other metric was measured.
    """
    from teachmatters.registry import load

    keys = dict.fromkeys((o.dataset, o.setting, o.analysis, metric) for o in outcomes for metric in sorted(o.metrics))
    detailed = {metric.name for spec in load().analyses.values() for metric in spec.metrics if _is_detailed(metric)}
    shown = [key for key in keys if key[-1] not in detailed]
    if omitted := sorted({key[-1] for key in keys} & detailed if shown else ()):
        output.say(
            f"omitted (several values per layer): {listing(omitted)}; see 'tm report metric --metric {omitted[0]}'"
        )
    return shown or list(keys)


def _is_detailed(metric: MetricSpec) -> bool:
    return not metric.headline and metric.level != "map"


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
    from teachmatters.reports.cell_rows import Cell, read_cell

    cell = Cell(outcome.model, outcome.other, outcome.dataset, outcome.analysis, outcome.setting)
    return read_cell(path, cell, outcome.metrics)


app = options.single(analyze, HELP)
