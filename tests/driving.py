"""Run an analysis on given features, without a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from teachmatters.api import Analysis, AnalysisSpec, Batch, Context, Item, ModelInfo, Readout, Row, Tap
from teachmatters.registry import load_object
from tests.toys import ToyData

# The tokens (N, T, D) of every layer, by tap.
Taps = Mapping[Tap, Sequence[torch.Tensor]]


def info(depth: int, *, width: int, class_token: bool = True, registers: int = 0) -> ModelInfo:
    """A model of 2 x 2 patches."""
    return ModelInfo(
        arch="toy", depth=depth, heads=1, width=width, patch_size=8, image_size=16, grid=(2, 2),
        class_token=class_token, registers=registers, mean=(0.5,) * 3, std=(0.5,) * 3,
    )  # fmt: skip


def started(
    spec: AnalysisSpec, model: ModelInfo, images: int, metrics: Iterable[str] = (), **parameters: Any
) -> Analysis:
    """The analysis, ready for so many images; by default for all metrics that the model can have."""
    able = {
        metric.name
        for metric in spec.metrics
        if (model.class_token or not metric.needs_class_token) and (model.registers or not metric.needs_registers)
    }
    analysis: Analysis = load_object(spec.factory)()
    context = Context(
        model=model,
        metrics=frozenset(metrics) or frozenset(able),
        parameters={parameter.name: parameter.default for parameter in spec.parameters} | parameters,
        items={"all": [Item(f"image {i}", 0) for i in range(images)]},
        dataset=ToyData(images),
        device=torch.device("cpu"),
    )
    analysis.start(context)
    return analysis


def run_updates(analysis: Analysis, taps: Taps, group: int, *, bad: Sequence[int] = ()) -> None:
    """All images but the bad ones, in batches that are the groups; what the analysis asks for is made of the taps."""
    context: Context = analysis.context  # type: ignore[attr-defined]
    wanted = analysis.input_spec(context.parameters, context.metrics)
    handed: list[tuple[Tap, Readout | None, Sequence[torch.Tensor]]] = [
        (tap, None, taps[tap]) for tap in taps if tap in wanted.taps
    ]
    handed += [(each.tap, each, [_read(x, each) for x in taps[each.tap]]) for each in wanted.readouts]
    some = handed[0][2]
    for start in range(0, len(some[0]), group):
        indices = [i for i in range(start, min(start + group, len(some[0]))) if i not in bad]
        if not indices:
            continue
        rows = [Row(i, (2, 2), None, {}) for i in indices]
        for layer in range(len(some)):
            for tap, readout, layers in handed:
                analysis.update(layer + 1, tap, Batch(layers[layer][indices], rows, "all", readout))
        if wanted.group is not None:
            analysis.end_group()


def _read(tokens: torch.Tensor, readout: Readout) -> torch.Tensor:
    return {"tokens": tokens, "cls": tokens[:, 0]}[readout.feature]
