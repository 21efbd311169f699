"""Measure how differently the heads of a layer attend, by the divergences of their attention."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from teachmatters.api import Analysis, Batch, Context, InputSpec, Parameters, Record, Result, State, Tap


# --8<-- [start:measure]
def divergences(attention: Tensor) -> Tensor:
    """Compute the KL divergence of each head's attention to the mean of all heads, averaged over the queries.

    The mean over heads is their generalised Jensen-Shannon divergence (Lin 1991).

    Args:
        attention: (B, H, T, T), rows are queries and sum to 1.

    Returns:
        (B, H) in nats, between 0 (the head equals the average head) and ln H.

    >>> one_token_each = torch.eye(2).view(1, 2, 1, 2)  # two heads, one query, two keys
    >>> divergences(one_token_each)
    tensor([[0.6931, 0.6931]])
    """
    # If all heads are 0, 0 log 0 counts as 0; the smallest normal float prevents the NaN of 0 / 0.
    mean = attention.mean(dim=1, keepdim=True).clamp_min(torch.finfo(attention.dtype).tiny)
    each: Tensor = torch.special.xlogy(attention, attention / mean).sum(dim=-1)
    return each.clamp_min(0).mean(dim=-1)  # rounding makes equal heads differ by -1e-8


# --8<-- [end:measure]


# --8<-- [start:totals]
class HeadSpecialisation(Analysis):
    """Sums over images, in memory that does not grow with the number of images.

    The state holds ``count``, and ``sum`` and ``squares`` (depth, 1 + H): column 0 is the layer, the others its heads.
    """

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        return InputSpec(taps=frozenset({"attention"}))

    def start(self, context: Context) -> None:
        self.depth = context.model.depth
        self.pending: list[Tensor] = []
        self.count = 0
        self.sum, self.squares = np.zeros((2, self.depth, 1 + context.model.heads))

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        self.pending.append(divergences(batch.values))
        if layer == self.depth:  # one transfer from the device a batch, not one a layer
            heads = torch.stack(self.pending).cpu().double().numpy()  # (depth, B, H)
            values = np.concatenate([heads.mean(axis=-1, keepdims=True), heads], axis=-1)
            self.count += values.shape[1]
            self.sum += values.sum(axis=1)
            self.squares += (values**2).sum(axis=1)
            self.pending.clear()

    # --8<-- [end:totals]

    # --8<-- [start:state]
    def state(self) -> State:
        return {"count": self.count, "sum": self.sum.copy(), "squares": self.squares.copy()}

    def merge(self, states: Sequence[State]) -> State:
        joined: State = {name: np.sum([np.asarray(state[name]) for state in states], axis=0) for name in states[0]}
        return joined | {"count": sum(int(state["count"]) for state in states)}

    # --8<-- [end:state]

    # --8<-- [start:compute]
    def compute(self, state: State) -> Result:
        n = int(state["count"])
        total, squares = np.asarray(state["sum"]), np.asarray(state["squares"])
        if n == 0:
            return Result()  # no image could be read
        spread = np.sqrt(np.maximum(squares - total**2 / n, 0) / max(n - 1, 1))
        records = [
            Record(
                metric="head-specialisation",
                layer=layer + 1,
                head=head,  # 0 is the layer's own row, its headline
                value=float(total[layer, head] / n),
                std=float(spread[layer, head]) if n > 1 else None,
                n=n,
            )
            for layer, head in np.ndindex(total.shape)
        ]
        return Result(records=records)

    # --8<-- [end:compute]
