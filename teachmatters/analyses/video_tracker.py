"""One video under way: what each layer remembers of it, and how well its labels fit so far."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from teachmatters.analyses.video_files import VideoFiles
from teachmatters.api import Context
from teachmatters.errors import TeachMattersError
from teachmatters.measures.moments import accumulator
from teachmatters.measures.propagation import object_numbers, propagate
from teachmatters.measures.video_scores import boundary_similarity, region_similarity

VOID = 255


class FrameMemory:
    """Features and labels of the first frame and of the last few after it, in one layer."""

    def __init__(self, features: Tensor, labels: Tensor, context: int) -> None:
        self.features = features.new_empty(1 + context, *features.shape)
        self.labels = labels.new_empty(1 + context, *labels.shape)
        self.features[0], self.labels[0], self.seen = features, labels, 1

    def keep(self, features: Tensor, labels: Tensor) -> None:
        """Remember one more frame in place of the oldest after the first."""
        slot = 1 + (self.seen - 1) % (len(self.features) - 1)
        self.features[slot], self.labels[slot] = features, labels
        self.seen += 1

    def held(self) -> tuple[Tensor, Tensor]:
        """(frames, patches, D) and (frames, patches, C), in no order."""
        return self.features[: self.seen], self.labels[: self.seen]


class VideoTracker:
    """A video from its first frame on.

    Args:
        context: of the analysis.
        span: the first and the last frame, as indices of the feed.
        labels: uint8 (h, w), the first frame's mask on the grid.
        files: where to write results, if anywhere.

    Attributes:
        numbers: of the objects in the first frame, ascending; there may be gaps.
        void: whether the first frame has void pixels.
        late: of objects that a scored frame has and the first frame has not.
    """

    def __init__(
        self, context: Context, span: tuple[int, int], labels: NDArray[np.uint8], files: VideoFiles | None
    ) -> None:
        self.context, self.files, self.grid = context, files, labels.shape
        self.first, self.last = span
        truth = self._truth(self.first)
        assert truth is not None  # the loader has just read it
        self.size = truth.shape
        self.numbers, self.void = _numbers(truth), bool((truth == VOID).any())
        self.late: set[int] = set()
        planes = np.stack([~np.isin(labels, self.numbers), *(labels == number for number in self.numbers)], axis=-1)
        self.labels = self._flat(torch.from_numpy(planes).float()).to(context.device)
        self.memory: dict[int, FrameMemory] = {}
        self.pending: dict[int, list[Tensor]] = defaultdict(list)
        self.frames = 0
        wide = accumulator(context.device)
        self.totals = torch.zeros(len(self.numbers), 2, context.model.depth, dtype=wide, device=context.device)
        if files is not None and len(self.numbers):
            files.write(context.items["all"][self.first], truth, range(1, context.model.depth + 1))

    def _truth(self, index: int) -> NDArray[np.uint8] | None:
        """The mask of a frame in its own pixels."""
        mask = self.context.dataset.annotations(self.context.items["all"][index], "videos").get("mask")
        return None if mask is None else mask.pixels

    def _flat(self, values: Tensor) -> Tensor:
        """(h, w, ...) -> (patches, ...), along the shorter side first, for which propagation is quickest."""
        return (values if self.grid[0] >= self.grid[1] else values.transpose(0, 1)).flatten(0, 1)

    def _planes(self, labels: Tensor) -> Tensor:
        """(patches, C) -> (C, h, w)."""
        h, w = self.grid
        return labels.reshape(h, w, -1).permute(2, 0, 1) if h >= w else labels.reshape(w, h, -1).permute(2, 1, 0)

    def see(self, layer: int, index: int, features: Tensor) -> None:
        """The next frame of one layer, (h, w, D).

        Raises:
            TeachMattersError: it is not of the first frame's shape.
        """
        if features.shape[:2] != self.grid:
            (h, w), frame = features.shape[:2], self.context.items["all"][index]
            raise TeachMattersError(
                f"{frame.key} has {h} x {w} patches, the first frame of {frame.group!r} {self.grid[0]} x "
                f"{self.grid[1]}: the frames of a video must be of one size"
            )
        parameters, features = self.context.parameters, normalize(self._flat(features), dim=1)
        if index == self.first:
            self.memory[layer] = FrameMemory(features, self.labels, parameters["context"])
            return
        grid = max(self.grid), min(self.grid)
        limits = parameters["radius"], parameters["top"], parameters["temperature"]
        labels = propagate(features, *self.memory[layer].held(), grid, *limits)
        self.memory[layer].keep(features, labels)
        if index != self.last or self.files is not None:
            self.pending[index].append(self._planes(labels))

    def score(self) -> None:
        """Every layer has seen the same frames: turn their labels into masks and judge these."""
        for index, layers in self.pending.items():
            truth = self._truth(index)
            size = self.size if truth is None else truth.shape
            patch = self.context.model.patch_size
            numbers = torch.stack([object_numbers(labels, patch, (size[0], size[1])) for labels in layers])
            if self.files is not None:
                called = np.array([0, *self.numbers], dtype=np.uint8)[numbers.cpu().numpy()]
                self.files.write_layers(self.context.items["all"][index], called)
            if truth is not None and index != self.last:
                self.late |= set(_numbers(truth)) - set(self.numbers)
                self._judge(numbers, torch.from_numpy(truth).to(numbers.device))
        self.pending.clear()

    def _judge(self, numbers: Tensor, truth: Tensor) -> None:
        self.frames += 1
        for place, number in enumerate(self.numbers):
            predicted, there = numbers == place + 1, truth == number
            self.totals[place, 0] += region_similarity(predicted, there)
            self.totals[place, 1] += boundary_similarity(predicted, there)

    def mean(self) -> NDArray[np.float64] | None:
        """J and F (objects, 2, layers), means over the frames that were scored; None when there was none."""
        return (self.totals / self.frames).cpu().double().numpy() if self.frames else None


def _numbers(mask: NDArray[np.uint8]) -> list[int]:
    """The objects of a mask, ascending: all that is neither background nor void."""
    return [int(number) for number in np.unique(mask) if number not in (0, VOID)]
