"""``tm demo``: the whole walk on bundled data, offline."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path
from typing import Annotated

import typer

from teachmatters.cli import options as given
from teachmatters.cli import output
from teachmatters.cli.analyze import show_outcomes
from teachmatters.cli.report import report_text
from teachmatters.errors import TeachMattersError

HELP = """The paper in miniature: seven models that differ in supervision alone, every analysis, every report.

Bundled models on the bundled data set, offline, in two to three minutes on two cores. What is there already is not
measured again.

Examples:

  tm demo

  tm demo --out somewhere/else
"""

MODELS = "mini-*"
SUITES = ("how", "what", "why")
LIMIT = 120
"""Of images, queries, pairs and videos: enough for the curves to differ, few enough to wait for."""
GALLERY = 240
PRINTED = "best-layers"


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the store and the drawings go.")] = Path(
        "build/demo"
    ),
) -> None:
    """Run every analysis on the bundled models and data, and draw every report."""
    from teachmatters.runner.requests import AnalyzeRequest
    from teachmatters.runner.session.analyze import analyze

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TeachMattersError(f"--out {out}: {error.strerror}; name a folder that can be made") from error
    path = out / "results.db"
    request = AnalyzeRequest(
        models=[MODELS], metrics=SUITES, db=path, limit=LIMIT, parameters=[f"train={GALLERY}"], data=["scenes"]
    )
    with output.progress() as display:
        outcomes = analyze(request, display)
    show_outcomes(outcomes, path)
    if any(outcome.status == "failed" for outcome in outcomes):
        raise typer.Exit(1)
    drawings = _draw(path, out, {metric for outcome in outcomes for metric in outcome.metrics})
    output.say(f"\nThe store:     {path}")
    output.say("The drawings:  " + "\n               ".join(str(drawing) for drawing in drawings))
    output.say(
        "\nTry next:\n"
        f"  tm report knn --db {path}\n"
        f"  tm report heads --db {path}\n"
        f"  tm query 'SELECT model, layer, metric, value FROM results' --limit 5 --db {path}\n"
        "  tm datasets scenes --preview scenes.png\n"
        "  tm models"
    )


def _draw(path: Path, out: Path, measured: Set[str]) -> list[Path]:
    """Draw every report that has metrics of its own among those measured, and print one of them."""
    from teachmatters.registry import load
    from teachmatters.reports.figures import plots
    from teachmatters.reports.options import Options
    from teachmatters.reports.run import run_report

    drawings: list[Path] = []
    printed = ""
    specs = [spec for spec in load().reports.values() if measured & set(spec.metrics)]
    with output.progress() as display:
        display.begin("drawing", len(specs))
        for spec in specs:
            report = run_report(spec, path, Options())
            if spec.name == PRINTED:
                printed = report_text(report, "table")
            drawing = out / f"{spec.name}.png"
            plots.save(report.figure(), drawing)
            drawings.append(drawing)
            display.advance(1)
        display.finish()
    output.emit(f"\n{PRINTED}\n\n{printed}")
    return drawings


app = given.single(demo, HELP)
