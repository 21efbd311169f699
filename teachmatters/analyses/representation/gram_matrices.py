"""Gram matrices of mini-batches for every layer, as triangles whose dot products are HSICs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from teachmatters.api import Batch, Context, State, Tap
from teachmatters.errors import TeachMattersError
from teachmatters.measures.representation.cka import LEAST, centred, gram, triangle

_PREFIX = "grams/"


class GramBuffer:
    """A buffer that reduces the features of mini-batches to one triangle for each kind and layer.

    Args:
        context: the context of the analysis.
        kinds: what to keep: ``all``, ``cls`` and ``spatial`` of the tap ``block``, or the names of other taps.
    """

    def __init__(self, context: Context, kinds: Iterable[str]) -> None:
        self.model, self.device = context.model, context.device
        self.batch: int = context.parameters["cka_batch"]
        self.images = len(context.items["all"])
        self.size = min(self.batch, self.images)
        self.kinds = sorted(kinds)
        self.done: dict[int, tuple[NDArray[np.bool_], NDArray[np.float32]]] = {}
        self._forget()

    def _forget(self) -> None:
        self.seen: set[int] = set()
        self.pieces: dict[tuple[int, Tap], list[Tensor]] = {}
        self.grams: dict[tuple[str, int], Tensor] = {}

    def add(self, layer: int, tap: Tap, batch: Batch) -> None:
        """Add (b, T, D) tokens of one layer. The pieces of a divided mini-batch wait for the others."""
        self.seen.update(row.index for row in batch.rows)
        number = batch.rows[0].index // self.batch
        if len(batch.rows) == min(self.batch, self.images - number * self.batch):
            self._reduce(layer, tap, batch.values)
        else:
            self.pieces.setdefault((layer, tap), []).append(batch.values.clone())

    def end_group(self) -> None:
        """Reduce the mini-batch, which is complete."""
        members = sorted(self.seen)
        if not members:
            return
        number = members[0] // self.batch
        # The estimator is undefined for fewer, and the images of a smaller last mini-batch would weigh more.
        last = self.images >= self.batch and (number + 1) * self.batch > self.images
        if len(members) >= LEAST and not last:
            for (layer, tap), pieces in self.pieces.items():
                self._reduce(layer, tap, torch.cat(pieces))
            places = torch.tensor(members) - number * self.batch
            present = torch.zeros(self.size, dtype=torch.bool).index_fill_(0, places, True)
            self.done[number] = present.numpy(), self._triangles(places.to(self.device))
        self._forget()

    def _reduce(self, layer: int, tap: Tap, tokens: Tensor) -> None:
        grams = {tap: gram(tokens)} if tap != "block" else _by_tokens(tokens, self.model.prefix, self.model.class_token)
        self.grams.update({(kind, layer): value for kind, value in grams.items() if kind in self.kinds})

    def _triangles(self, places: Tensor) -> NDArray[np.float32]:
        """Return (kinds, depth, entries); an image that could not be read leaves zeros."""
        inner = centred(torch.stack([self.grams[kind, layer] for kind in self.kinds for layer in self._layers()]))
        whole = inner.new_zeros(len(inner), self.size, self.size)
        whole[:, places[:, None], places] = inner
        return triangle(whole).view(len(self.kinds), self.model.depth, -1).float().cpu().numpy()

    def _layers(self) -> range:
        return range(1, self.model.depth + 1)

    def state(self) -> State:
        """Return ``grams/number`` (G,) ascending, ``grams/present`` (G, size), ``grams/<kind>`` (G, depth, entries)."""
        order = sorted(self.done)
        shape = len(order), self.model.depth, self.size * (self.size - 1) // 2
        state: State = {
            f"{_PREFIX}number": np.array(order, dtype=np.int64),
            f"{_PREFIX}present": np.array([self.done[i][0] for i in order], dtype=bool).reshape(len(order), self.size),
        }
        for place, kind in enumerate(self.kinds):
            kept = np.array([self.done[i][1][place] for i in order], dtype=np.float32)
            state[f"{_PREFIX}{kind}"] = kept.reshape(shape)
        return state


def _by_tokens(tokens: Tensor, prefix: int, class_token: bool) -> dict[str, Tensor]:
    """Return the Gram matrices of all, class and spatial tokens. They are sums over tokens."""
    spatial = gram(tokens[:, prefix:])
    grams = {"spatial": spatial, "all": spatial + gram(tokens[:, :prefix]) if prefix else spatial}
    return grams | {"cls": gram(tokens[:, :1])} if class_token else grams


def merge_grams(states: Sequence[State]) -> State:
    """Merge the states of several buffers, in the order of the mini-batches."""
    order = np.argsort(np.concatenate([np.asarray(state[f"{_PREFIX}number"]) for state in states]), kind="stable")
    names = [name for name in states[0] if name.startswith(_PREFIX)]
    return {name: np.concatenate([np.asarray(state[name]) for state in states])[order] for name in names}


class MatchedGrams:
    """The mini-batches that two states have in common.

    Attributes:
        count: the number of common mini-batches.
        present: bool (count, size).
        left_out: the number of mini-batches that only one state has, or that differ because of unreadable images.

    Raises:
        TeachMattersError: there is no common mini-batch.
    """

    def __init__(self, state: State, other: State) -> None:
        self.states = state, other
        found = [list(_batches(each)) for each in self.states]
        common = [number for number in found[0] if number in found[1]]
        self.rows = [[batches.index(each) for each in common] for batches in found]
        self.count = len(common)
        self.left_out = len(set(found[0]) ^ set(found[1]))
        if not common:
            raise TeachMattersError(
                f"CKA needs at least {LEAST} images in a mini-batch, and no mini-batch has as many; "
                "give more images (a larger --limit)"
            )
        self.present = torch.from_numpy(np.asarray(state[f"{_PREFIX}present"], dtype=bool)[self.rows[0]])

    def triangles(self, kind: str, other_kind: str = "") -> tuple[Tensor, Tensor] | None:
        """Return (count, L1, m) and (count, L2, m), or None where a state lacks the kind."""
        names = f"{_PREFIX}{kind}", f"{_PREFIX}{other_kind or kind}"
        if any(name not in state for name, state in zip(names, self.states, strict=True)):
            return None
        first, second = (
            torch.from_numpy(np.asarray(state[name], dtype=np.float32)[rows])
            for name, state, rows in zip(names, self.states, self.rows, strict=True)
        )
        return first, second


def _batches(state: State) -> Iterator[tuple[int, bytes]]:
    numbers, present = np.asarray(state[f"{_PREFIX}number"]), np.asarray(state[f"{_PREFIX}present"], dtype=bool)
    for number, there in zip(numbers.tolist(), present, strict=True):
        yield number, there.tobytes()
