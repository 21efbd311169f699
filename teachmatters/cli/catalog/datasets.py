"""``tm datasets``: list the data sets, check a folder, draw a preview."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from teachmatters.cli import options, output
from teachmatters.cli.catalog import listing
from teachmatters.cli.completion import complete_datasets
from teachmatters.errors import TeachMattersError
from teachmatters.errors import listing as listed

if TYPE_CHECKING:
    from teachmatters.api import DatasetSpec, Kind
    from teachmatters.runner.plan.datasets import OpenDataset

HELP = """List the data sets, or show one: its source, its layout and the contents of a folder.

Examples:

  tm datasets

  tm datasets imagenet50

  tm datasets folder --data-root images

  tm datasets digits --preview digits.png
"""


def datasets(
    name: Annotated[
        str | None,
        listing.name_argument(complete_datasets, "A data set, a pattern or a kind of data. Default: list all."),
    ] = None,
    data_root: options.DataRootOption = None,
    preview: options.PreviewOption = None,
    wide: options.WideOption = False,
    style: options.ListFormatOption = "table",
) -> None:
    """List the data sets, or show one."""
    from teachmatters.registry import load

    options.check_target(preview, "--preview", (".png",))
    registry = load()
    chosen = _chosen(name, list(registry.datasets.values()))
    if name is None or chosen:
        if preview is not None:
            raise TeachMattersError(
                f"--preview {str(preview)!r} needs the name of a data set; 'tm datasets' lists them."
            )
        rows = [_dataset(spec) for spec in chosen]
        listing.emit_list(rows, style, ("name", "bundled", "kinds", "summary"), wide=wide)
        return
    spec = registry.dataset(name)
    shown = _dataset(spec)
    opened = _open(spec, data_root) if spec.bundled or data_root is not None or preview is not None else None
    if opened is not None:
        shown["found"], shown["missing"], shown["remarks"] = _found(opened), _missing(opened), _remarks(opened)
    listing.emit_one(shown, style)
    if opened is not None and preview is not None:
        _draw(opened, preview)


def _chosen(name: str | None, specs: Sequence[DatasetSpec]) -> list[DatasetSpec]:
    """Return all data sets without a name, and those of a pattern or of a kind of data; none for a data set's name."""
    matched = listing.matching(name or "*", [spec.name for spec in specs])
    return [spec for spec in specs if spec.name in matched or name in spec.kinds]


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


def _open(spec: DatasetSpec, data_root: Path | None) -> OpenDataset:
    from teachmatters.runner.plan.datasets import open_dataset
    from teachmatters.runner.plan.parameters import effective

    return open_dataset(spec, data_root, effective(spec, "", {}), seed=0)


def _found(opened: OpenDataset) -> str:
    """Describe what a folder holds."""
    counts = [_count(opened, kind) for kind in sorted(opened.dataset.kinds)]
    count = len(opened.dataset.classes)
    return "; ".join(counts) + (f"; {count} {'class' if count == 1 else 'classes'}" if count else "")


def _count(opened: OpenDataset, kind: Kind) -> str:
    """Describe the images of a kind: their number, and the videos, pairs, queries or gallery images among them."""
    from teachmatters.runner.plan.datasets import items_of

    items = items_of(opened, kind, ("all",), None)["all"]
    if units := {unit for item in items for unit in item.units or ()}:
        return f"{len(items):,} for {kind} ({len(units):,} {kind if len(units) > 1 else kind.removesuffix('s')})"
    queries, gallery = (opened.dataset.items(kind, role) for role in ("queries", "gallery"))
    if kind == "images" or not queries or not gallery or queries == gallery:
        return f"{len(items):,} for {kind}"
    total = f"{len(queries) + len(gallery):,} for {kind}"
    return f"{total} ({len(queries):,} queries, {len(gallery):,} in the gallery)"


def _missing(opened: OpenDataset) -> str | None:
    """Describe the images and annotations that the data set lists and a folder lacks."""
    dataset = opened.dataset
    if opened.spec.bundled:
        return None
    kinds = sorted(dataset.kinds)
    images = [item.key for kind in kinds for item in dataset.items(kind, "all") or () if not item.size]
    names = list(dict.fromkeys([*images, *(name for kind in kinds for name in dataset.missing(kind))]))
    return f"{len(names):,} (absent or empty): {listed(names, 3)}" if names else "nothing"


def _remarks(opened: OpenDataset) -> list[str] | None:
    """Return the data set's remarks, each once."""
    from teachmatters.runner.plan.datasets import items_of

    remarks = [
        remark
        for kind in sorted(opened.dataset.kinds)
        for remark in opened.dataset.remarks(kind, items_of(opened, kind, ("all",), None))
    ]
    return list(dict.fromkeys(remarks)) or None


def _draw(opened: OpenDataset, path: Path) -> None:
    from teachmatters.runner.preview import write_preview

    write_preview(opened, path)
    output.say(f"Wrote {path}")


app = options.single(datasets, HELP)
