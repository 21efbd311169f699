"""Guards that detect an analysis which changes or keeps its inputs, or reads undeclared parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch

from teachmatters.api import Analysis, Batch, Context, InputSpec, Parameters, Result, State, Tap
from teachmatters.plugin.findings import CheckFailed


class Guarded(Analysis):
    """A wrapper that passes copies to an analysis and fills them with NaN after ``update``, to find kept tensors.

    Args:
        inner: the started analysis.
    """

    def __init__(self, inner: Analysis) -> None:
        self.inner = inner

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        return self.inner.input_spec(parameters, metrics)

    def start(self, context: Context) -> None:
        self.inner.start(context)

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        values = batch.values.clone()
        self.inner.update(layer, tap, dataclasses.replace(batch, values=values))
        if not torch.equal(values, batch.values):
            raise CheckFailed(
                f"update changes the tensor that it receives ({tap} of layer {layer}): others read it too"
            )
        values.fill_(torch.nan)

    def end_group(self) -> None:
        self.inner.end_group()

    def state(self) -> State:
        return self.inner.state()

    def merge(self, states: Sequence[State]) -> State:
        return self.inner.merge(states)

    def compute(self, state: State) -> Result:
        return self.inner.compute(state)


class DeclaredParameters(dict[str, Any]):
    """Parameters by name; reading an undeclared one is an error."""

    def __missing__(self, name: str) -> Any:
        raise CheckFailed(
            f"it reads the parameter {name!r}, which it does not declare: --param {name}=... would be rejected"
        )

    def get(self, name: str, default: Any = None) -> Any:
        """Return a parameter; a default does not help, because an undeclared parameter can never be set."""
        return self[name]
