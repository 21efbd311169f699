"""The state of one video: the frames that each layer remembers, and the scores so far."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from teachmatters.analyses.tasks.video_files import VideoFiles
from teachmatters.api import Context
from teachmatters.errors import TeachMattersError
from teachmatters.measures.moments import accumulator
from teachmatters.measures.tasks.propagation import object_numbers, propagate
from teachmatters.measures.tasks.video_scores import boundary_similarity, region_similarity

VOID = 255


class FrameMemory:
    """The features and labels of the first frame and of the last few frames, in one layer."""

    def __init__(self, features: Tensor, labels: Tensor, context: int) -> None:
        self.features = features.new_empty(1 + context, *features.shape)
        self.labels = labels.new_empty(1 + context, *labels.shape)
        self.features[0], self.labels[0], self.seen = features, labels, 1

    def keep(self, features: Tensor, labels: Tensor) -> None:
        """Add a frame in place of the oldest one after the first."""
        slot = 1 + (self.seen - 1) % (len(self.features) - 1)
        self.features[slot], self.labels[slot] = features, labels
        self.seen += 1

    def held(self) -> tuple[Tensor, Tensor]:
        """Return (frames, patches, D) and (frames, patches, C), in no particular order."""
        return self.features[: self.seen], self.labels[: self.seen]


class VideoTracker:
    """A video from its first frame on.

    Args:
        context: the context of the analysis.
        span: the first and the last frame, as indices of the items.
        labels: uint8 (h, w), the first frame's mask on the grid.
        files: where to write masks, or None.

    Attributes:
        numbers: the numbers of the objects in the first frame, ascending, possibly with gaps.
        void: whether the first frame has void pixels.
        late: the numbers of objects in a scored frame that are not in the first frame.
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
        self.totals = torch.zeros(len(self.numbers), 2, context.model.depth + 1, dtype=wide, device=context.device)
        if files is not None and len(self.numbers):
            files.write(context.items["all"][self.first], truth, range(1, context.model.depth + 1))

    def _truth(self, index: int) -> NDArray[np.uint8] | None:
        """Return the mask of a frame in its own pixels."""
        mask = self.context.dataset.annotations(self.context.items["all"][index], "videos").get("mask")
        return None if mask is None else mask.pixels

    def _flat(self, values: Tensor) -> Tensor:
        """Flatten (h, w, ...) to (patches, ...) along the shorter side first, for which propagation is fastest."""
        return (values if self.grid[0] >= self.grid[1] else values.transpose(0, 1)).flatten(0, 1)

    def _planes(self, labels: Tensor) -> Tensor:
        """Reshape (patches, C) to (C, h, w)."""
        h, w = self.grid
        return labels.reshape(h, w, -1).permute(2, 0, 1) if h >= w else labels.reshape(w, h, -1).permute(2, 1, 0)

    def see(self, layer: int, index: int, features: Tensor) -> None:
        """Add the next frame of one layer, (h, w, D).

        Raises:
            TeachMattersError: its shape differs from the first frame's.
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
        """Score the pending frames, once every layer has seen them: turn their labels into masks."""
        for index, layers in self.pending.items():
            truth = self._truth(index)
            size = self.size if truth is None else truth.shape
            patch = self.context.model.patch_size
            # Last, in place of a layer, the masks of the first frame as they are: what no movement would reach.
            planes = (*layers, self._planes(self.labels))
            numbers = torch.stack([object_numbers(labels, patch, (size[0], size[1])) for labels in planes])
            if self.files is not None:
                called = np.array([0, *self.numbers], dtype=np.uint8)[numbers.cpu().numpy()]
                self.files.write_layers(self.context.items["all"][index], called[:-1])
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
        """Return J and F (objects, 2, layers + 1), means over the scored frames, or None without a scored frame.

        The last are those of the first frame's masks, not moved.
        """
        return (self.totals / self.frames).cpu().double().numpy() if self.frames else None


def _numbers(mask: NDArray[np.uint8]) -> list[int]:
    """Return the objects of a mask, ascending, without background and void."""
    return [int(number) for number in np.unique(mask) if number not in (0, VOID)]
