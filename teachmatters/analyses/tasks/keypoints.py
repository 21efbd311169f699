"""The keypoints analysis: each pair is matched at every layer as soon as both of its images have arrived."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from teachmatters.analyses.tasks.keypoint_scores import score
from teachmatters.api import (
    Analysis,
    Batch,
    Box,
    Context,
    InputSpec,
    Pad,
    Pair,
    Parameters,
    Points,
    Readout,
    Result,
    State,
    Tap,
)
from teachmatters.errors import TeachMattersError
from teachmatters.measures.tasks.matching import best_pixels, sample


class KeypointsAnalysis(Analysis):
    """An analysis that keeps the features of one category, until all pairs that need them are matched."""

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        return InputSpec(taps=frozenset({Readout.of(parameters, "tokens")}), transform=Pad(), group="own")

    def start(self, context: Context) -> None:
        self.context, model = context, context.model
        self.pairs = chosen_pairs(context)
        self.waiting: dict[int, set[int]] = defaultdict(set)
        for number, pair in self.pairs.items():
            for image in (pair.source, pair.target):
                self.waiting[image].add(number)
        self.extent = np.array([model.grid[1], model.grid[0]]) * model.patch_size
        self.blocks: dict[int, tuple[NDArray[np.float64], float]] = {}
        self.end_group()

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        if layer == 1:
            self._arrive(batch)
        tokens = batch.values[:, self.context.model.prefix :].float()
        for row, each in zip(batch.rows, normalize(tokens, dim=-1), strict=True):
            if self.waiting.get(row.index):
                # Clone: a view would keep the whole tensor of the batch.
                self.features[layer][row.index] = each.reshape(*row.grid, -1).clone()
        if self.ready:
            self.matches.append(self._match(self.features[layer]))
        if layer == self.context.model.depth and self.ready:
            self._finish()

    def _arrive(self, batch: Batch) -> None:
        """Find the pairs that are now complete, and their points."""
        self.ready: dict[int, Pair] = {}
        for row in batch.rows:
            known = row.annotations["pairs"]
            self.points[row.index], self.boxes[row.index] = known["points"], known["box"]
            for number in sorted(self.waiting.get(row.index, ())):
                pair = self.pairs[number]
                if pair.source in self.points and pair.target in self.points:
                    self.ready[number] = pair
        self.matches: list[Tensor] = []
        if self.ready:
            self._aim()

    def _aim(self) -> None:
        """Compute the source pixels of all points of the ready pairs: x truncated, y rounded, both kept inside."""
        pairs, device = self.ready.values(), self.context.device
        self.images = sorted({image for pair in pairs for image in (pair.source, pair.target)})
        place = {image: number for number, image in enumerate(self.images)}
        xy = np.concatenate([self.points[pair.source].xy[list(pair.source_points)] for pair in pairs])
        pixels = np.stack([np.trunc(xy[:, 0]), np.round(xy[:, 1])], axis=1).clip(0, self.extent - 1)
        counts = [len(pair.source_points) for pair in pairs]
        self.source_pixels = torch.from_numpy(pixels.astype(np.int64)).to(device)
        self.sources = torch.tensor(np.repeat([place[pair.source] for pair in pairs], counts), device=device)
        targets = np.repeat([place[pair.target] for pair in pairs], counts)
        self.of_target = {
            int(target): torch.from_numpy(np.flatnonzero(targets == target)).to(device) for target in np.unique(targets)
        }

    def _match(self, features: dict[int, Tensor]) -> Tensor:
        """Return the matching pixels (points, 2) in the targets, for all points of the ready pairs."""
        maps = torch.stack([features[image] for image in self.images])
        patch = self.context.model.patch_size
        looked_for = sample(maps, self.sources, self.source_pixels[:, 0], self.source_pixels[:, 1], patch)
        dots = looked_for.new_empty(len(looked_for), *maps.shape[1:3])
        for target, points in self.of_target.items():
            dots[points] = (looked_for[points] @ maps[target].flatten(0, 1).T).reshape(-1, *maps.shape[1:3])
        return best_pixels(dots, patch)

    def _finish(self) -> None:
        """Compute the distances of the ready pairs, and drop features that no other pair needs."""
        found, start = torch.stack(self.matches).cpu().double().numpy(), 0
        for number, pair in self.ready.items():
            truth = self.points[pair.target].xy[list(pair.target_points)]
            end = start + len(truth)
            self.blocks[number] = (
                np.linalg.norm(found[:, start:end] - truth, axis=2),
                _longer_side(self.boxes[pair.target]),
            )
            start = end
            for image in (pair.source, pair.target):
                self.waiting[image].discard(number)
        for maps in self.features.values():
            for image in [image for image in maps if not self.waiting[image]]:
                del maps[image]

    def end_group(self) -> None:
        """Drop everything. A pair that is still incomplete has an image that could not be read."""
        self.features: dict[int, dict[int, Tensor]] = defaultdict(dict)
        self.points: dict[int, Points] = {}
        self.boxes: dict[int, Box] = {}
        self.ready = {}

    def state(self) -> State:
        order = sorted(self.blocks)
        counts = [self.blocks[number][0].shape[1] for number in order]
        empty = np.zeros((self.context.model.depth, 0))
        return {
            "pair": np.repeat(np.array(order, dtype=np.int64), counts),
            "size": np.repeat(np.array([self.blocks[number][1] for number in order]), counts),
            "distance": np.concatenate([empty, *(self.blocks[number][0] for number in order)], axis=1),
        }

    def merge(self, states: Sequence[State]) -> State:
        joined = {name: np.concatenate([np.asarray(s[name]) for s in states], axis=-1) for name in states[0]}
        order = np.argsort(joined["pair"], kind="stable")
        return {name: values[..., order] for name, values in joined.items()}

    def compute(self, state: State) -> Result:
        result = score(state, self.pairs, [item.key for item in self.context.items["all"]], self.context.metrics)
        left_out = len(self.pairs) - len(np.unique(np.asarray(state["pair"])))
        if left_out:
            result.notes["pairs left out because an image could not be read or no keypoint is shared"] = left_out
        if not result.records:
            raise TeachMattersError(
                f"none of {len(self.pairs)} pairs could be matched: no shared keypoint, or no readable image; "
                "check the data set ('tm datasets spair')"
            )
        return result


def chosen_pairs(context: Context) -> dict[int, Pair]:
    """Return the pairs within the limit by number, or a seeded sample of each category.

    Positions refer to the items of the context.
    """
    every = context.dataset.items("pairs", "all") or ()
    place = {item.key: index for index, item in enumerate(context.items["all"])}
    numbered = dict(enumerate(context.dataset.pairs()[: context.limit]))
    wanted = context.parameters["pairs_per_category"]
    chosen: list[int] = list(numbered)
    if wanted is not None:
        generator = np.random.default_rng(context.seed)
        categories = sorted({pair.category for pair in numbered.values()})
        members = [[n for n, pair in numbered.items() if pair.category == category] for category in categories]
        draws = [generator.choice(mine, size=min(wanted, len(mine)), replace=False) for mine in members]
        chosen = sorted(int(number) for draw in draws for number in draw)
    return {
        number: Pair(
            source=place[every[numbered[number].source].key],
            target=place[every[numbered[number].target].key],
            source_points=numbered[number].source_points,
            target_points=numbered[number].target_points,
            category=numbered[number].category,
            difficulty=numbered[number].difficulty,
        )
        for number in chosen
    }


def _longer_side(box: Box) -> float:
    return max(box.right - box.left, box.bottom - box.top)
