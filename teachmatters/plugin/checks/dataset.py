"""Check a data set: open it, list its items twice, read some images, and check every kind of data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import numpy as np
from PIL import Image

from teachmatters.api import Dataset, DatasetRequest, DatasetSpec, Item, Kind
from teachmatters.errors import TeachMattersError
from teachmatters.plugin.checks.annotations import check_annotations
from teachmatters.plugin.checks.probes.offline import Attempts, offline
from teachmatters.plugin.checks.specs import made
from teachmatters.plugin.findings import CheckFailed, CheckList, CheckSkipped
from teachmatters.runner.plan.datasets import find_root
from teachmatters.runner.plan.parameters import effective
from teachmatters.runner.preview.source import spread

FEW = 6  # images of each kind to read


def check_dataset(sheet: CheckList, spec: DatasetSpec, data_root: Path | None) -> None:
    """Run all checks of a data set that need no download."""
    opened: list[Dataset] = []
    with offline() as attempts, sheet.check("opens"):
        root = None if spec.bundled else _root(spec, data_root)
        opened = [_opened(spec, root, attempts) for _ in range(2)]
    if len(opened) < 2:
        return
    dataset, again = opened
    sheet.home = sheet.package.place_of(type(dataset)) or sheet.home
    with sheet.check("kinds"):
        _check_kinds(spec, dataset)
    for kind in [kind for kind in get_args(Kind) if kind in dataset.kinds & spec.kinds]:
        with sheet.check(kind) as tell:
            told = _of_items(dataset, again, kind)
            for message in told:
                tell(message)
            if not told:
                _check_images(dataset, kind)
                check_annotations(dataset, kind, _some(dataset, kind))


def _root(spec: DatasetSpec, data_root: Path | None) -> Path:
    try:
        return find_root(spec, data_root)
    except TeachMattersError as error:
        raise CheckSkipped(f"it is not on this machine: {error}") from error


def _opened(spec: DatasetSpec, root: Path | None, attempts: Attempts) -> Dataset:
    request = DatasetRequest(spec=spec, root=root, parameters=effective(spec, "", {}))
    try:
        dataset: Dataset = made(spec.factory, Dataset, request)
    except Exception as error:
        if attempts.explain(error):
            raise CheckSkipped("it would be downloaded") from error
        if isinstance(error, TeachMattersError) and root is not None:  # the data set's own message
            raise CheckSkipped(str(error)) from error
        raise
    return dataset


def _check_kinds(spec: DatasetSpec, dataset: Dataset) -> None:
    """Check that the offered kinds are the declared ones; unlike a bundled data set, a folder may lack some."""
    if extra := sorted(dataset.kinds - spec.kinds):
        raise CheckFailed(
            f"it offers {', '.join(extra)}, which its spec does not declare in kinds: no analysis will use it"
        )
    if missing := sorted(spec.kinds - dataset.kinds):
        told = f"its spec declares {', '.join(missing)}, which it does not offer"
        if spec.bundled:
            raise CheckFailed(told)
        raise CheckSkipped(f"{told} in this folder")


def _of_items(dataset: Dataset, again: Dataset, kind: Kind) -> list[str]:
    """Check the items: a stable order, unique keys, both roles or neither, and whatever the kind needs."""
    items = dataset.items(kind, "all")
    if not items:
        return [f"items({kind!r}, 'all') is {'empty' if items is not None else 'None'}: it must have some"]
    told = []
    if list(items) != list(dataset.items(kind, "all") or ()) or list(items) != list(again.items(kind, "all") or ()):
        told.append("its items or their order change the second time: --limit takes the first ones")
    roles = [dataset.items(kind, role) for role in ("queries", "gallery")]
    if (roles[0] is None) != (roles[1] is None):
        told.append(
            f"of queries and gallery, items({kind!r}, ...) returns one and None for the other: return both or neither"
        )
    for name, members in (("all", items), ("queries", roles[0]), ("gallery", roles[1])):
        told += [f"{name}: {message}" for message in _of_members(dataset, kind, members or ())]
    return told


def _of_members(dataset: Dataset, kind: Kind, items: Sequence[Any]) -> list[str]:
    strange = [item for item in items if not isinstance(item, Item)]
    if strange:
        return [f"it lists a {type(strange[0]).__name__}, not an Item"]
    told = []
    key, count = Counter(item.key for item in items).most_common(1)[0] if items else ("", 0)
    if count > 1:
        told.append(f"{count} items have the key {key!r}: a key must identify one image")
    if odd := next((item for item in items if item.size < 0), None):
        told.append(f"{odd.key!r} has the size {odd.size}: give its bytes on disk, or 0 for a drawn image")
    if kind == "labels" and (odd := next((item for item in items if not _labelled(item, dataset)), None)):
        told.append(
            f"{odd.key!r} has the label {odd.label!r}: labels count from 0 in its {len(dataset.classes)} classes"
        )
    return told


def _labelled(item: Item, dataset: Dataset) -> bool:
    return isinstance(item.label, int | np.integer) and 0 <= item.label < len(dataset.classes)


def _some(dataset: Dataset, kind: Kind) -> list[Item]:
    """Return a few available items of every role, including the first and the last."""
    roles = [dataset.items(kind, role) or () for role in ("all", "queries", "gallery")]
    there = [[item for item in items if item.size or _drawn(items)] for items in roles]
    return list({item.key: item for items in there for item in spread(items, FEW)}.values())


def _drawn(items: Sequence[Item]) -> bool:
    return not any(item.size for item in items)


def _check_images(dataset: Dataset, kind: Kind) -> None:
    """Check that images are RGB, and the same when read again in threads."""
    items = _some(dataset, kind)
    first: list[Any] = [dataset.image(item) for item in items]
    with ThreadPoolExecutor(4) as pool:
        second = list(pool.map(dataset.image, items))
    for item, image, again in zip(items, first, second, strict=True):
        if not isinstance(image, Image.Image) or image.mode != "RGB":
            what = f"of mode {image.mode}" if isinstance(image, Image.Image) else f"a {type(image).__name__}"
            raise CheckFailed(f"the image {item.key!r} is {what}: it must be a PIL image of mode RGB")
        if image.size != again.size or not np.array_equal(np.asarray(image), np.asarray(again)):
            raise CheckFailed(f"the image {item.key!r} changes when it is read again in a thread")
    texts: dict[str, Any] = {
        "split": dataset.split(kind),
        **{f"caption of {item.key!r}": dataset.caption(item) for item in items},
    }
    if odd := next((name for name, text in texts.items() if not isinstance(text, str)), None):
        raise CheckFailed(f"the {odd} is not a string")
    if gone := next((path for path in dataset.annotation_files(kind) if not Path(path).is_file()), None):
        raise CheckFailed(f"annotation_files names {gone}, which does not exist: its bytes are part of the fingerprint")
