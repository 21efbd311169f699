"""``tm demo``: seven bundled models side by side, a page of findings and an explorer, offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from teachmatters.cli import options, output
from teachmatters.cli.explorer import explorer_page
from teachmatters.cli.measure.outcomes import show_outcomes
from teachmatters.cli.report_text import report_text
from teachmatters.errors import TeachMattersError

if TYPE_CHECKING:
    import pandas as pd

HELP = """Run the paper in miniature: seven models that differ only in supervision.

Measures how they attend, what they represent and what their features are useful for, on bundled images and offline. It
writes a figure, a page with all results (report.html) and an explorer of attention (explorer.html). Numbers that are
already in the demo's store are reused.

Examples:

  tm demo

  tm demo --out somewhere/else
"""

MODELS = "mini-*"
# Each of the paper's three questions, without the analyses that take longest: videos, retrieval, clusters of objects.
METRICS = ("attention", "attention-iou", "cka", "residual", "clustering", "knn", "keypoints")
# Images, queries, pairs and videos: enough for the curves to differ, few enough to wait for.
LIMIT = 120
GALLERY = 240
FIRST = ("knn-top1", "attn-distance")
HEADLINE, TASKS = "best-layers", ("knn-top1", "pck-0.10", "purity-cls")
EXPLORED, IMAGES = ("mini-supervised", "mini-dino", "mini-mae", "mini-beit"), 3
EMBEDDED = ("mini-dino", "mini-mae")  # in the page, with the first image
TITLE = "What supervision teaches: seven small vision transformers"


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the store, figure and pages.")] = Path(
        "build/demo"
    ),
) -> None:
    """Compare the bundled models, and write a figure, a page and an explorer."""
    from teachmatters.runner.requests import AnalyzeRequest
    from teachmatters.runner.session.analyze import analyze

    try:
        (out / "images").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TeachMattersError(f"--out {out}: {error.strerror}; name another folder") from error
    path = out / "results.db"
    request = AnalyzeRequest(
        models=[MODELS], metrics=METRICS, db=path, limit=LIMIT, parameters=[f"train={GALLERY}"], data=["scenes"]
    )
    with output.progress() as display:
        outcomes = analyze(request, display)
    show_outcomes(outcomes, path)
    if any(outcome.status == "failed" for outcome in outcomes):
        raise typer.Exit(1)
    figure = draw_first(path, out / "first.png")
    best = headline(path)
    images = save_images(out / "images")
    page = write_page(path, out / "report.html", images[:1])
    explorer = write_explorer(images, out / "explorer.html")
    output.emit(best)
    output.say(
        f"\nLook first:   {figure} (k-NN and attention distance, layer by layer)\n"
        f"All results:  {page}\n"
        f"Explorer:     {explorer} (click a patch: where does it attend?)\n"
        f"The store:    {path}\n"
        "\nTry next:\n"
        f"  tm report aligned-maps --model mini-mae --db {path} --plot maps.png\n"
        f"  tm report compare --model mini-clip --model mini-dino --db {path}\n"
        "  tm visualize IMAGE.jpg --model mini-dino --html mine.html"
    )


def draw_first(path: Path, file: Path) -> Path:
    """Draw the curves that differ most between the models: k-NN and attention distance."""
    from teachmatters.registry import load
    from teachmatters.reports.figures import plots
    from teachmatters.reports.options import Options
    from teachmatters.reports.run import run_report

    plots.save(run_report(load().report("metric"), path, Options(metrics=FIRST)).figure(), file)
    return file


def headline(path: Path) -> str:
    """Return the best layer of each model on some tasks; with -v also intervals and tied layers."""
    from teachmatters.registry import load
    from teachmatters.reports.builtin.best_layers import LABELS, STAYS, SURE, TIED
    from teachmatters.reports.options import Options
    from teachmatters.reports.run import run_report

    report = run_report(load().report(HEADLINE), path, Options(metrics=TASKS))
    if output.level >= output.VERBOSE:
        return report_text(report, "table")
    table: pd.DataFrame = report.table
    kept = [nth for nth, name in enumerate(table["model"]) if name not in (SURE, TIED, STAYS)]
    bold = {(kept.index(nth), column) for nth, column in table.attrs["bold"] if nth in kept}
    text = output.render(list(table.columns), table.iloc[kept].to_numpy().tolist(), "table", bold, LABELS)
    return f"Best score of each model (best layer)\n\n{text}"


def write_page(path: Path, file: Path, images: Sequence[Path]) -> Path:
    """Write the page of all reports, with an explorer of an image in two models."""
    from teachmatters.registry import load
    from teachmatters.reports.options import Options
    from teachmatters.reports.page.build import PageText, build, count
    from teachmatters.runner.visualize.request import VisualizeRequest

    specs = list(load().reports.values())
    with output.progress() as display:
        explorer, _ = explorer_page(VisualizeRequest(images=images, models=EMBEDDED))
        display.begin("drawing", count(specs))
        said = PageText(title=TITLE, explorer=explorer)
        text = build(path, specs, Options(), lambda: display.advance(1), said)
        display.finish()
    output.write_file(file, text)
    return file


def write_explorer(images: Sequence[Path], file: Path) -> Path:
    """Write the explorer of some images."""
    from teachmatters.runner.visualize.request import VisualizeRequest

    text, _ = explorer_page(VisualizeRequest(images=images, models=EXPLORED))
    output.write_file(file, text)
    return file


def save_images(folder: Path) -> list[Path]:
    """Save the first bundled images as files."""
    from teachmatters.registry import load
    from teachmatters.runner.plan.datasets import items_of, open_dataset
    from teachmatters.runner.plan.parameters import effective

    spec = load().dataset("scenes")
    opened = open_dataset(spec, None, effective(spec, "", {}), seed=0)
    files = []
    for nth, item in enumerate(items_of(opened, "images", ("all",), IMAGES)["all"], start=1):
        files.append(folder / f"scene-{nth}.png")
        opened.dataset.image(item).save(files[-1])
    return files


app = options.single(demo, HELP)
