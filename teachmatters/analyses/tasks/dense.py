"""The dense analysis: the class of each pixel from the patches of a gallery, at every layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from teachmatters.analyses.scores import Scores, merge_scores, pseudo_map, unit_map
from teachmatters.analyses.tasks.dense_gallery import PatchGallery
from teachmatters.api import (
    VOID,
    Analysis,
    Batch,
    Context,
    InputSpec,
    Parameters,
    Readout,
    Record,
    Result,
    Role,
    Row,
    State,
    Stretch,
    Tap,
)
from teachmatters.errors import TeachMattersError
from teachmatters.measures.tasks.dense import class_iou, miou_pseudo_values, overlap_counts, segment

METRICS = ("dense-knn-miou", "dense-ridge-miou")


class DenseAnalysis(Analysis):
    """An analysis that first collects the gallery, layer by layer, and then segments the queries batch by batch."""

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        return InputSpec(
            taps=frozenset({Readout.of(parameters, "tokens")}),
            roles=("gallery", "queries"),
            transform=Stretch("bilinear"),
            group="all",
        )

    def start(self, context: Context) -> None:
        self.context, depth = context, context.model.depth
        self.classes = len(context.dataset.categories("semantic"))
        self.metrics = [metric for metric in METRICS if metric in context.metrics]
        self.gallery = PatchGallery(context, self.classes)
        self.occurs = torch.zeros(self.classes, dtype=torch.int64, device=context.device)
        self.scores = {metric: Scores(depth) for metric in self.metrics}
        self.pixels = {metric: Scores(depth, (2, self.classes)) for metric in self.metrics}
        self.without: dict[Role, int] = {"gallery": 0, "queries": 0}
        self.kept: dict[Role, list[int]] = {}

    def update(self, layer: int, tap: Tap | Readout, batch: Batch) -> None:
        if layer == 1:
            self.kept[batch.role] = [place for place, row in enumerate(batch.rows) if _has_class(row)]
            self.without[batch.role] += len(batch.rows) - len(self.kept[batch.role])
        kept = self.kept[batch.role]
        if not kept:
            return
        tokens = normalize(batch.values[kept, self.context.model.prefix :].float(), dim=-1)
        rows = [batch.rows[place] for place in kept]
        pixels = [row.annotations["semantic"]["mask"].pixels for row in rows]
        if batch.role == "gallery":
            self.gallery.add(layer, tokens, rows, pixels)
        else:
            self._segment(layer, tokens, rows, pixels)

    def _segment(self, layer: int, tokens: Tensor, rows: Sequence[Row], pixels: Sequence[NDArray[np.uint8]]) -> None:
        if layer == 1:
            self.truth = torch.from_numpy(np.stack(pixels)).to(tokens.device).long()
            present = overlap_counts(self.truth, self.truth, self.classes)[:, 2] > 0
            self.occurs += present.sum(dim=0)
        size = self.truth.shape[1], self.truth.shape[2]
        index = [row.index for row in rows]
        for metric in self.metrics:
            labels = self.gallery.predict(metric, layer, tokens)
            predicted = segment(labels.reshape(len(rows), *rows[0].grid, self.classes), size)
            counts = overlap_counts(predicted, self.truth, self.classes)
            both, guessed, there = counts.unbind(dim=1)
            self.pixels[metric].add(layer, torch.stack([both, guessed + there - both], dim=1), index)
            self.scores[metric].add(layer, 100 * class_iou(counts).nanmean(dim=1), index)

    def end_group(self) -> None:
        self.gallery = PatchGallery(self.context, self.classes)

    def state(self) -> State:
        state: State = {"occurs": self.occurs.cpu().numpy()}
        state |= {f"{role} without": count for role, count in self.without.items()}
        for metric in self.metrics:
            state |= self.scores[metric].state(metric) | self.pixels[metric].state(f"{metric} pixels")
        return state

    def merge(self, states: Sequence[State]) -> State:
        merged: State = {"occurs": np.sum([np.asarray(state["occurs"]) for state in states], axis=0)}
        merged |= {name: sum(int(state[name]) for state in states) for name in states[0] if name.endswith(" without")}
        for name in states[0]:
            if name.endswith("/index"):
                merged |= merge_scores(states, name.removesuffix("/index"))
        return merged

    def compute(self, state: State) -> Result:
        occurs, names = np.asarray(state["occurs"]), self.context.dataset.categories("semantic")
        if not occurs.any():
            raise TeachMattersError("no query has a mask with a class; check the masks ('tm datasets NAME')")
        result = Result()
        without = {role: int(state[f"{role} without"]) for role in ("gallery", "queries")}
        if any(without.values()):
            result.notes["images without a mask, or with nothing but void, left out"] = without
        present = np.flatnonzero(occurs)
        for metric in self.metrics:
            index, values = np.asarray(state[f"{metric}/index"]), np.asarray(state[f"{metric}/values"])
            pixels = np.asarray(state[f"{metric} pixels/values"])
            units = tuple(self.context.items["queries"][i].key for i in index)
            for layer, scores in enumerate(values.T, start=1):
                both, union = np.moveaxis(pixels[:, layer - 1][..., present].astype(np.float64), 1, 0)
                iou = 100 * both.sum(axis=0) / union.sum(axis=0)
                result.records.append(_mean_over_classes(metric, layer, iou, scores))
                result.records += [
                    Record(metric=metric, layer=layer, category=names[c], value=value, n=int(occurs[c]))
                    for c, value in zip(present.tolist(), iou.tolist(), strict=True)
                ]
                result.maps.append(unit_map(metric, layer, scores, units))
                result.maps.append(pseudo_map(metric, layer, 100 * miou_pseudo_values(both, union), units))
        return result


def _has_class(row: Row) -> bool:
    """Return whether an image has a mask with a pixel that is not void."""
    mask = row.annotations["semantic"].get("mask")
    return mask is not None and bool((mask.pixels != VOID).any())


def _mean_over_classes(metric: str, layer: int, iou: NDArray[np.float64], scores: NDArray[np.float32]) -> Record:
    """Return the mean over classes; the deviation is over images, each with the mean over its own classes."""
    std = float(scores.std(ddof=1, dtype=np.float64)) if len(scores) > 1 else None
    return Record(metric=metric, layer=layer, value=float(iou.mean()), std=std, n=len(scores))
