"""The numbers, maps and head types of the attention analysis, from its totals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from teachmatters.analyses.attention.class_maps import class_deviation
from teachmatters.api import Context, Record, Result, State, StoredMap
from teachmatters.measures.attention.aligned import offset
from teachmatters.measures.attention.heads import agreement, classify
from teachmatters.measures.moments import Moments

PURE, ALIGNED = "attn-map-spatial-pure", "attn-map-aligned"
TYPE = "attn-head-type"
EVIDENCE = {f"attn-head-{name}": name for name in ("share", "agreement", "margin")}
EVIDENCE |= {f"attn-head-offset-{axis}": axis for axis in ("x", "y")}


def result(
    context: Context, moments: Mapping[str, Moments], sums: Mapping[str, Tensor], count: tuple[int, int]
) -> Result:
    """Compute the result of the attention analysis from its totals.

    Args:
        context: the context of the analysis.
        moments: by metric with a number per image, (depth, columns).
        sums: by name of Reduction.shapes, sums over images, (depth, ...).
        count: the numbers of images of even and of odd index.
    """
    found, images = Result(notes=_not_measured(context)), sum(count)
    for metric, of in moments.items():
        found.records += _of_moments(metric, of)
        if isinstance(of.count, Tensor) and (left_out := int((images - of.count[:, :-1]).sum())):
            found.notes[f"{metric}: images left out of a head because a row has no mass"] = left_out
    grid = context.model.grid
    for name, total in sums.items():
        if name != "aligned":
            found.maps += _maps(name, total / images, grid)
    if "aligned" in sums:
        total = sums["aligned"].sum(dim=1) / (images * grid[0] * grid[1])
        if ALIGNED in context.metrics:
            found.maps += _maps(ALIGNED, total, grid)
        _offsets(found, context.metrics, total, images)
        _types(found, context.metrics, sums["aligned"], count)
    return found


def _not_measured(context: Context) -> dict[str, object]:
    notes: dict[str, object] = {}
    if "attn-head-std" in context.metrics and context.model.heads < 2:
        notes["attn-head-std"] = "a deviation over heads needs at least two heads"
    if context.model.grid == (1, 1):
        for metric in sorted(context.metrics & {"attn-position-std", "attn-nmi"}):
            notes[metric] = "needs at least two patches"
    return notes


def _of_moments(metric: str, moments: Moments) -> Iterator[Record]:
    std, count = moments.std(), torch.as_tensor(moments.count).expand(moments.mean.shape)
    mean = moments.mean.masked_fill(count == 0, math.nan)
    for layer in range(1, len(mean) + 1):
        deviations = None if std is None else std[layer - 1].tolist()
        yield from _rows(metric, layer, mean[layer - 1].tolist(), deviations, count[layer - 1].tolist())


def _rows(
    metric: str, layer: int, values: list[float], std: list[float] | None, n: int | list[int]
) -> Iterator[Record]:
    """Yield a layer's rows: one per head, then its own with head 0. A head whose number is NaN has none."""
    for column, value in enumerate(values):
        if not math.isnan(value):
            head = (column + 1) % len(values)
            deviation = None if std is None or math.isnan(std[column]) else std[column]
            units = n if isinstance(n, int) else n[column]
            yield Record(metric=metric, layer=layer, head=head, value=value, std=deviation, n=units)


def class_deviations(found: Result, state: State) -> None:
    """Add the deviation of mean maps over classes, from the state of the class maps."""
    deviations, classes = class_deviation(state)
    if deviations is None:
        found.notes["attn-map-class-std"] = "a deviation over classes needs at least two classes with images"
        return
    for layer, of_layer in enumerate(deviations, start=1):
        values = [*of_layer.tolist(), float(of_layer.mean())]
        found.records += _rows("attn-map-class-std", layer, values, None, classes)


def _maps(name: str, maps: Tensor, grid: tuple[int, int]) -> Iterator[StoredMap]:
    axes = ("head", "y", "x") if name in (PURE, ALIGNED) else ("head", "token")
    maps = maps.reshape(*maps.shape[:-1], *grid) if name == PURE else maps
    for layer, array in enumerate(maps.float().numpy(), start=1):
        yield StoredMap(name=name, layer=layer, axes=axes, array=array)


def _offsets(found: Result, metrics: frozenset[str], aligned: Tensor, images: int) -> None:
    x, y = offset(aligned)
    for metric, values in (("attn-offset", torch.hypot(x, y)), ("attn-offset-x", x), ("attn-offset-y", y)):
        if metric in metrics:
            columns = torch.cat([values, values.nanmean(dim=1, keepdim=True)], dim=1)
            for layer, row in enumerate(columns.tolist(), start=1):
                found.records += _rows(metric, layer, row, None, images)
    if bool(x.isnan().any()):
        found.notes["heads that attend to no patch, without offset and type"] = int(x.isnan().sum())


def _types(found: Result, metrics: frozenset[str], aligned: Tensor, count: tuple[int, int]) -> None:
    """Add the types of heads and the evidence for them.

    Args:
        found: the result.
        metrics: the requested metrics.
        aligned: (depth, 2, H, 2h-1, 2w-1), sums over images of even and of odd index.
        count: the numbers of these images.
    """
    if metrics.isdisjoint({TYPE, *EVIDENCE}):
        return
    if not all(count):
        found.notes["types of heads"] = "needs images of even and of odd index"
        return
    for layer, halves in enumerate(aligned, start=1):
        types = [_type_of(*pair) for pair in halves.unbind(dim=1)]
        if TYPE in metrics:
            found.records += [
                Record(metric=TYPE, layer=layer, head=head, category=kind, value=numbers["evidence"], n=sum(count))
                for head, (kind, numbers) in enumerate(types, start=1)
                if kind
            ]
        for metric, name in EVIDENCE.items():
            values = torch.tensor([numbers.get(name, math.nan) for _, numbers in types], dtype=torch.float64)
            if metric in metrics:
                found.records += _rows(metric, layer, [*values.tolist(), float(values.nanmean())], None, sum(count))


def _type_of(even: Tensor, odd: Tensor) -> tuple[str, dict[str, float]]:
    """Return a head's type and its evidence by name; nothing for a head whose map has no mass in one of the halves."""
    if not (even.sum() > 0 and odd.sum() > 0):
        return "", {}
    kind, alike = classify(even + odd), agreement(even, odd)
    numbers = {"share": kind.share, "agreement": alike, "margin": kind.margin, "x": kind.x, "y": kind.y}
    return kind.name, numbers | {"evidence": kind.share * alike}
