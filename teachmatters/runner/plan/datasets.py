"""Opens data sets: finds their folders, selects the items of an analysis, and computes fingerprints."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from teachmatters import config
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
        TeachMattersError: the data set is not there; names what was expected and what was found.
    """
    root = None if spec.bundled else find_root(spec, data_root)
    request = DatasetRequest(spec=spec, root=root, parameters=parameters, seed=seed)
    return OpenDataset(spec=spec, parameters=parameters, dataset=call(spec.factory, request))


def find_root(spec: DatasetSpec, data_root: Path | None) -> Path:
    """Return the directory of a data set: ``data_root`` or its folder in it, else its folder under TM_DATA.

    Raises:
        TeachMattersError: there is no such directory; names what was expected and what was found.
    """
    if data_root is not None:
        if not data_root.is_dir():
            raise TeachMattersError(
                f"--data-root {data_root} is not a directory; name the one that holds {spec.name!r}"
            )
        candidates = [data_root, data_root / spec.folder] if spec.folder else [data_root]
    elif spec.folder and (parent := config.default("data_root")):
        candidates = [Path(parent).expanduser() / spec.folder]
    else:
        where = f", or set TM_DATA to the folder that holds {spec.folder}/" if spec.folder else ""
        raise TeachMattersError(
            f"data set {spec.name!r} is not bundled: give --data-root DIR{where}; {_expected(spec)}"
        )
    # The data set's own folder first: archives next to that folder are not a data set of tar shards.
    for candidate in reversed(candidates):
        if candidate.is_dir() and not _missing_files(spec, candidate):
            return candidate
    # The error is about the candidate with the fewest missing files, for instance a half-unpacked data set.
    closest = min(filter(Path.is_dir, candidates), key=lambda c: len(_missing_files(spec, c)), default=candidates[0])
    folder = closest if closest.is_dir() else closest.parent
    found = listing(sorted(p.name + "/" * p.is_dir() for p in folder.iterdir())) if folder.is_dir() else "nothing"
    missing = listing(_missing_files(spec, closest))
    raise TeachMattersError(
        f"no {spec.name!r} at {closest}: {_expected(spec)}; missing: {missing}; found there: {found}"
    )


def _missing_files(spec: DatasetSpec, root: Path) -> list[str]:
    """Return the files of this data set that a directory lacks."""
    missing = [needed.split("|") for needed in spec.requires if not _has(root, needed)]
    return [" or ".join(name for name in names if "*" not in name) for names in missing]


def _has(root: Path, needed: str) -> bool:
    return any(next(root.glob(name), None) is not None for name in needed.split("|"))


def _expected(spec: DatasetSpec) -> str:
    return f"expected layout: {spec.layout}" if spec.layout else f"'tm datasets {spec.name}' shows the layout"


def items_of(opened: OpenDataset, kind: Kind, roles: Sequence[Role], limit: int | None) -> dict[Role, Sequence[Item]]:
    """Return the items of each role.

    A limit keeps the first N units: the items themselves, or the units that the items name. A gallery is not limited.

    Raises:
        TeachMattersError: the data set does not offer the kind, or has no item.
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
    """Raise the error for a data set that, as found on disk, lacks a kind of data."""
    name, offers = opened.spec.name, listing(sorted(opened.dataset.kinds))
    remarks = "".join(f"; {remark}" for remark in opened.dataset.remarks("labels", {}))
    raise TeachMattersError(
        f"data set {name!r} has no {needed} here; it offers {offers}{remarks}; {_expected(opened.spec)}"
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
    return [item for item, its_units in zip(items, units, strict=True) if any(unit < limit for unit in its_units)]


def fingerprint(opened: OpenDataset, kinds: Sequence[Kind], items: Mapping[Role, Sequence[Item]]) -> str:
    """Return a sha256 over the items used (role, key, size, label) and the bytes of annotation files.

    The spec's version is included from 2 on, so that results from before data sets had versions are still found.
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
