"""Measure a store of five million numbers. ``python -m benchmarks.store [--rows N] [--keep FILE]``.

Prints the size and the time to fill the store (directly into the tables, and one run as users record it), and the
processor time of typical queries through the views (with the plan of each slow one), of merging it into another store,
of reports, and of the bootstrap. SQLite alone and a loop over the resamples serve as baselines.
"""

from __future__ import annotations

import argparse
import contextlib
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks import bulk
from teachmatters import registry
from teachmatters.api import MetricSpec, Record, Result, StoredMap
from teachmatters.api.progress import NoProgress
from teachmatters.measures import bootstrap
from teachmatters.reports.options import Options
from teachmatters.reports.page.build import build
from teachmatters.reports.run import run_report
from teachmatters.reports.tables.arrays import stored
from teachmatters.store import Cell, ModelRow, Run, Store, query
from teachmatters.store.merge.merge import merge
from teachmatters.store.migrate import info

LAYERS, HEADS = 12, 12
UNITS = tuple(f"val/{number:05d}" for number in range(500))
ENOUGH = 1.0  # seconds
HEAD_METRICS = tuple(f"attn-{name}" for name in ("distance", "offset", "offset-x", "offset-y", "on-cls", "entropy"))
KNN_METRICS = ("knn-top1", "knn-top5")
PAIR_METRICS = ("cka", "cka-cls", "cka-spatial")
CATEGORIES = ("", "k=10", "k=20", "k=100", "k=200")

QUERIES = {
    "one metric": "SELECT model, layer, value FROM results WHERE metric = 'knn-top1' AND category IS NULL",
    "headlines of heads": "SELECT model, layer, value FROM results WHERE metric = 'attn-distance' AND head IS NULL",
    "one model": "SELECT * FROM results WHERE model = 'model-007'",
    "one model, one metric": "SELECT * FROM results WHERE model = 'model-007' AND metric = 'attn-distance'",
    "models by list": "SELECT * FROM results WHERE metric IN ('knn-top1') AND model IN ('model-007', 'model-008')",
    "one pair": "SELECT layer, other_layer, value FROM results WHERE metric = 'cka' AND model = 'model-009'"
    " AND other_model = 'model-004'",
    "best of a metric": "SELECT model, dataset, max(value) FROM results WHERE metric = 'knn-top1' AND head IS NULL"
    " AND category IS NULL GROUP BY model, dataset",
    "first rows": "SELECT * FROM results LIMIT 100",
    "metrics there are": "SELECT name FROM metrics WHERE EXISTS (SELECT 1 FROM results WHERE metric = metrics.name)",
    "metrics by DISTINCT": "SELECT DISTINCT analysis, metric, dataset, setting FROM results",
    "models by DISTINCT": "SELECT DISTINCT model FROM results",
    "count of all": "SELECT count(*) FROM results",
}


def model(number: int) -> ModelRow:
    """Return one of many models."""
    return ModelRow(
        label=f"model-{number:03d}",
        name=f"model-{number:03d}",
        weights=f"{number:064x}",
        family="dino",
        supervision="self-distillation",
        arch="ViT-B/16",
        patch_size=16,
        image_size=224,
        depth=LAYERS,
        heads=HEADS,
    )


def run_of(number: int, dataset: str, analysis: str, names: tuple[str, ...], other: int | None = None) -> Run:
    """Return a run as ``tm analyze`` would record it."""
    first, second = model(number), None if other is None else model(other)
    cell = Cell(
        model=first.label,
        weights=first.weights,
        other_model=second.label if second else "",
        other_weights=second.weights if second else "",
        dataset=dataset,
        split="val",
        fingerprint="0" * 64,
        analysis=analysis,
        analysis_version=1,
        parameters={},
        limit=None,
        seed=0,
        dtype="float32",
    )
    now = datetime.now(UTC)
    return Run(
        run_id=f"{analysis}/{number}/{other}/{dataset}",
        cell=cell,
        model=first,
        other=second,
        setting="",
        device="cpu",
        n_items=5000,
        n_skipped=0,
        versions={},
        started_at=now,
        finished_at=now + timedelta(seconds=1),
        seconds=1,
        metrics=tuple(
            MetricSpec(name=name, title=name, summary=name, higher_is_better=True if name in KNN_METRICS else None)
            for name in names
        ),
    )


def unit_scores(number: int) -> list[StoredMap]:
    """Return unit scores for every layer whose mean is the layer's number."""
    scores = np.random.default_rng(number).normal(0, 20, (LAYERS, len(UNITS)))
    scores += 3.3 * np.arange(1, LAYERS + 1)[:, None] - scores.mean(axis=1, keepdims=True)
    return [
        StoredMap(name="unit:knn-top1", layer=y, axes=("unit",), array=row.astype(np.float32), units=UNITS)
        for y, row in enumerate(scores, start=1)
    ]


def runs() -> Iterator[tuple[Run, Result]]:
    """Yield runs endlessly: for each model and data set attention, k-NN, and CKA with the five previous models."""
    number = 0
    layers = range(1, LAYERS + 1)
    while True:
        for dataset in ("imagenet50", "coco", "partimagenet", "imagenet"):
            heads = [(m, y, h) for m in HEAD_METRICS for y in layers for h in range(HEADS + 1)]
            records = [Record(metric=m, layer=y, head=h, value=y / 7 + h, std=0.1, n=5000) for m, y, h in heads]
            yield run_of(number, dataset, "attention", HEAD_METRICS), Result(records=records)
            kinds = [(m, y, c) for m in KNN_METRICS for y in layers for c in CATEGORIES]
            records = [Record(metric=m, layer=y, category=c, value=y * 3.3, n=50000) for m, y, c in kinds]
            yield run_of(number, dataset, "knn", KNN_METRICS), Result(records=records, maps=unit_scores(number))
            for other in range(max(0, number - 5), number + 1):
                pairs = [(m, y, z) for m in PAIR_METRICS for y in layers for z in layers]
                records = [Record(metric=m, layer=y, other_layer=z, value=y / z, n=78) for m, y, z in pairs]
                yield run_of(other, dataset, "cka", PAIR_METRICS, number), Result(records=records)
        number += 1


def fill(path: Path, rows: int) -> None:
    """Fill a store: most of it directly into the tables, the last runs one by one as users do."""
    started, endless = time.perf_counter(), runs()
    done = bulk.fill(path, endless, rows)
    print(f"{done:,} rows directly into the tables: {time.perf_counter() - started:.0f} s")
    times = []
    with Store.open(path) as store:
        for run, result in islice(endless, 50):
            begun = time.perf_counter()
            store.record(run, result)
            times.append(time.perf_counter() - begun)
    print(f"  each of 50 runs more: {statistics.median(times):.3f} s")


def measure(path: Path) -> None:
    """Run every query three times and print the slowest time, next to that of sqlite3 alone."""
    print(f"{'seconds':>8} {'rows':>9} {'sqlite3':>8}  query (read time {ENOUGH:g} s at most)")
    for name, sql in QUERIES.items():
        times = []
        for _ in range(3):
            begun = time.process_time()
            rows = query(path, sql, timeout=600).rows
            times.append(time.process_time() - begun)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            begun = time.process_time()
            connection.execute(sql).fetchall()
            plain = time.process_time() - begun
            print(f"{max(times):8.3f} {len(rows):9,} {plain:8.3f}  {name}")
            if max(times) > ENOUGH:
                plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
                print("\n".join(f"{'':29}{row[3]}" for row in plan))


def measure_bootstrap(path: Path) -> None:
    """Compare the resampled means of all layers of all models on one data set with a loop over the resamples."""
    sql = "SELECT data FROM maps WHERE name = 'unit:knn-top1' AND dataset = 'coco'"
    arrays = [stored(data, 1) for (data,) in query(path, sql, timeout=600).rows]
    scores = np.stack(arrays, axis=1).astype(np.float64)
    begun = time.process_time()
    means = bootstrap.resampled_means(scores)
    ours = time.process_time() - begun
    generator, units = np.random.default_rng(0), len(scores)
    begun = time.process_time()
    loop = [scores[generator.integers(0, units, units)].mean(axis=0) for _ in range(bootstrap.RESAMPLES)]
    theirs = time.process_time() - begun
    assert np.allclose(means, loop, rtol=1e-9, atol=1e-9)
    print(f"{ours:8.3f} {scores.shape[1]:9,}  bootstrap of so many layers: {theirs / ours:.1f} times as fast as a loop")


def measure_reports(path: Path) -> None:
    """Measure reports (rows and table) and the page, each with its limit in seconds."""
    known = registry.load().reports

    def table(name: str, **options: tuple[str, ...]) -> int:
        return len(run_report(known[name], path, Options(**options)).table)  # type: ignore[arg-type]

    asked: dict[str, tuple[Callable[[], int], float]] = {
        "best-layers": (lambda: table("best-layers"), 2),
        "metric": (lambda: table("metric", metrics=("knn-top1",)), 2),
        "page": (lambda: len(build(path, known.values(), Options(), lambda: None)), 12),
    }
    for name, (make, limit) in asked.items():
        begun = time.process_time()
        size = make()
        print(f"{time.process_time() - begun:8.3f} {size:9,}  report {name} (at most {limit:g} s)", flush=True)


def measure_merge(path: Path, folder: Path) -> None:
    """Merge the store into a new one, and again."""
    ((rows,),) = query(path, "SELECT count(*) FROM records").rows
    for what in ("new runs", "equal runs"):
        begun = time.process_time()
        merge([path], folder / "merged.db", NoProgress())
        seconds = time.process_time() - begun
        print(f"{seconds:8.3f} {rows:9,}  merge, {what}: {rows / seconds:,.0f} rows a second")


def main() -> None:
    """Fill, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--keep", type=Path, help="a store to make, or to measure when it exists")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.keep or Path(folder) / "results.db"
        if not path.exists():
            fill(path, options.rows)
        size = path.stat().st_size
        begun = time.process_time()
        facts = info(path)
        print(f"{size / 1e6:,.0f} MB; 'tm db info' {time.process_time() - begun:.2f} s: {facts}")
        measure(path)
        measure_merge(path, Path(folder))
        measure_reports(path)
        measure_bootstrap(path)


if __name__ == "__main__":
    main()
