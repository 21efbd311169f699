"""Check a model: build it, run the preflight check, and compare its taps with its plain forward pass."""

from __future__ import annotations

import re
from typing import Any

import torch

from teachmatters.api import ModelAdapter, ModelInfo, ModelRequest, ModelSource, ModelSpec
from teachmatters.errors import TeachMattersError
from teachmatters.plugin.checks.consistency import check_consistency, noise
from teachmatters.plugin.checks.probes.offline import Attempts, offline
from teachmatters.plugin.checks.probes.traces import Traces
from teachmatters.plugin.checks.specs import made
from teachmatters.plugin.findings import CheckFailed, CheckList, CheckSkipped
from teachmatters.registry import load_object
from teachmatters.registry.validate import problem
from teachmatters.runner.forward.device import full_precision
from teachmatters.runner.forward.preflight import preflight_check

CPU = torch.device("cpu")

# Facts of the network that a spec may declare.
SHAPE = ("arch", "patch_size", "image_size", "depth", "heads")

# A name for testing a prefix, which must reject it with a one-line error or return a spec.
NOBODY = "tm-plugin-check/no-such-model"


def check_model(sheet: CheckList, spec: ModelSpec) -> None:
    """Run all checks of a model that need no network connection."""
    if spec.name.endswith("/"):
        _check_prefix(sheet, spec)
        return
    adapter = None
    with offline() as attempts, sheet.check("weights"):
        source = _source(spec, attempts)
        adapter = _built(source)
    if adapter is None:
        return
    sheet.home = sheet.package.place_of(type(adapter)) or sheet.home
    with sheet.check("shape") as tell, torch.inference_mode(), full_precision():
        for message in _differences(spec, adapter.info):
            tell(message)
        _check_tokens(adapter)
    if sheet.not_ok("shape"):
        return
    before = Traces(adapter)
    stream = sheet.package.place_of(type(adapter).stream)
    with sheet.check("preflight"), full_precision():
        _preflight(adapter, torch.float32, stream)
    if not sheet.not_ok("preflight"):
        check_consistency(sheet, adapter, stream, before)
        with sheet.check("half precision"):
            adapter.to(CPU, torch.bfloat16)
            _preflight(adapter, torch.bfloat16, stream)


def _check_prefix(sheet: CheckList, spec: ModelSpec) -> None:
    with sheet.check("resolve") as tell, offline():
        name = spec.name + NOBODY
        try:
            answer = load_object(spec.resolve)(name)
        except TeachMattersError:
            answer = None  # the message is for the user
        if answer is not None and not isinstance(answer, ModelSpec):
            tell(
                f"{spec.resolve!r} returns a {type(answer).__name__} for {name!r}: it must return a ModelSpec, or "
                "raise a TeachMattersError"
            )
        elif answer is not None and (wrong := problem(answer)):
            tell(f"{spec.resolve!r} returns an invalid spec for {name!r}: {wrong}")
    with sheet.check("its models"):
        raise CheckSkipped(
            f"the names behind a prefix are not listed; 'tm plugin check {sheet.plugin.name} --model "
            f"{spec.name}...' checks one"
        )


def _source(spec: ModelSpec, attempts: Attempts) -> ModelSource:
    """Call the factory twice and check that the sources are equal.

    Raises:
        CheckSkipped: the weights are not on this machine.
        CheckFailed: the factory returns something else, or another hash the second time.
    """
    request = ModelRequest(spec=spec)
    try:
        source: ModelSource = made(spec.factory, ModelSource, request)
        again: ModelSource = made(spec.factory, ModelSource, request)
    except Exception as error:
        if attempts.explain(error):
            raise CheckSkipped("its weights are not on this machine; 'tm fetch' gets them") from error
        if isinstance(error, TeachMattersError):  # the model's own message, such as: give --weights
            raise CheckSkipped(str(error)) from error
        raise
    if not re.fullmatch(r"[0-9a-f]{64}", str(source.weights)):
        raise CheckFailed(
            f"ModelSource.weights is {source.weights!r}: it must be a sha256 in hex, 64 digits of 0-9 and a-f"
        )
    if source.weights != again.weights:
        raise CheckFailed("ModelSource.weights changes each time: stored results would never be found again")
    return source


def _built(source: ModelSource) -> ModelAdapter:
    with full_precision():
        adapter = source.build()
    if not isinstance(adapter, ModelAdapter):
        raise CheckFailed(f"ModelSource.build must return a ModelAdapter, not a {type(adapter).__name__}")
    if not isinstance(getattr(adapter, "info", None), ModelInfo):
        raise CheckFailed("the adapter has no info: a ModelInfo with the shape of the network")
    adapter.to(CPU, torch.float32)
    return adapter


def _differences(spec: ModelSpec, info: ModelInfo) -> list[str]:
    facts: list[tuple[str, Any, Any]] = [(name, getattr(spec, name), getattr(info, name)) for name in SHAPE]
    return [
        f"{name} is {said!r} in the spec and {is_!r} in the network"
        for name, said, is_ in facts
        if said not in ("", 0, is_)
    ]


def _check_tokens(adapter: ModelAdapter) -> None:
    """Check that the plain forward pass returns the tokens and the width of the info."""
    info, pixels = adapter.info, noise(adapter.info, 2)
    found, expected = tuple(adapter.forward(pixels).shape), (2, info.tokens, info.width)
    if found != expected:
        first = "a class token" if info.class_token else "no class token"
        raise CheckFailed(
            f"forward returns {found}, but its info says {expected}: {info.tokens} tokens ({first}, {info.registers} "
            f"registers, {info.grid[0]} x {info.grid[1]} patches) of {info.width} channels"
        )


def _preflight(adapter: ModelAdapter, dtype: torch.dtype, where: str) -> None:
    try:
        preflight_check(adapter, CPU, dtype)
    except TeachMattersError as error:
        raise CheckFailed(str(error).removesuffix("; plain vision transformers can ('tm models')"), where) from error
