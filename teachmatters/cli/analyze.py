"""``tm analyze``: models x data -> store."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from teachmatters.cli import options as given
from teachmatters.cli import output
from teachmatters.cli.report import report_text
from teachmatters.errors import NothingToShowError, listing

if TYPE_CHECKING:
    from teachmatters.api import MetricSpec
    from teachmatters.runner.requests import Outcome
    from teachmatters.store.location import StoreLocation

SAID = ("skipped", "data", "weights")
"""Notes that are said elsewhere: the images that were left out, what the data set and the weights have to say."""

HELP = """Measure models on data and record every number in the store.

Only what the store lacks is measured; --force measures anew. Without --data it is done on the bundled 'scenes', a
drawn world. 'tm models', 'tm metrics' and 'tm datasets' list the names.

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
    data: given.DataOption = None,
    data_root: given.DataRootOption = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weights",
            "-w",
            metavar="[LABEL=]FILE",
            help="A checkpoint for a model, instead of its own; #NAME behind it chooses a network in it.",
        ),
    ] = None,
    supervision: Annotated[
        list[str] | None,
        typer.Option(
            "--supervision",
            metavar="[LABEL=]TEXT",
            help="How a checkpoint was trained, such as 'labels'. Default: as its layout tells, else blank.",
        ),
    ] = None,
    db: given.DbOption = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")] = "auto",
    dtype: Annotated[str, typer.Option("--dtype", help="float32, bfloat16 or float16.")] = "float32",
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", "-b", metavar="N", help="Inputs a forward pass. Default: by model.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", help="Only the first N images (queries, pairs, videos).")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter of an analysis or a data set."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="For whatever is random.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Measure again what the store already holds.")] = False,
    engine: given.EngineOption = "local",
    address: given.AddressOption = None,
    shards: given.ShardsOption = None,
    style: given.ListFormatOption = "table",
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
        device=device,
        dtype=dtype,  # type: ignore[arg-type]  # the runner says which ones there are
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
    """How everything ended, and where the rows went, on standard error."""
    for outcome in outcomes:
        output.say(outcome_line(outcome))
        if outcome.error is not None and os.environ.get("TM_DEBUG") == "1":
            output.say("".join(traceback.format_exception(outcome.error)))
    if any(outcome.status == "done" for outcome in outcomes):
        output.say(f"recorded in {path}")


def outcome_line(outcome: Outcome) -> str:
    """How one of them ended."""
    pair = f" and {outcome.other}" if outcome.other and outcome.other != outcome.model else ""
    return f"{outcome.status:6} {outcome.model}{pair}: {outcome.analysis} on {outcome.dataset}{_detail(outcome)}"


def _detail(outcome: Outcome) -> str:
    if outcome.status == "failed":
        return f": {outcome.reason}"
    setting = f" [{outcome.setting}]" if outcome.setting else ""
    if outcome.status == "reused":
        return f"{setting}: {listing(sorted(outcome.metrics))} already in the store (--force measures anew)"
    notes = [f"{name}: {_words(value)}" for name, value in outcome.notes.items() if name not in SAID]
    if outcome.skipped:
        skipped = outcome.notes["skipped"]
        assert isinstance(skipped, dict)
        notes.insert(0, f"{outcome.skipped} could not be read and were left out ({listing(skipped, most=3)})")
    said = "".join(f"; {note}" for note in notes)
    return f"{setting}: {outcome.items:,} images in {outcome.seconds:.1f} s{said}"


def _words(value: object) -> str:
    return listing(map(str, value)) if isinstance(value, list | tuple) else str(value)


def show_numbers(path: StoreLocation, outcomes: Sequence[Outcome], style: given.ListFormat) -> None:
    """The numbers that were asked for: all rows as JSON, or a table of each metric."""
    told = [outcome for outcome in outcomes if outcome.status != "failed"]
    if style == "json":
        answers = [_rows(path, outcome) for outcome in told]
        columns = answers[0][0] if answers else ["model", "metric", "layer", "value"]
        output.emit_table(columns, [row for _, rows in answers for row in rows], "json")
        return
    for dataset, setting, analysis, metric in _shown(told):
        models = {label for o in told if metric in o.metrics for label in (o.model, o.other) if label}
        output.emit(_table(path, f"{analysis}:{metric}", dataset, setting, tuple(sorted(models))))


def _shown(told: Sequence[Outcome]) -> list[tuple[str, str, str, str]]:
    """Data set, setting, analysis and metric of each table; metrics without a layer's own number only by themselves."""
    from teachmatters.registry import load

    about = dict.fromkeys((o.dataset, o.setting, o.analysis, metric) for o in told for metric in sorted(o.metrics))
    finer = {metric.name for spec in load().analyses.values() for metric in spec.metrics if _finer(metric)}
    shown = [each for each in about if each[-1] not in finer]
    if left := sorted({each[-1] for each in about} & finer if shown else ()):
        output.say(f"not shown, having many numbers a layer: {listing(left)} (tm report metric --metric {left[0]})")
    return shown or list(about)


def _finer(metric: MetricSpec) -> bool:
    return not metric.headline and metric.level != "map"


def _table(path: StoreLocation, metric: str, dataset: str, setting: str, models: tuple[str, ...]) -> str:
    from teachmatters.registry import load
    from teachmatters.reports.options import Options
    from teachmatters.reports.run import run_report

    asked = Options(metrics=(metric,), models=models, data=(dataset,), setting=setting)
    try:
        return report_text(run_report(load().report("metric"), path, asked), "table")
    except NothingToShowError:  # the metric does not apply to these models, which their notes tell
        return ""


_ORDER = """metric, protocol NULLS FIRST, layer NULLS FIRST, head NULLS FIRST, other_layer NULLS FIRST,
    category NULLS FIRST"""


def _rows(path: StoreLocation, outcome: Outcome) -> tuple[list[str], list[tuple[object, ...]]]:
    """Columns and rows of ``results`` for one outcome."""
    from teachmatters.reports.binding import literal
    from teachmatters.reports.catalog import TIMEOUT
    from teachmatters.store.public import storable
    from teachmatters.store.reader import query

    about = {"model": outcome.model, "coalesce(other_model, '')": outcome.other, "dataset": outcome.dataset}
    about |= {"analysis": outcome.analysis, "setting": outcome.setting}
    terms = [f"{column} = {literal(storable(value))}" for column, value in about.items()]
    terms.append(f"metric IN ({literal(tuple(sorted(outcome.metrics)))})")
    found = query(path, f"SELECT * FROM results WHERE {' AND '.join(terms)} ORDER BY {_ORDER}", timeout=TIMEOUT)
    return found.columns, found.rows


app = given.single(analyze, HELP)
