"""Opening data sets: where they lie, which items an analysis gets, and the fingerprint of what was used."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from teachmatters.api import Dataset, DatasetRequest, DatasetSpec, Item, Kind, Role, Value
from teachmatters.errors import TeachMattersError, listing
from teachmatters.registry import call


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDataset:
    """A data set that was found and listed."""

    spec: DatasetSpec
    parameters: Mapping[str, Value]
    dataset: Dataset


def open_dataset(spec: DatasetSpec, data_root: Path | None, parameters: Mapping[str, Value], seed: int) -> OpenDataset:
    """Find a data set and list its items.

    Raises:
        TeachMattersError: it is not there; says what was expected and what was found.
    """
    root = None if spec.bundled else find_root(spec, data_root)
    request = DatasetRequest(spec=spec, root=root, parameters=parameters, seed=seed)
    return OpenDataset(spec=spec, parameters=parameters, dataset=call(spec.factory, request))


def find_root(spec: DatasetSpec, data_root: Path | None) -> Path:
    """The directory of a data set: ``data_root`` or its folder in it, else its folder under TM_DATA."""
    if data_root is not None:
        if not data_root.is_dir():
            raise TeachMattersError(
                f"--data-root {data_root} is not a directory; name the one that holds {spec.name!r}"
            )
        candidates = [data_root, data_root / spec.folder] if spec.folder else [data_root]
    elif os.environ.get("TM_DATA") and spec.folder:
        candidates = [Path(os.environ["TM_DATA"]) / spec.folder]
    else:
        where = f", or set TM_DATA to the folder that holds {spec.folder}/" if spec.folder else ""
        raise TeachMattersError(
            f"data set {spec.name!r} is not bundled: give --data-root DIR{where}; {_expected(spec)}"
        )
    for candidate in reversed(candidates):  # archives that lie beside the folders are no data set of shards
        if candidate.is_dir() and not _lacking(spec, candidate):
            return candidate
    # of DIR and its folder the one that looks more like it: a half-unpacked data set is told what it lacks
    closest = min(filter(Path.is_dir, candidates), key=lambda c: len(_lacking(spec, c)), default=candidates[0])
    looked = closest if closest.is_dir() else closest.parent
    found = listing(sorted(p.name + "/" * p.is_dir() for p in looked.iterdir())) if looked.is_dir() else "nothing"
    missing = listing(_lacking(spec, closest))
    raise TeachMattersError(
        f"no {spec.name!r} at {closest}: {_expected(spec)}; missing: {missing}; found there: {found}"
    )


def _lacking(spec: DatasetSpec, root: Path) -> list[str]:
    """What a directory would have to hold to be this data set, and does not."""
    missing_metrics = [needed.split("|") for needed in spec.requires if not _has(root, needed)]
    return [" or ".join(name for name in names if "*" not in name) for names in missing_metrics]


def _has(root: Path, needed: str) -> bool:
    return any(next(root.glob(name), None) is not None for name in needed.split("|"))


def _expected(spec: DatasetSpec) -> str:
    return f"expected layout: {spec.layout}" if spec.layout else f"'tm datasets {spec.name}' tells the layout"


def items_of(opened: OpenDataset, kind: Kind, roles: Sequence[Role], limit: int | None) -> dict[Role, Sequence[Item]]:
    """The items of each role, limited.

    The limit is the first N units: items by themselves, else what their ``units`` number. A gallery stays whole.

    Raises:
        TeachMattersError: the data set does not offer the kind, or there is nothing to measure.
    """
    name, dataset = opened.spec.name, opened.dataset
    if kind not in dataset.kinds:
        refuse_kind(opened, kind)
    chosen: dict[Role, Sequence[Item]] = {}
    for role in roles:
        items = _role(dataset, kind, role)
        chosen[role] = items if role == "gallery" else _first(items, limit)
        if not chosen[role]:
            part = "" if role == "all" else f" ({role})"
            raise TeachMattersError(f"nothing to measure: data set {name!r}{part} is empty; {_expected(opened.spec)}")
    return chosen


def refuse_kind(opened: OpenDataset, needed: str) -> NoReturn:
    """Say that a data set, as it lies there, lacks a kind of data."""
    name, offers = opened.spec.name, listing(sorted(opened.dataset.kinds))
    told = "".join(f"; {remark}" for remark in opened.dataset.remarks("labels", {}))
    raise TeachMattersError(
        f"data set {name!r} has no {needed} here; it offers {offers}{told}; {_expected(opened.spec)}"
    )


def _role(dataset: Dataset, kind: Kind, role: Role) -> Sequence[Item]:
    items = dataset.items(kind, role)
    if items is not None:
        return items
    every = dataset.items(kind, "all")
    assert every is not None, "a data set always has its items as a whole"
    return every[1::2] if role == "queries" else every[0::2]


def _first(items: Sequence[Item], limit: int | None) -> Sequence[Item]:
    if limit is None:
        return items
    units = ((i,) if item.units is None else item.units for i, item in enumerate(items))
    return [item for item, mine in zip(items, units, strict=True) if any(unit < limit for unit in mine)]


def fingerprint(opened: OpenDataset, kinds: Sequence[Kind], items: Mapping[Role, Sequence[Item]]) -> str:
    """Return a sha256 over the items used (role, key, size, label) and the bytes of annotation files.

    The spec's version is part of it above 1, so that numbers from before data sets had versions are found again.
    """
    digest = hashlib.sha256()
    if opened.spec.version > 1:
        digest.update(f"version {opened.spec.version}\n".encode())
    for role, members in items.items():
        for item in members:
            digest.update(f"{role}\0{item.key}\0{item.size}\0{item.label}\n".encode(errors="surrogateescape"))
    for path in dict.fromkeys(path for kind in kinds for path in opened.dataset.annotation_files(kind)):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
