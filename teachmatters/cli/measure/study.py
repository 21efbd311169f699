"""``tm study``: measure many models, data sets and analyses from one file."""

from __future__ import annotations

import os
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from teachmatters.cli import completion, options, output
from teachmatters.errors import TeachMattersError, listing
from teachmatters.runner.outcomes import outcome_line

if TYPE_CHECKING:
    from teachmatters.progress import Display
    from teachmatters.runner.requests import EngineRequest, Outcome
    from teachmatters.runner.study.model import Study
    from teachmatters.store.location import StoreLocation

HELP = """Run a study: a YAML file that names models, data sets and analyses.

FILE is a file, or the name of a packaged study (--list). 'tm study new' writes a commented file to begin with.

The command measures only what the store lacks. Analyses that share a model, a data set and a transform share one
forward pass. If it is interrupted, run the same command again to continue. --plan measures nothing: it lists what is
missing and estimates the time on this machine.

Examples:

  tm study new --model mini-mae --data scenes --out my-study.yaml

  tm study study.yaml --plan

  tm study study.yaml --db trial.db

  tm study --list
"""

COLUMNS = ("data", "analysis", "setting", "done", "reused", "failed")
FIELDS = ("status", "model", "other_model", "data", "analysis", "setting", "metrics", "images", "skipped", "seconds")

NEW = "new"
DEFAULT_OUT = Path("study.yaml")

FileArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[FILE]",
        help="A YAML file, a packaged study, or 'new'.",
        show_default=False,
        autocompletion=completion.complete_studies,
    ),
]
ListOption = Annotated[bool, typer.Option("--list", help="List the packaged studies.")]
NewModelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        metavar="[LABEL=]NAME",
        help="A model of the new study; repeat for more.",
        autocompletion=completion.complete_models,
    ),
]
NewWeightsOption = Annotated[
    list[str] | None,
    typer.Option("--weights", "-w", metavar="[LABEL=]FILE", help="A checkpoint for a model of the new study."),
]
NewDataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        "-d",
        metavar="NAME",
        help="The data set of the new study. Default: scenes.",
        autocompletion=completion.complete_datasets,
    ),
]
NewRootOption = Annotated[Path | None, typer.Option("--data-root", metavar="DIR", help="The folder of that data set.")]
NewOutOption = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="The file for the new study. Default: study.yaml.")
]
DbOption = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="FILE-OR-URL",
        help="The results store. Default: the study's own, else TM_DB, else ./results.db.",
        show_default=False,
    ),
]
PlanOption = Annotated[
    bool, typer.Option("--plan", help="Measure nothing; list what is missing and estimate its cost.")
]


def study(
    file: FileArgument = None,
    plan: PlanOption = False,
    list_: ListOption = False,
    model: NewModelOption = None,
    weights: NewWeightsOption = None,
    data: NewDataOption = None,
    data_root: NewRootOption = None,
    out: NewOutOption = None,
    db: DbOption = None,
    engine: options.EngineOption = "local",
    address: options.AddressOption = None,
    shards: options.ShardsOption = None,
    style: options.ListFormatOption = "table",
) -> None:
    """Run a study."""
    from teachmatters.registry import load
    from teachmatters.runner.requests import EngineRequest
    from teachmatters.runner.study import files
    from teachmatters.runner.study.resolve import open_study
    from teachmatters.store.location import writing_path

    given = {"--model": model, "--weights": weights, "--data": data, "--data-root": data_root, "--out": out}
    used = [option for option, value in given.items() if value is not None]
    if list_:
        rows = [(name, files.summary(path)) for name, path in files.packaged().items()]
        output.emit_table(("study", "summary"), rows, style)
        return
    if file == NEW:
        _new(out or DEFAULT_OUT, model or [], weights or [], data or "scenes", data_root)
        return
    if file is None or used:
        wrong = f"{listing(used)} belong to 'tm study new'" if used else "no study is named"
        raise TeachMattersError(f"{wrong}; name a file or a packaged study, such as 'tm study study.yaml --plan'.")
    opened = open_study(load(), files.find_study(file))
    path = writing_path(db if db is not None else opened.db)
    if plan:
        _plan(opened, path, style)
    else:
        _run(opened, path, EngineRequest(name=engine, address=address, shards=shards), style)


def _new(out: Path, models: list[str], weights: list[str], data: str, data_root: Path | None) -> None:
    from teachmatters.registry import load
    from teachmatters.runner.study.files import new_study

    new_study(out, load(), models or ["mini-*"], weights, data, data_root)
    output.say(f"Wrote {out}; 'tm study {out} --plan' estimates its cost")


def _plan(opened: Study, path: StoreLocation, style: options.ListFormat) -> None:
    from teachmatters.cli.measure.study_plan import show_estimate
    from teachmatters.runner.estimate.estimate import estimate_study

    with output.progress() as display:
        estimate = estimate_study(opened, path, display)
    show_estimate(estimate, path, style)


def _run(opened: Study, path: StoreLocation, engine: EngineRequest, style: options.ListFormat) -> None:
    try:
        from teachmatters.runner.study.run import run_study  # imports torch; Ctrl-C may come here

        with output.progress() as display:
            outcomes = run_study(opened, path, display, lambda outcome: _report(display, outcome), engine)
    except KeyboardInterrupt:
        kept = f"finished cells are in {path}; " if _exists(path) else ""
        output.say(f"stopped; {kept}run the same command again to continue")
        raise
    _show(outcomes, path, style)
    if any(outcome.status == "failed" for outcome in outcomes):
        raise typer.Exit(1)


def _report(display: Display, outcome: Outcome) -> None:
    """Report a measured cell at once; the closing table counts reused and failed ones."""
    if outcome.status == "done":
        display.say(outcome_line(outcome))


def _show(outcomes: Sequence[Outcome], path: StoreLocation, style: options.ListFormat) -> None:
    """Print the closing table, and the reason of each failure."""
    if style == "json":
        output.emit_table((*FIELDS, "reason"), [_row(outcome) for outcome in outcomes], "json")
    elif output.level > output.QUIET:
        groups: dict[tuple[str, str, str], Counter[str]] = {}
        data = list(dict.fromkeys(o.dataset for o in outcomes))
        for o in sorted(outcomes, key=lambda o: data.index(o.dataset)):
            groups.setdefault((o.dataset, o.analysis, o.setting), Counter())[o.status] += 1
        rows = [(*group, *(counts[status] for status in COLUMNS[3:])) for group, counts in groups.items()]
        output.emit_table(COLUMNS, rows)
    for reason, failed in _reasons(outcomes).items():
        output.complain(f"failed {_summary(failed)}: {reason}")
        error = failed[0].error
        if error is not None and os.environ.get("TM_DEBUG") == "1":
            output.complain("".join(traceback.format_exception(error)))
    totals = Counter(outcome.status for outcome in outcomes)
    where = f"; the results are in {path}" if _exists(path) else ""
    output.say(f"done {totals['done']:,}, reused {totals['reused']:,}, failed {totals['failed']:,}{where}")


def _exists(path: StoreLocation) -> bool:
    """Return whether the store exists; False for a server that does not answer."""
    from teachmatters.store import backend_of

    try:
        return backend_of(path).exists()
    except TeachMattersError:
        return False


def _row(outcome: Outcome) -> tuple[object, ...]:
    return (
        outcome.status,
        outcome.model,
        outcome.other or None,
        outcome.dataset,
        outcome.analysis,
        outcome.setting,
        sorted(outcome.metrics),
        outcome.items,
        outcome.skipped,
        round(outcome.seconds, 3),
        outcome.reason or None,
    )


def _reasons(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    reasons: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.status == "failed":
            reasons.setdefault(outcome.reason, []).append(outcome)
    return reasons


def _summary(failed: Sequence[Outcome]) -> str:
    """Summarise failed cells: ``12 cells (attention, cka on coco; dino-b16, mae-b16)``."""
    analyses = listing(dict.fromkeys(outcome.analysis for outcome in failed), 3)
    data = listing(dict.fromkeys(outcome.dataset for outcome in failed), 3)
    models = listing(dict.fromkeys(label for o in failed for label in (o.model, o.other) if label), 3)
    count = f"{len(failed):,} cells" if len(failed) > 1 else "1 cell"
    return f"{count} ({analyses} on {data}; {models})"


app = options.single(study, HELP)
