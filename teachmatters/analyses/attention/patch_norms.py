"""The norms of the patch tokens of each layer: means of each image, and quantiles over the tokens of all images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from teachmatters.analyses.scores import Scores, mean_record, merge_scores, record_headline
from teachmatters.api import Context, Record, Result, State
from teachmatters.measures.attention.artefacts import token_norms

NAME = "patch-norm"
NORMS, MEANS = f"{NAME}/norms", f"{NAME}/means"

# The number of norms that a layer keeps: above it, the quantiles are those of a sample.
MOST_TOKENS = 20_000_000

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


class PatchNorms:
    """The norms of one pass.

    Attributes:
        sampled: the number of patches that each image keeps; all of them up to MOST_TOKENS a layer.
    """

    def __init__(self, context: Context) -> None:
        self.context, model = context, context.model
        self.patches = model.tokens - model.prefix
        self.sampled = min(self.patches, max(1, MOST_TOKENS // max(1, len(context.items["all"]))))
        parts = {"": slice(model.prefix, None), "cls": slice(0, int(model.class_token))}
        parts["register"] = slice(int(model.class_token), model.prefix)
        self.parts = {name: part for name, part in parts.items() if len(range(model.tokens)[part])}
        self.norms = Scores(model.depth, (self.sampled,))
        self.means = Scores(model.depth, (len(self.parts),))

    def add(self, layer: int, tokens: Tensor, index: Sequence[int]) -> None:
        """Add a layer's block outputs (B, T, D) of the images with these indices."""
        norms = token_norms(tokens)
        self.means.add(layer, torch.stack([norms[:, part].mean(dim=1) for part in self.parts.values()], dim=1), index)
        of_patches = norms[:, self.parts[""]]
        if self.sampled < self.patches:
            of_patches = of_patches.gather(1, self._sample(index).to(norms.device))
        self.norms.add(layer, of_patches, index)

    def _sample(self, index: Sequence[int]) -> Tensor:
        """Choose patches of each image by the seed and its index, so that batches do not matter."""
        seed = self.context.seed
        chosen = [np.random.default_rng((seed, i)).choice(self.patches, self.sampled, replace=False) for i in index]
        return torch.from_numpy(np.stack(chosen))

    def state(self) -> State:
        """Return the state of both scores."""
        return {**self.norms.state(NORMS), **self.means.state(MEANS)}

    def record(self, result: Result, state: State) -> None:
        """Add the records of every layer."""
        means, norms = np.asarray(state[f"{MEANS}/values"]), np.asarray(state[f"{NORMS}/values"])
        units = tuple(self.context.items["all"][i].key for i in np.asarray(state[f"{MEANS}/index"]))
        for layer in range(1, self.context.model.depth + 1):
            for column, category in enumerate(self.parts):
                scores = means[:, layer - 1, column]
                if category:
                    result.records.append(mean_record(NAME, layer, scores, category=category))
                else:
                    record_headline(result, NAME, layer, scores, units)
            result.records += quantiles(layer, norms[:, layer - 1])
        if self.sampled < self.patches:
            result.notes[f"{NAME}: patches of each image used for the quantiles"] = self.sampled


def quantiles(layer: int, norms: NDArray[np.float32]) -> Iterator[Record]:
    """Yield the quantiles of a layer's norms, (n, patches of an image)."""
    wide = norms.astype(np.float64)
    for category, value in zip(QUANTILES, np.quantile(wide, list(QUANTILES.values())).tolist(), strict=True):
        yield Record(metric=NAME, layer=layer, category=category, value=value, n=wide.size)


def merge_norms(states: Sequence[State]) -> State:
    """Merge the states of several parts."""
    return {**merge_scores(states, NORMS), **merge_scores(states, MEANS)}
