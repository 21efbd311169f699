"""``tm report page``: what its options mean, and the file that it writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from teachmatters.cli import options as given
from teachmatters.cli import output
from teachmatters.errors import TeachMattersError, listing

if TYPE_CHECKING:
    from teachmatters.reports.options import Options

DEFAULT = Path("report.html")


def write_page(db: str | None, asked: Options, out: Path | None, others: dict[str, bool]) -> None:
    """Write the page.

    Args:
        db: the store.
        asked: models, data sets and setting.
        out: the file.
        others: options that a page does not take, and whether they were given.

    Raises:
        TeachMattersError: an option that it does not take, nothing to show, or a file that cannot be written.
    """
    from teachmatters import registry
    from teachmatters.reports.page.build import NAME, build, count
    from teachmatters.store.location import reading_path

    refused = [f"--{name}" for name in ("metrics", "layers", "heads") if getattr(asked, name)]
    refused += [option for option, was_given in others.items() if was_given]
    if refused:
        name = listing("--metric" if option == "--metrics" else option for option in refused)
        raise TeachMattersError(f"report {NAME!r} takes no {name}; it takes --model, --data, --setting and --out.")
    target = out or DEFAULT
    given.check_target(target, "--out", (".html", ".htm"))
    path, remark = reading_path(db)
    if remark:
        output.say(remark)
    specs = list(registry.load().reports.values())
    with output.progress() as display:
        display.begin("drawing", count(specs))
        text = build(path, specs, asked, lambda: display.advance(1))
    output.write_file(target, text)
