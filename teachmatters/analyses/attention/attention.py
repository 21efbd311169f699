"""The attention analysis: every head of every layer, reduced as soon as its map exists."""

from __future__ import annotations

import functools
import operator
from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch

from teachmatters.analyses.attention.attention_reduction import Reduction
from teachmatters.analyses.attention.attention_results import class_deviations, result
from teachmatters.analyses.attention.class_maps import PREFIX, ClassMaps, merge_class_maps
from teachmatters.api import Analysis, Batch, Context, Crop, InputSpec, Parameters, Result, State, Tap
from teachmatters.measures.moments import Moments, accumulator

MEAN, M2, COUNT = "/mean", "/m2", "/count"

# The metrics that leave images out for single heads, so that their values have counts of their own.
WITH_GAPS = frozenset({"attn-nmi"})


class AttentionAnalysis(Analysis):
    """An analysis with totals over images: moments of the numbers per image, sums of the arrays per image.

    The state holds ``<metric>/mean`` and ``<metric>/m2`` (depth, columns), with the layer's own number in the last
    column, and for metrics that leave images out ``<metric>/count``; ``sum:<name>`` (depth, ...); ``classes/...``, the
    mean maps of classes; ``count``, the images of even and of odd index; and ``empty``, the rows without mass.
    """

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        return InputSpec(taps=frozenset({"attention"}), transform=Crop.of(parameters))

    def start(self, context: Context) -> None:
        self.context = context
        self.reduction = Reduction(context.model, context.metrics, context.device, len(context.items["all"]))
        depth, wide = context.model.depth, accumulator(context.device)
        zeros = functools.partial(torch.zeros, dtype=wide, device=context.device)
        columns = {name: zeros(self.reduction.columns(name)) for name in self.reduction.numbers}
        self.moments = {
            name: [Moments(none.long() if name in WITH_GAPS else 0, none, none)] * depth
            for name, none in columns.items()
        }
        self.sums = {name: zeros(depth, *shape) for name, shape in self.reduction.shapes().items()}
        sizes = Counter(item.label for item in context.items["all"] if item.label is not None)
        shape = depth, context.model.heads, self.reduction.patches
        self.classes = ClassMaps(sizes, shape, context.device) if sizes and self.reduction.of_classes else None
        self.count = np.zeros(2, dtype=np.int64)
        self.empty = torch.zeros((), dtype=torch.int64, device=context.device)

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        halves = [row.index % 2 for row in batch.rows]
        reduced = self.reduction.of(batch.values, halves)
        for name, values in reduced.numbers.items():
            moments = Moments.of_present(values) if name in WITH_GAPS else Moments.of(values)
            self.moments[name][layer - 1] += moments
        for name, total in reduced.sums.items():
            self.sums[name][layer - 1] += total
        if self.classes is not None and reduced.pure is not None:
            labels = [self.context.items["all"][row.index].label for row in batch.rows]
            self.classes.add(layer, labels, reduced.pure)
        self.empty += reduced.empty
        if layer == self.context.model.depth:
            self.count += np.bincount(halves, minlength=2)

    def state(self) -> State:
        state: State = {"count": self.count.copy(), "empty": int(self.empty)}
        state |= self.classes.state() if self.classes is not None else {}
        for name, layers in self.moments.items():
            if name in WITH_GAPS:
                counts = [torch.as_tensor(moments.count) for moments in layers]
                state[name + COUNT] = torch.stack(counts).cpu().numpy()
            state[name + MEAN] = torch.stack([moments.mean for moments in layers]).cpu().double().numpy()
            state[name + M2] = torch.stack([moments.m2 for moments in layers]).cpu().double().numpy()
        return state | {f"sum:{name}": total.cpu().double().numpy() for name, total in self.sums.items()}

    def merge(self, states: Sequence[State]) -> State:
        parts = [state for state in states if np.sum(state["count"])]
        if not parts:
            return states[0]
        joined: State = {"empty": sum(int(state["empty"]) for state in parts)}
        joined |= merge_class_maps(parts) if f"{PREFIX}mean" in parts[0] else {}
        for name in (name for name in parts[0] if not name.startswith(PREFIX)):
            if name.endswith(MEAN):
                metric = name.removesuffix(MEAN)
                moments = functools.reduce(operator.add, [moments_of(state, metric) for state in parts])
                joined |= {metric + MEAN: moments.mean.numpy(), metric + M2: moments.m2.numpy()}
            elif name == "count" or name.endswith(COUNT) or name.startswith("sum:"):
                joined[name] = np.sum([np.asarray(state[name]) for state in parts], axis=0)
        return joined

    def compute(self, state: State) -> Result:
        moments = {name: moments_of(state, name) for name in self.reduction.numbers}
        sums = {name: torch.as_tensor(np.asarray(state[f"sum:{name}"])) for name in self.sums}
        count = int(np.asarray(state["count"])[0]), int(np.asarray(state["count"])[1])
        found = result(self.context, moments, sums, count)
        if f"{PREFIX}mean" in state:
            class_deviations(found, state)
        elif "attn-map-class-std" in self.context.metrics:
            found.notes["attn-map-class-std"] = "needs images with classes"
        if state["empty"]:
            found.notes["attention rows without mass"] = state["empty"]
        return found


def moments_of(state: State, metric: str) -> Moments:
    """Return the moments of a metric for all layers, (depth, columns)."""
    mean, m2 = (torch.as_tensor(np.asarray(state[metric + part])) for part in (MEAN, M2))
    if metric + COUNT in state:
        return Moments(torch.as_tensor(np.asarray(state[metric + COUNT])), mean, m2)
    return Moments(int(np.sum(state["count"])), mean, m2)
