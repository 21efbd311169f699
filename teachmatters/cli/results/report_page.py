"""``tm report page``: check the options and write the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from teachmatters.cli import options, output, stores
from teachmatters.errors import TeachMattersError, listing

if TYPE_CHECKING:
    from teachmatters.reports.options import Options
    from teachmatters.reports.page.build import PageText

DEFAULT = Path("report.html")


def write_page(db: str | None, asked: Options, out: Path | None, others: dict[str, bool], text: PageText) -> Path:
    """Write all reports as one HTML page; return the file.

    Args:
        db: the store.
        asked: models, data sets and setting.
        out: the file.
        others: options that a page does not take; True for those on the command line.
        text: title, note and length.

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
            "--out and --open."
        )
    target = out or DEFAULT
    options.check_target(target, "--out", (".html", ".htm"))
    path = stores.reading(db)
    specs = list(registry.load().reports.values())
    with output.progress() as display:
        display.begin("drawing", count(specs))
        page = build(path, specs, asked, lambda: display.advance(1), text)
    output.write_file(target, page)
    return target
