"""Reading and preparing pictures in the background, in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeAlias

from teachmatters.api import ModelInfo, Preparation, Prepared
from teachmatters.runner.seats import Entry

WORKERS = min(16, os.cpu_count() or 1)
"""A core reads some 140 photographs a second, a GPU passes over thousands."""

Loaded: TypeAlias = Prepared | Exception


def load_in_order(
    entries: Sequence[Entry], preparation: Preparation, model: ModelInfo, ahead: int, threads: int = WORKERS
) -> Iterator[tuple[Entry, Loaded]]:
    """Each entry with its prepared picture, or with the exception that says why it cannot be read.

    At most ``ahead`` pictures wait, so memory does not grow with the data set.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="pictures") as pool:
        remaining = iter(entries)
        waiting: deque[tuple[Entry, Future[Loaded]]] = deque()
        try:
            while True:
                for entry in islice(remaining, ahead - len(waiting)):
                    waiting.append((entry, pool.submit(prepare, entry, preparation, model)))
                if not waiting:
                    return
                entry, future = waiting.popleft()
                yield entry, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def prepare(entry: Entry, preparation: Preparation, model: ModelInfo) -> Loaded:
    """One picture, ready for the model, or the exception that says why it cannot be read."""
    wanted = {kind: seat.feeding.dataset for seat in entry.seats for kind in seat.feeding.kinds}
    try:
        annotations: dict[str, Mapping[str, Any]] = {
            kind: dataset.annotations(entry.item, kind) for kind, dataset in wanted.items()
        }
        return preparation.prepare(entry.dataset.picture(entry.item), annotations, model)
    except (OSError, ValueError, SyntaxError) as error:  # what the contracts allow for a picture that is no good
        return error
