"""``tm demo``: the whole walk on bundled data, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from teachmatters.cli import options as given
from teachmatters.cli import output
from teachmatters.cli.analyze import show_outcomes
from teachmatters.cli.report import report_text
from teachmatters.errors import TeachMattersError

HELP = """Measure an untrained model on bundled pictures and show the reports. Offline, about a minute.

Examples:

  tm demo

  tm demo --out somewhere/else
"""

MODEL = "random-s16"
FIGURES = (("attention-distance", ()), ("metric", ("knn-top1",)), ("best-layers", ()))


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the store and the drawings go.")] = Path(
        "build/demo"
    ),
) -> None:
    """Measure an untrained model on bundled pictures and show the reports."""
    from teachmatters.runner.analyze import analyze
    from teachmatters.runner.request import AnalyzeRequest

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TeachMattersError(f"--out {out}: {error.strerror}; name a folder that can be made") from error
    path = out / "results.db"
    request = AnalyzeRequest(models=[MODEL], metrics=["attention", "knn"], db=path)
    with output.progress() as display:
        outcomes = analyze(request, display)
    show_outcomes(outcomes, path)
    if any(outcome.status == "failed" for outcome in outcomes):
        raise typer.Exit(1)
    drawings = [_report(path, name, metrics, out) for name, metrics in FIGURES]
    output.say(f"\nThe store:     {path}")
    output.say("The drawings:  " + "\n               ".join(str(drawing) for drawing in drawings))
    output.say(
        "\nTry next:\n"
        f"  tm report metric --metric knn-top5 --db {path}\n"
        f"  tm query 'SELECT model, layer, head, metric, value FROM results' --limit 5 --db {path}\n"
        "  tm analyze --model random-b16 --metric attn-distance\n"
        "  tm models"
    )


def _report(path: Path, name: str, metrics: tuple[str, ...], out: Path) -> Path:
    """Print one report and draw it."""
    from teachmatters.registry import load
    from teachmatters.reports import plots
    from teachmatters.reports.engine import run_report
    from teachmatters.reports.options import Options

    report = run_report(load().report(name), path, Options(metrics=metrics))
    output.emit(f"\n{name}\n\n{report_text(report, 'table')}")
    drawing = out / f"{name}.png"
    plots.save(report.figure(), drawing)
    return drawing


app = given.single(demo, HELP)
