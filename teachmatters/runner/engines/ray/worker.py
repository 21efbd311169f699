"""A worker of the Ray engine: builds the model, runs it over a shard of the images and returns the states."""

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

EVERY = 0.3  # seconds between two reports to the driver

# Only the last model and the last pass are kept, because the shards of a pass arrive one after the other.
_adapters: dict[WorkerConfig, ModelAdapter] = {}
_plans: dict[str, tuple[MemberSource, ...]] = {}


def open_model(config: WorkerConfig) -> ModelInfo | TeachMattersError:
    """Build the model, keep it for the passes that follow and return its shape."""
    try:
        return _adapter(config).info
    except Exception as error:  # noqa: BLE001  plugin code may raise anything; the driver reports it
        return sendable(error)


def run_shard(config: WorkerConfig, plan: list[Any], shard: Shard, counter: Any, *_: object) -> ShardResult:
    """Run the model over a shard of the images.

    Args:
        config: the model.
        plan: a reference to the pickled origins of the pass, in a list so that Ray does not fetch it for every shard.
        shard: the images.
        counter: receives the number of images done.
        _: references to tasks that have to finish first.
    """
    result = ShardResult(socket.gethostname(), datetime.now(UTC))
    try:
        _run(result, _adapter(config), config, _origins(plan, shard.plan), (shard, counter))
    except Exception as error:  # noqa: BLE001  plugin code may raise anything; the driver reports it
        result.error = sendable(error)
    return result


def _adapter(config: WorkerConfig) -> ModelAdapter:
    if config not in _adapters:
        _adapters.clear()  # before building, because two models may not fit in memory
        config.enter()
        model = config.model
        source = call(model.spec.factory, ModelRequest(spec=model.spec, weights=model.weights, seed=config.seed))
        if source.weights != config.weights:
            raise TeachMattersError(
                f"the weights of {model.label} differ: {source.weights[:12]} on {socket.gethostname()}, "
                f"{config.weights[:12]} where the command runs; put the same file on both, or on a shared disk"
            )
        _adapters[config] = build_model(source, _settings(config))
    return _adapters[config]


def _origins(plan: list[Any], name: str) -> tuple[MemberSource, ...]:
    import ray

    if name not in _plans:
        _plans.clear()
        _plans[name] = pickle.loads(ray.get(plan[0]))  # noqa: S301  written by the driver
    return _plans[name]


def _settings(config: WorkerConfig) -> PassSettings:
    return PassSettings(device=torch.device(config.device), dtype=config.dtype, seed=config.seed)


def _run(
    result: ShardResult,
    adapter: ModelAdapter,
    config: WorkerConfig,
    origins: tuple[MemberSource, ...],
    shard_and_counter: tuple[Shard, Any],
) -> None:
    shard, counter = shard_and_counter
    members = [_member(origin, config, adapter.info) for origin in origins]
    positions = {member: position for position, member in enumerate(members)}
    entries = build_schedule(members)[shard.start : shard.stop]
    forward_pass = Pass(adapter, torch.device(config.device), config.dtype, members, entries, readers=config.threads)
    with writing_features(members) as unwritten, out_of_memory(), full_precision():
        outcome = forward_pass.run(members[0].input_spec.transform, shard.batch, _ProgressReport(shard, counter))
    result.skipped = outcome.skipped
    result.seconds = {positions[member]: seconds for member, seconds in outcome.seconds.items()}
    result.failed = {positions[m]: sendable(error) for m, error in {**unwritten, **outcome.failed}.items()}
    for member, position in positions.items():
        _add_state(result, member, position)


def _member(origin: MemberSource, config: WorkerConfig, info: ModelInfo) -> PassMember:
    if isinstance(origin, ExtractionJob):
        return origin.member(FeatureShards(origin.entry, info.depth, info.width, lambda _: None, blind=True))
    return start_member(origin, info, _settings(config), config.model.label)[0]


def _add_state(result: ShardResult, member: PassMember, position: int) -> None:
    analysis = member.analysis
    if isinstance(analysis, FeatureWriter):
        feature_shards = analysis.feature_shards
        result.files[position] = [
            (path.name, ids) for path, ids in zip(feature_shards.paths, feature_shards.ids, strict=True)
        ]
    elif position not in result.failed:
        try:
            result.states[position] = analysis.state()
        except Exception as error:  # noqa: BLE001  the other members keep their states
            result.failed[position] = sendable(error)


class _ProgressReport:
    """A periodic report to the driver of the number of images of a shard that are done."""

    def __init__(self, shard: Shard, counter: Any) -> None:
        self.shard, self.counter = shard, counter
        self.done, self.reported_at = 0, time.monotonic()

    def __call__(self, count: int) -> None:
        self.done += count
        if time.monotonic() - self.reported_at >= EVERY:
            self.reported_at = time.monotonic()
            self.counter.note.remote(self.shard.plan, self.shard.number, self.done)
