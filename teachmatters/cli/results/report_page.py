"""``tm report page``: check the options and write the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from teachmatters.cli import options, output, stores
from teachmatters.cli.explorer import explorer_page
from teachmatters.cli.images import image_files
from teachmatters.errors import TeachMattersError, listing

if TYPE_CHECKING:
    from teachmatters.api.progress import Progress
    from teachmatters.reports.options import Options
    from teachmatters.reports.page.build import PageText
    from teachmatters.store.location import StoreLocation

DEFAULT = Path("report.html")


MOST_MODELS = 2  # in an explorer of models that nobody chose, which it shows side by side


def write_page(
    db: str | None,
    asked: Options,
    out: Path | None,
    others: dict[str, bool],
    text: PageText,
    images: Sequence[Path] = (),
) -> Path:
    """Write all reports as one HTML page; return the file.

    Args:
        db: the store.
        asked: models, data sets and setting.
        out: the file.
        others: options that a page does not take; True for those on the command line.
        text: title, note and length.
        images: files or folders to show in an explorer.

    Raises:
        TeachMattersError: an option does not apply, there is nothing to show, or the file cannot be written.
    """
    from teachmatters import registry
    from teachmatters.reports.page.build import NAME, build, count

    refused = [f"--{name}" for name in ("metrics", "layers", "heads") if getattr(asked, name)]
    refused += [option for option, used in others.items() if used]
    if refused:
        name = listing("--metric" if option == "--metrics" else option for option in refused)
        raise TeachMattersError(
            f"report {NAME!r} takes no {name}; it takes --model, --data, --setting, --title, --note, --short, "
            "--explore, --out and --open."
        )
    target = out or DEFAULT
    options.check_target(target, "--out", (".html", ".htm"))
    path = stores.reading(db)
    specs = list(registry.load().reports.values())
    with output.progress() as display:
        if images:
            text = replace(text, explorer=_explorer(path, asked.models, images, display))
        display.begin("drawing", count(specs))
        page = build(path, specs, asked, lambda: display.advance(1), text)
    output.write_file(target, page)
    return target


def _explorer(path: StoreLocation, models: Sequence[str], images: Sequence[Path], progress: Progress) -> str:
    """Return an explorer of some images, in the selected models of a store or in its first two.

    Raises:
        TeachMattersError: a model has weights from a file, which the store does not tell, or nothing can be shown.
    """
    from teachmatters.reports.catalog import read_catalog
    from teachmatters.runner.visualize.request import VisualizeRequest

    catalog = read_catalog(path)
    named = [label for label in catalog.models if catalog.names[label] == label]
    chosen = catalog.find_models(models) or tuple(named[:MOST_MODELS])
    if others := [label for label in chosen if label not in named] or ([] if chosen else [*catalog.models]):
        raise TeachMattersError(
            f"--explore cannot build {listing(others)}, whose weights are from a file; choose other models with "
            "--model, or write the explorer alone: tm visualize IMAGE --model NAME --weights FILE --html explorer.html"
        )
    request = VisualizeRequest(images=image_files(images), models=chosen)
    document, failed = explorer_page(request, progress)
    for each in failed:
        output.complain(f"failed {each.what}: {each.reason}")
    return document
