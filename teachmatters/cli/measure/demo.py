"""``tm demo``: every analysis and every report on bundled data, offline."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path
from typing import Annotated

import typer

from teachmatters.cli import options, output
from teachmatters.cli.measure.outcomes import show_outcomes
from teachmatters.cli.results.report import report_text
from teachmatters.errors import TeachMattersError

HELP = """Run the paper in miniature: seven models that differ in supervision alone, and every report.

The models and the data set are bundled, so the demo runs offline; it takes two to three minutes on two cores. Numbers
that are already in the demo's store are reused.

Examples:

  tm demo

  tm demo --out somewhere/else
"""

MODELS = "mini-*"
SUITES = ("how", "what", "why")
# Images, queries, pairs and videos: enough for the curves to differ, few enough to wait for.
LIMIT = 120
GALLERY = 240
PRINTED = "best-layers"


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the store and the figures.")] = Path(
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
    figures = _draw(path, out, {metric for outcome in outcomes for metric in outcome.metrics})
    output.say(f"\nThe store:     {path}")
    output.say("The figures:   " + "\n               ".join(str(figure) for figure in figures))
    output.say(
        "\nTry next:\n"
        f"  tm report knn --db {path}\n"
        f"  tm report heads --db {path}\n"
        f"  tm query 'SELECT model, layer, metric, value FROM results' --limit 5 --db {path}\n"
        "  tm datasets scenes --preview scenes.png\n"
        "  tm models"
    )


def _draw(path: Path, out: Path, measured: Set[str]) -> list[Path]:
    """Draw every report whose own metrics include a measured one, print one report, and return the files."""
    from teachmatters.registry import load
    from teachmatters.reports.figures import plots
    from teachmatters.reports.options import Options
    from teachmatters.reports.run import run_report

    figures: list[Path] = []
    printed = ""
    specs = [spec for spec in load().reports.values() if measured & set(spec.metrics)]
    with output.progress() as display:
        display.begin("drawing", len(specs))
        for spec in specs:
            report = run_report(spec, path, Options())
            if spec.name == PRINTED:
                printed = report_text(report, "table")
            figure = out / f"{spec.name}.png"
            plots.save(report.figure(), figure)
            figures.append(figure)
            display.advance(1)
        display.finish()
    output.emit(f"\n{PRINTED}\n\n{printed}")
    return figures


app = options.single(demo, HELP)
