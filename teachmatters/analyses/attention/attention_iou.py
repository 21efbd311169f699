"""The attention-iou analysis: the overlap of a head's heaviest patches with the objects of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from teachmatters.analyses.scores import Scores, mean_record, merge_scores, record_headline
from teachmatters.api import Analysis, Batch, Context, Crop, InputSpec, Mask, Parameters, Result, Row, State, Tap
from teachmatters.errors import TeachMattersError
from teachmatters.measures.attention.iou import Reader, attention_read, expected_iou, heaviest, iou

COUNTS = {
    "vanished": "objects that vanish on the grid, left out",
    "bare": "images without an object on the grid, left out",
    "empty": "attention rows without mass, counted as an IoU of 0",
}


class AttentionIoUAnalysis(Analysis):
    """An analysis with an IoU for each image, layer, reader and head, and for all heads merged.

    For the IoU by chance, it also keeps the sizes of the masks: those of the heads, and last the true one.
    """

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        return InputSpec(taps=frozenset({"attention"}), transform=Crop.of(parameters))

    def start(self, context: Context) -> None:
        self.context = context
        self.readers = readers(context.metrics)
        shape = len(self.readers), context.model.heads + 1
        self.scores, self.sizes = Scores(context.model.depth, shape), Scores(context.model.depth, shape)
        self.counts = dict.fromkeys(COUNTS, 0)
        self.empty = torch.zeros((), dtype=torch.int64, device=context.device)
        self.kept: list[int] = []

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        if layer == 1:
            self._look_at_masks(batch.rows)
        if not self.kept:
            return
        attention = batch.values
        if len(self.kept) < len(batch.rows):
            attention = attention[torch.tensor(self.kept, device=attention.device)]
        predicted = torch.stack([self._predict(attention, reader) for reader in self.readers], dim=1)
        index = [batch.rows[i].index for i in self.kept]
        self.scores.add(layer, iou(predicted, self.truth), index)
        masks = torch.cat([predicted[:, :, :-1], self.truth.expand(-1, len(self.readers), -1, -1)], dim=2)
        self.sizes.add(layer, masks.sum(dim=-1), index)

    def _look_at_masks(self, rows: Sequence[Row]) -> None:
        """Find the rows of the batch with an object, and the object's patches, once for all layers."""
        masks = [objects_of(row.annotations) for row in rows]
        there = [[mask.pixels > 0 for mask in some if mask.pixels.any()] for some in masks]
        self.kept = [i for i, some in enumerate(there) if some]
        self.counts["vanished"] += sum(map(len, masks)) - sum(map(len, there))
        self.counts["bare"] += len(rows) - len(self.kept)
        if self.kept:
            truth = np.stack([np.any(there[i], axis=0).ravel() for i in self.kept])
            self.truth = torch.from_numpy(truth)[:, None, None].to(self.context.device)

    def _predict(self, attention: Tensor, reader: Reader) -> Tensor:
        """Compute masks (B, H + 1, h w), with the merged heads last."""
        read = attention_read(attention, self.context.model.grid, reader)
        read = torch.cat([read, read.sum(dim=1, keepdim=True)], dim=1)
        predicted, empty = heaviest(read, self.context.parameters["mass"])
        self.empty += empty[:, :-1].sum()
        return predicted

    def state(self) -> State:
        scores = {**self.scores.state("iou"), **self.sizes.state("sizes")}
        return {**scores, **self.counts, "empty": int(self.empty)}

    def merge(self, states: Sequence[State]) -> State:
        scores = {**merge_scores(states, "iou"), **merge_scores(states, "sizes")}
        return {**scores, **{name: sum(int(s[name]) for s in states) for name in COUNTS}}

    def compute(self, state: State) -> Result:
        index, values, sizes = (np.asarray(state[name]) for name in ("iou/index", "iou/values", "sizes/values"))
        if not len(index):
            raise TeachMattersError(
                f"no object is left on the grid in any of {state['bare']} images; use more images, or other data"
            )
        units = tuple(self.context.items["all"][i].key for i in index)
        result = Result(notes={COUNTS[name]: state[name] for name in COUNTS if state[name]})
        for layer in range(1, self.context.model.depth + 1):
            for place, reader in enumerate(self.readers):
                self._record(result, layer, reader, values[:, layer - 1, place], units)
                if f"attn-iou-{reader}-chance" in self.context.metrics:
                    self._record_chance(result, layer, reader, sizes[:, layer - 1, place])
        return result

    def _record_chance(self, result: Result, layer: int, reader: Reader, sizes: NDArray[Any]) -> None:
        """Add the records of one reader's IoU by chance from its (n, H + 1) sizes of masks, the true one last."""
        predicted, truth = sizes[:, :-1].astype(np.int64), sizes[:, -1].astype(np.int64)
        chance = np.empty(predicted.shape)
        rows, columns = self.context.model.grid
        for size in np.unique(truth):  # equal masks have equal chances
            some, back = np.unique(predicted[truth == size], return_inverse=True)
            expected = expected_iou(torch.from_numpy(some), int(size), rows * columns).numpy()
            chance[truth == size] = expected[back].reshape(-1, predicted.shape[1])
        for head, scores in enumerate([chance.mean(axis=1), *chance.T]):
            result.records.append(mean_record(f"attn-iou-{reader}-chance", layer, scores, head=head))

    def _record(self, result: Result, layer: int, reader: Reader, scores: NDArray[Any], units: tuple[str, ...]) -> None:
        """Add the records of one reader from its (n, H + 1) IoUs."""
        heads, merged = scores[:, :-1], scores[:, -1]
        name = f"attn-iou-{reader}"
        for metric, headline in (
            (name, heads.mean(axis=1)),
            (f"{name}-merged", merged),
            (f"{name}-best", heads.max(axis=1)),
        ):
            if metric in self.context.metrics:
                record_headline(result, metric, layer, headline, units)
        if name in self.context.metrics:
            result.records += [
                mean_record(name, layer, head, head=number) for number, head in enumerate(heads.T, start=1)
            ]


def readers(metrics: frozenset[str]) -> list[Reader]:
    """Return the readers of the metrics: the third word of their names."""
    return [reader for reader in get_args(Reader) if any(name.split("-")[2] == reader for name in metrics)]


def objects_of(annotations: Mapping[str, Mapping[str, Any]]) -> Sequence[Mask]:
    """Return the objects of an image, or its parts where there are no objects; their union is the object."""
    masks: Sequence[Mask] = annotations["masks"]["objects"] if "masks" in annotations else annotations["parts"]["parts"]
    return masks
