"""What a worker of the Ray engine does: build the model, pass over a part of the images, hand the states back."""

from __future__ import annotations

import pickle
import socket
import time
from datetime import UTC, datetime
from typing import Any

import torch

from teachmatters.api import ModelAdapter, ModelInfo, ModelRequest
from teachmatters.cache.features import FeatureShards
from teachmatters.errors import TeachMattersError
from teachmatters.registry import call
from teachmatters.runner.engines.base import MemberSource
from teachmatters.runner.engines.ray.messages import Shard, ShardResult, WorkerConfig, sendable
from teachmatters.runner.features.extractor import ExtractionJob, FeatureWriter, writing_features
from teachmatters.runner.features.members import start_member
from teachmatters.runner.forward.build import build_model
from teachmatters.runner.forward.device import full_precision, out_of_memory
from teachmatters.runner.forward.forward_pass import Pass
from teachmatters.runner.forward.schedule import PassMember, build_schedule
from teachmatters.runner.forward.settings import PassSettings

EVERY = 0.3  # seconds between two words to the driver

_adapters: dict[WorkerConfig, ModelAdapter] = {}
_plans: dict[str, tuple[MemberSource, ...]] = {}
"""The last of each: the parts of a pass come one after the other."""


def open_model(config: WorkerConfig) -> ModelInfo | TeachMattersError:
    """Build the model, and keep it for the passes to come."""
    try:
        return _adapter(config).info
    except Exception as error:  # noqa: BLE001  a stranger's code; the driver tells it
        return sendable(error)


def run_shard(config: WorkerConfig, plan: list[Any], part: Shard, counter: Any, *_: object) -> ShardResult:
    """Pass over a part of the images.

    Args:
        config: the model.
        plan: a reference to the pickled origins of the pass, in a list, so that it is fetched once and not each time.
        part: which images.
        counter: is told how far it is.
        _: what has to be done before.
    """
    done = ShardResult(socket.gethostname(), datetime.now(UTC))
    try:
        _run(done, _adapter(config), config, _origins(plan, part.plan), (part, counter))
    except Exception as error:  # noqa: BLE001  a stranger's code; the driver tells it
        done.error = sendable(error)
    return done


def _adapter(config: WorkerConfig) -> ModelAdapter:
    if config not in _adapters:
        _adapters.clear()  # before, not after: two may not fit
        config.enter()
        model = config.model
        source = call(model.spec.factory, ModelRequest(spec=model.spec, weights=model.weights, seed=config.seed))
        if source.weights != config.weights:
            raise TeachMattersError(
                f"the weights of {model.label} are others on {socket.gethostname()} ({source.weights[:12]}) than where "
                f"the command was given ({config.weights[:12]}); put the same file on both, or on a shared disk"
            )
        _adapters[config] = build_model(source, _settings(config))
    return _adapters[config]


def _origins(plan: list[Any], name: str) -> tuple[MemberSource, ...]:
    import ray

    if name not in _plans:
        _plans.clear()
        _plans[name] = pickle.loads(ray.get(plan[0]))  # noqa: S301  the driver's
    return _plans[name]


def _settings(config: WorkerConfig) -> PassSettings:
    return PassSettings(device=torch.device(config.device), dtype=config.dtype, seed=config.seed)


def _run(
    done: ShardResult,
    adapter: ModelAdapter,
    config: WorkerConfig,
    origins: tuple[MemberSource, ...],
    where: tuple[Shard, Any],
) -> None:
    part, counter = where
    members = [_member(origin, config, adapter.info) for origin in origins]
    places = {member: place for place, member in enumerate(members)}
    entries = build_schedule(members)[part.start : part.stop]
    one = Pass(adapter, torch.device(config.device), config.dtype, members, entries, readers=config.threads)
    with writing_features(members) as unwritten, out_of_memory(), full_precision():
        outcome = one.run(members[0].input_spec.transform, part.batch, _ProgressReport(part, counter))
    done.skipped = outcome.skipped
    done.seconds = {places[member]: seconds for member, seconds in outcome.seconds.items()}
    done.failed = {places[f]: sendable(error) for f, error in {**unwritten, **outcome.failed}.items()}
    for member, place in places.items():
        _bring(done, member, place)


def _member(origin: MemberSource, config: WorkerConfig, info: ModelInfo) -> PassMember:
    if isinstance(origin, ExtractionJob):
        return origin.member(FeatureShards(origin.entry, info.depth, info.width, lambda _: None, blind=True))
    return start_member(origin, info, _settings(config), config.model.label)[0]


def _bring(done: ShardResult, member: PassMember, place: int) -> None:
    analysis = member.analysis
    if isinstance(analysis, FeatureWriter):
        feature_shards = analysis.feature_shards
        done.shards[place] = [
            (path.name, ids) for path, ids in zip(feature_shards.paths, feature_shards.ids, strict=True)
        ]
    elif place not in done.failed:
        try:
            done.states[place] = analysis.state()
        except Exception as error:  # noqa: BLE001  it takes nothing from the others
            done.failed[place] = sendable(error)


class _ProgressReport:
    """Tells the driver now and then how far a part is."""

    def __init__(self, part: Shard, counter: Any) -> None:
        self.part, self.counter = part, counter
        self.done, self.said = 0, time.monotonic()

    def __call__(self, count: int) -> None:
        self.done += count
        if time.monotonic() - self.said >= EVERY:
            self.said = time.monotonic()
            self.counter.note.remote(self.part.plan, self.part.number, self.done)
