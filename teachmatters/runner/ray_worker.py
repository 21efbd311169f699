"""What a worker of the Ray engine does: build the model, pass over a part of the pictures, hand the states back."""

from __future__ import annotations

import pickle
import socket
import time
from datetime import UTC, datetime
from typing import Any

import torch

from teachmatters.api import ModelAdapter, ModelInfo, ModelRequest
from teachmatters.cache.features import Extraction
from teachmatters.errors import TeachMattersError
from teachmatters.registry import call
from teachmatters.runner.device import full_precision, out_of_memory
from teachmatters.runner.engine import Pass
from teachmatters.runner.harvest import Harvester, Sown, harvesting
from teachmatters.runner.measure import Bench
from teachmatters.runner.network import Origin
from teachmatters.runner.ray_job import Order, Part, PartDone, sendable
from teachmatters.runner.request import Silence
from teachmatters.runner.seats import Feeding, seating

EVERY = 0.3  # seconds between two words to the driver

_adapters: dict[Order, ModelAdapter] = {}
_plans: dict[str, tuple[Origin, ...]] = {}
"""The last of each: the parts of a pass come one after the other."""


def open_model(order: Order) -> ModelInfo | TeachMattersError:
    """Build the model, and keep it for the passes to come."""
    try:
        return _adapter(order).info
    except Exception as error:  # noqa: BLE001  a stranger's code; the driver tells it
        return sendable(error)


def run_part(order: Order, plan: list[Any], part: Part, tally: Any, *_: object) -> PartDone:
    """Pass over a part of the pictures.

    Args:
        order: the model.
        plan: a reference to the pickled origins of the pass, in a list, so that it is fetched once and not each time.
        part: which pictures.
        tally: is told how far it is.
        _: what has to be done before.
    """
    done = PartDone(socket.gethostname(), datetime.now(UTC))
    try:
        _pass_over(done, _adapter(order), order, _origins(plan, part.plan), (part, tally))
    except Exception as error:  # noqa: BLE001  a stranger's code; the driver tells it
        done.error = sendable(error)
    return done


def _adapter(order: Order) -> ModelAdapter:
    if order not in _adapters:
        _adapters.clear()  # before, not after: two may not fit
        order.enter()
        model = order.model
        source = call(model.spec.factory, ModelRequest(spec=model.spec, weights=model.weights, seed=order.seed))
        if source.weights != order.weights:
            raise TeachMattersError(
                f"the weights of {model.label} are others on {socket.gethostname()} ({source.weights[:12]}) than where "
                f"the command was given ({order.weights[:12]}); put the same file on both, or on a disk that both share"
            )
        _adapters[order] = _bench(order).build(source)
    return _adapters[order]


def _origins(plan: list[Any], name: str) -> tuple[Origin, ...]:
    import ray

    if name not in _plans:
        _plans.clear()
        _plans[name] = pickle.loads(ray.get(plan[0]))  # noqa: S301  the driver's
    return _plans[name]


def _bench(order: Order) -> Bench:
    return Bench(
        device=torch.device(order.device), dtype=order.dtype, batch_size=None, seed=order.seed, listener=Silence()
    )


def _pass_over(
    done: PartDone, adapter: ModelAdapter, order: Order, origins: tuple[Origin, ...], where: tuple[Part, Any]
) -> None:
    part, tally = where
    feedings = [_feeding(origin, order, adapter.info) for origin in origins]
    places = {feeding: place for place, feeding in enumerate(feedings)}
    entries = seating(feedings)[part.start : part.stop]
    one = Pass(adapter, torch.device(order.device), order.dtype, feedings, entries, readers=order.threads)
    with harvesting(feedings) as unharvested, out_of_memory(), full_precision():
        outcome = one.run(feedings[0].feed.preparation, part.batch, _Word(part, tally))
    done.skipped = outcome.skipped
    done.seconds = {places[feeding]: seconds for feeding, seconds in outcome.seconds.items()}
    done.failed = {places[f]: sendable(error) for f, error in {**unharvested, **outcome.failed}.items()}
    for feeding, place in places.items():
        _bring(done, feeding, place)


def _feeding(origin: Origin, order: Order, info: ModelInfo) -> Feeding:
    if isinstance(origin, Sown):
        return origin.feeding(Extraction(origin.entry, info.depth, info.width, lambda _: None, blind=True))
    return _bench(order).start(info, origin, order.model.label)[0]


def _bring(done: PartDone, feeding: Feeding, place: int) -> None:
    analysis = feeding.analysis
    if isinstance(analysis, Harvester):
        extraction = analysis.extraction
        done.shards[place] = [(path.name, ids) for path, ids in zip(extraction.paths, extraction.ids, strict=True)]
    elif place not in done.failed:
        try:
            done.states[place] = analysis.state()
        except Exception as error:  # noqa: BLE001  it takes nothing from the others
            done.failed[place] = sendable(error)


class _Word:
    """Tells the driver now and then how far a part is."""

    def __init__(self, part: Part, tally: Any) -> None:
        self.part, self.tally = part, tally
        self.done, self.said = 0, time.monotonic()

    def __call__(self, count: int) -> None:
        self.done += count
        if time.monotonic() - self.said >= EVERY:
            self.said = time.monotonic()
            self.tally.note.remote(self.part.plan, self.part.number, self.done)
