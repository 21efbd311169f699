"""Stores of generated numbers, written like real ones."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from teachmatters.api import MetricSpec, Record, Result, StoredMap
from teachmatters.store import Cell, ModelRow, Run
from tests.store.samples import open_store

DISTANCE = MetricSpec(
    name="attn-distance", title="Mean attention distance", summary="How far.", bounds=(0.0, math.sqrt(2)), level="head"
)
TOP1 = MetricSpec(
    name="knn-top1", title="k-NN top-1", summary="Right.", unit="percent", higher_is_better=True, bounds=(0, 100),
    level="category",
)  # fmt: skip
PURITY = MetricSpec(name="purity-cls", title="Purity", summary="Pure.", higher_is_better=True, bounds=(0, 1))
LOSS = MetricSpec(name="toy-loss", title="Loss", summary="Less is more.", higher_is_better=False)
PCK = MetricSpec(
    name="pck-0.10", title="PCK", summary="Points.", unit="percent", higher_is_better=True,
    protocols=("paper", "official"),
)  # fmt: skip
TYPES = MetricSpec(name="attn-head-type", title="Head type", summary="Kind.", level="head", headline=False)
MAP = MetricSpec(name="attn-map-cls", title="Map", summary="Where.", level="map", headline=False)
CKA = MetricSpec(name="cka", title="CKA", summary="Alike.", level="layer-pair")
NEAREST = MetricSpec(name="mknn", title="Mutual k-NN", summary="Same neighbours.", level="layer-pair")

_clock = iter(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=n) for n in range(100_000))


def model(label: str = "dino-s16", *, family: str = "", supervision: str = "", depth: int = 12) -> ModelRow:
    """A model named like its label; the family is what stands before the first dash."""
    family = family or label.partition("-")[0]
    return ModelRow(
        label=label, name=label, weights="0" * 64, family=family, supervision=supervision or family, arch="ViT-S/16",
        patch_size=16, image_size=224, depth=depth, heads=6,
    )  # fmt: skip


def record(
    path: Path,
    row: ModelRow,
    metric: MetricSpec,
    records: Iterable[Record],
    *,
    data: str = "photos",
    setting: str = "",
    other: ModelRow | None = None,
    analysis: str = "",
    maps: Iterable[StoredMap] = (),
) -> None:
    """One run of one metric."""
    cell = Cell(
        model=row.label, weights=row.weights, other_model=other.label if other else "",
        other_weights=other.weights if other else "", dataset=data, split="val" if data == "imagenet" else "all",
        fingerprint="f", analysis=analysis or metric.name.partition("-")[0], analysis_version=1, parameters={},
        limit=2 if setting else None, seed=0, dtype="float32",
    )  # fmt: skip
    now = next(_clock)
    run = Run(
        run_id=str(uuid.uuid4()), cell=cell, model=row, other=other, setting=setting, device="cpu", n_items=8,
        n_skipped=0, versions={}, started_at=now, finished_at=now + timedelta(seconds=9), seconds=9, metrics=(metric,),
    )  # fmt: skip
    with open_store(path) as store:
        store.record(run, Result(records=list(records), maps=list(maps)))


def values(metric: MetricSpec, numbers: Iterable[float], std: float | None = None) -> list[Record]:
    """One headline value for each layer."""
    return [
        Record(metric=metric.name, protocol=protocol, layer=layer, value=number, std=std, n=8 if std else None)
        for protocol in metric.protocols
        for layer, number in enumerate(numbers, start=1)
    ]


def heads(metric: MetricSpec, numbers: Iterable[float], count: int = 6) -> Iterator[Record]:
    """Headline values, and heads evenly about them."""
    for layer, number in enumerate(numbers, start=1):
        yield Record(metric=metric.name, layer=layer, value=number, std=0.01, n=8)
        for head in range(1, count + 1):
            offset = 0.05 * (head - (count + 1) / 2)
            yield Record(metric=metric.name, layer=layer, head=head, value=number + offset, std=0.01, n=8)


def rising(depth: int = 12, top: float = 0.6, bend: float = 1.0) -> list[float]:
    """A curve over the layers."""
    return [top * (layer / depth) ** bend for layer in range(1, depth + 1)]


def typical(path: Path) -> Path:
    """Two models with attention distances and k-NN, one of them with purities on two data sets."""
    dino, mae = model("dino-s16"), model("mae-b16")
    for row, bend in ((dino, 0.5), (mae, 2.0)):
        record(path, row, DISTANCE, heads(DISTANCE, rising(bend=bend)))
        knn = values(TOP1, [100 * v for v in rising(bend=bend)], std=1.5)
        knn += [Record(metric="knn-top1", layer=1, value=7.0, category="k=10")]
        record(path, row, TOP1, knn, data="digits")
    record(path, dino, PURITY, values(PURITY, [0.1, 0.7, 0.7, 0.2]), data="imagenet50")
    record(path, dino, PURITY, values(PURITY, [0.1, 0.2, 0.3, 0.4]), data="photos")
    return path
