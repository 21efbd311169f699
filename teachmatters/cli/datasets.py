"""``tm datasets``: which data sets there are, where to get them, and what a folder holds of one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from teachmatters.cli import listing
from teachmatters.cli import options as given

if TYPE_CHECKING:
    from teachmatters.api import DatasetSpec

HELP = """List the data sets, or show one: where to get it, the layout expected, and what a folder holds of it.

Examples:

  tm datasets

  tm datasets imagenet50

  tm datasets folder --data-root pictures
"""


def datasets(
    name: given.NameArgument = None, data_root: given.DataRootOption = None, style: given.ListFormatOption = "table"
) -> None:
    """List the data sets, or show one."""
    from teachmatters.registry import load

    registry = load()
    if name is None:
        rows = [_dataset(spec) for spec in registry.datasets.values()]
        listing.emit_list(rows, style, ("name", "bundled", "kinds", "summary"))
        return
    spec = registry.dataset(name)
    shown = _dataset(spec)
    if spec.bundled or data_root is not None:
        shown["found"] = _found(spec, data_root)
    listing.emit_one(shown, style)


def _dataset(spec: DatasetSpec) -> dict[str, object]:
    return {
        "name": spec.name,
        "summary": spec.summary,
        "kinds": sorted(spec.kinds),
        "bundled": spec.bundled,
        "folder": spec.folder or None,
        "layout": spec.layout or None,
        "parameters": listing.parameters(spec.parameters),
        "licence": spec.licence or None,
        "source": spec.source or None,
        "citation": spec.citation or None,
    }


def _found(spec: DatasetSpec, data_root: Path | None) -> str:
    """What a folder holds, in words."""
    from teachmatters.runner.data import items_of, open_dataset
    from teachmatters.runner.parameters import effective

    opened = open_dataset(spec, data_root, effective(spec, "", {}), seed=0)
    counts = {kind: len(items_of(opened, kind, ("all",), None)["all"]) for kind in sorted(opened.dataset.kinds)}
    classes = f"; {len(opened.dataset.classes)} classes" if opened.dataset.classes else ""
    return "; ".join(f"{count:,} for {kind}" for kind, count in counts.items()) + classes


app = given.single(datasets, HELP)
