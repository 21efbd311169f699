"""The video analysis: the masks of the first frame propagate through a video, in every layer, and are scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from teachmatters.analyses.scores import mean_record, unit_map
from teachmatters.analyses.tasks.video_files import VideoFiles
from teachmatters.analyses.tasks.video_tracker import VideoTracker
from teachmatters.analyses.windows import merge_windows
from teachmatters.api import (
    Analysis,
    Batch,
    Context,
    Dense,
    InputSpec,
    Parameters,
    Readout,
    Result,
    Row,
    State,
    Stretch,
    Tap,
)
from teachmatters.errors import TeachMattersError

REASONS = (
    "videos without objects in the first frame",
    "videos without a frame between the first and the last to score",
    "videos whose first frame or its mask cannot be read",
    "videos whose first mask has only 0 and 255 (void): number the objects from 1",
)
LATE = "objects that are not in the first frame, and are not scored"


class VideoAnalysis(Analysis):
    """An analysis of one video at a time. It keeps only the past frames that labels still come from."""

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        transform = Dense() if parameters["resolution"] == "dense" else Stretch()
        return InputSpec(taps=frozenset({Readout.of(parameters, "tokens")}), transform=transform, group="own")

    def start(self, context: Context) -> None:
        self.context = context
        self.spans = dict(_spans(context))
        folder = context.parameters["save"]
        self.files = VideoFiles.below(folder, context.label) if folder else None
        self.scores: dict[int, NDArray[np.float64]] = {}
        self.numbers: dict[int, list[int]] = {}
        self.late: dict[int, list[int]] = {}
        self.left_out: dict[int, int] = {}
        self._forget()

    def _forget(self) -> None:
        self.tracker: VideoTracker | None = None
        self.begun = False
        self.windows: dict[int, list[tuple[Row, Tensor]]] = {}

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        if not self.begun:
            self._begin(batch.rows[0])
        if self.tracker is None:
            return
        held = self.windows.setdefault(layer, [])
        for row, tokens in zip(batch.rows, batch.values[:, self.context.model.prefix :].float(), strict=True):
            held.append((row, tokens))
            if row.window + 1 == row.windows:
                rows, parts = zip(*held, strict=True)
                self.tracker.see(layer, row.index, merge_windows(rows, parts))
                held.clear()
        # The batch is gone after this call, but its last frame may continue in the next batch.
        self.windows[layer] = [(row, tokens.clone()) for row, tokens in held]
        if layer == self.context.model.depth:
            self.tracker.score()

    def _begin(self, row: Row) -> None:
        self.begun = True
        first, last = self.spans[self.context.items["all"][row.index].group]
        known = row.annotations["videos"].get("mask")
        if row.index != first or known is None:
            self.left_out[first] = 2
            return
        self.tracker = VideoTracker(self.context, (first, last), known.pixels, self.files)
        if not self.tracker.numbers:
            self.left_out[first], self.tracker = 3 if self.tracker.void else 0, None

    def end_group(self) -> None:
        if self.tracker is not None:
            scores = self.tracker.mean()
            if scores is None:
                self.left_out[self.tracker.first] = 1
            else:
                self.scores[self.tracker.first] = scores
                self.numbers[self.tracker.first] = self.tracker.numbers
                self.late[self.tracker.first] = sorted(self.tracker.late)
        self._forget()

    def state(self) -> State:
        order, none = sorted(self.scores), np.zeros((0, 2, self.context.model.depth + 1))
        return {
            "first": _firsts(order, self.numbers),
            "object": _flat(order, self.numbers),
            "late_first": _firsts(order, self.late),
            "late": _flat(order, self.late),
            "scores": np.concatenate([none, *(self.scores[first] for first in order)]),
            "left_out": np.array(sorted(self.left_out), dtype=np.int64),
            "reason": np.array([self.left_out[first] for first in sorted(self.left_out)], dtype=np.int64),
        }

    def merge(self, states: Sequence[State]) -> State:
        joined = {name: np.concatenate([np.asarray(state[name]) for state in states]) for name in states[0]}
        scored = np.lexsort((joined["object"], joined["first"]))
        left = np.argsort(joined["left_out"], kind="stable")
        late = np.lexsort((joined["late"], joined["late_first"]))
        orders = {"left_out": left, "reason": left, "late": late, "late_first": late}
        return {name: values[orders.get(name, scored)] for name, values in joined.items()}

    def compute(self, state: State) -> Result:
        names = {first: video for video, (first, _) in self.spans.items()}
        result = Result(notes=self._notes(state, names))
        videos = [names[int(first)] for first in np.asarray(state["first"])]
        if not videos:
            why = "; ".join(f"{len(mine)} {reason}" for reason, mine in result.notes.items())
            raise TeachMattersError(f"no video could be scored: {why}; check the data set ('tm datasets davis')")
        units = tuple(f"{video}_{number}" for video, number in zip(videos, np.asarray(state["object"]), strict=True))
        j, f = np.moveaxis(100 * np.asarray(state["scores"]), 1, 0)
        for metric, scores in (("davis-j", j), ("davis-f", f), ("davis-jf", (j + f) / 2)):
            if metric in self.context.metrics:
                _record(result, metric, scores[:, :-1], np.array(videos), units)
            if (still := f"{metric}-still") in self.context.metrics:
                layers = range(1, self.context.model.depth + 1)
                result.records += [mean_record(still, layer, scores[:, -1]) for layer in layers]
        return result

    def _notes(self, state: State, names: dict[int, str]) -> dict[str, list[str]]:
        left_out = dict(zip(np.asarray(state["left_out"]).tolist(), np.asarray(state["reason"]).tolist(), strict=True))
        # A video without a readable frame never began.
        silent = set(names) - set(np.asarray(state["first"]).tolist()) - set(left_out)
        left_out |= dict.fromkeys(silent, 2)
        told = {
            words: [names[first] for first in sorted(left_out) if left_out[first] == reason]
            for reason, words in enumerate(REASONS)
        }
        late = zip(np.asarray(state["late_first"]).tolist(), np.asarray(state["late"]).tolist(), strict=True)
        told[LATE] = [f"{names[first]}_{number}" for first, number in late]
        return {words: mine for words, mine in told.items() if mine}


def _firsts(order: Sequence[int], numbers: Mapping[int, Sequence[int]]) -> NDArray[np.int64]:
    """Return the first frame of each object."""
    return np.repeat(np.array(order, dtype=np.int64), [len(numbers[first]) for first in order])


def _flat(order: Sequence[int], numbers: Mapping[int, Sequence[int]]) -> NDArray[np.int64]:
    """Return the objects of all videos."""
    return np.array([number for first in order for number in numbers[first]], dtype=np.int64)


def _spans(context: Context) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield each video with its first and last frame, as indices of the items."""
    items = context.items["all"]
    for video, frames in groupby(range(len(items)), key=lambda index: items[index].group):
        indices = list(frames)
        yield video, (indices[0], indices[-1])


def _record(
    result: Result, metric: str, scores: NDArray[np.float64], videos: NDArray[np.str_], units: tuple[str, ...]
) -> None:
    """Record the means over all objects and over each video's objects, and map the scores (objects, layers)."""
    for layer, column in enumerate(scores.T, start=1):
        for category in ["", *dict.fromkeys(videos.tolist())]:
            mine = column[videos == category] if category else column
            result.records.append(mean_record(metric, layer, mine, category=category))
        result.maps.append(unit_map(metric, layer, column, units))
