"""The mean attention map of each class, and how much the classes differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from teachmatters.api import State
from teachmatters.measures.moments import Moments, accumulator

PREFIX = "classes/"


class ClassMaps:
    """The moments, over classes, of the mean map of each class.

    A class has a sum of its own until all its images have come; then only its mean enters the moments. Data sorted by
    class therefore need the memory of one class or two, and shuffled data that of all classes.

    Args:
        sizes: the number of images of each class, by label.
        shape: depth, heads and patches of a map.
        device: the device of the maps.
    """

    def __init__(self, sizes: Mapping[int, int], shape: tuple[int, int, int], device: torch.device) -> None:
        self.sizes = sizes
        self.zeros = torch.zeros(shape, dtype=accumulator(device), device=device)
        self.sums: dict[int, Tensor] = {}
        self.counts: Counter[int] = Counter()
        self.complete = Moments(0, self.zeros, self.zeros)

    def add(self, layer: int, labels: Sequence[int | None], maps: Tensor) -> None:
        """Add the maps (B, H, h w) of one layer of a batch; layers come in order, from 1."""
        for label in {label for label in labels if label is not None}:
            places = [place for place, other in enumerate(labels) if other == label]
            of_class = self.sums.setdefault(label, self.zeros.clone())
            of_class[layer - 1] += maps[places].sum(dim=0)
            if layer == len(self.zeros):
                self.counts[label] += len(places)
                if self.counts[label] == self.sizes[label]:
                    self.complete = _added(self.complete, self.sums.pop(label), self.counts.pop(label))

    def state(self) -> State:
        """Return the moments of complete classes, and the sums of the others by ascending label."""
        order, total = sorted(self.sums), self.complete
        sums = [self.sums[label] for label in order]
        return {
            f"{PREFIX}complete": int(total.count),
            f"{PREFIX}mean": total.mean.cpu().double().numpy(),
            f"{PREFIX}m2": total.m2.cpu().double().numpy(),
            f"{PREFIX}labels": np.array(order, dtype=np.int64),
            f"{PREFIX}counts": np.array([self.counts[label] for label in order], dtype=np.int64),
            f"{PREFIX}sums": torch.stack([*sums, self.zeros])[:-1].cpu().double().numpy(),
        }


def merge_class_maps(states: Sequence[State]) -> State:
    """Merge the states of several parts; a class that two of them have is one class."""
    total = _complete(states[0])
    for state in states[1:]:
        other = _complete(state)
        total = total + other if other.count else total
    every = [{name: np.asarray(state[f"{PREFIX}{name}"]) for name in ("labels", "counts", "sums")} for state in states]
    joined = {name: np.concatenate([part[name] for part in every]) for name in every[0]}
    labels, place = np.unique(joined["labels"], return_inverse=True)
    counts, sums = np.zeros(len(labels), dtype=np.int64), np.zeros((len(labels), *joined["sums"].shape[1:]))
    np.add.at(counts, place, joined["counts"])
    np.add.at(sums, place, joined["sums"])
    merged: State = {f"{PREFIX}complete": int(total.count)}
    merged |= {f"{PREFIX}mean": total.mean.numpy(), f"{PREFIX}m2": total.m2.numpy()}
    return merged | {f"{PREFIX}labels": labels, f"{PREFIX}counts": counts, f"{PREFIX}sums": sums}


def class_deviation(state: State) -> tuple[Tensor | None, int]:
    """Compute the deviation over classes (n - 1) of the mean map, averaged over patches, and the number of classes.

    Returns:
        (depth, H), None with fewer than two classes.
    """
    total = _complete(state)
    counts, sums = np.asarray(state[f"{PREFIX}counts"]), np.asarray(state[f"{PREFIX}sums"])
    for count, of_class in zip(counts.tolist(), sums, strict=True):
        total = _added(total, torch.from_numpy(of_class), count)
    std = total.std()
    return None if std is None else std.mean(dim=-1), int(total.count)


def _complete(state: State) -> Moments:
    mean, m2 = (torch.as_tensor(np.asarray(state[f"{PREFIX}{name}"])) for name in ("mean", "m2"))
    return Moments(int(np.asarray(state[f"{PREFIX}complete"])), mean, m2)


def _added(total: Moments, of_class: Tensor, count: int) -> Moments:
    return total + Moments.of(of_class[None] / count)
