"""The totals of a batch's attention in a single read, compiled by Numba for a CPU.

The operations of ``totals_in_blocks`` read the attention a dozen times and write intermediate results of its size. Here
each row is read into a core's cache once, and all reductions take it from there. Importing Numba and loading the
compiled code takes about a second, and compiling it six seconds, once on a machine: Numba keeps it next to this file or
in the user's cache folder.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from teachmatters.measures.attention.totals import AttentionTotals, Wanted
from teachmatters.measures.moments import Moments

Floats = NDArray[np.float32]
F = TypeVar("F", bound=Callable[..., Any])

if sys.platform == "darwin":  # a second OpenMP next to torch's would end the process
    numba.config.THREADING_LAYER = "workqueue"  # type: ignore[attr-defined]
_ONE_AT_A_TIME = threading.Lock()  # Numba's own threads, where there is no OpenMP, must not be started twice

# The most queries whose rows are added up in float32 before their sums are added in float64.
QUERIES = 512

# Arithmetic with Python's own numbers would be in float64, half as fast.
_ONE, _TWO, _HALF = np.float32(1), np.float32(2), np.float32(0.5)
_TINY = np.float32(2.0**-126)  # the smallest normal number
_LOG_2, _ROOT_2 = np.float32(math.log(2)), np.float32(math.sqrt(2))
_MANTISSA_BITS, _MANTISSA, _BIAS, _MANTISSA_UNIT = 23, 2**23 - 1, np.float32(127), np.float32(2.0**-23)
_SERIES_3, _SERIES_5, _SERIES_7, _SERIES_9 = (np.float32(2 / n) for n in (3, 5, 7, 9))


class _Parts(NamedTuple):
    """The totals that a core needs, and the arrays of totals for each block of queries and each image.

    Attributes:
        of_mass, of_entropy, of_keys, of_heads, of_maps: whether to compute what depends on the mass of rows, their
            entropy, the totals of keys, the deviation over heads, aligned maps.
        numbers: float64 (..., 4, H): rows without mass, distances, entropies, information.
        keys: float32 (..., 3, H, T): sums of renormalised rows, the mean of rows, squared deviations from it.
        deviation: float64 (..., 1): over heads, summed over queries and patches, without its factor 1 / sqrt(H - 1).
        maps: float32 (..., H, (2h-1) (2w-1)).
    """

    of_mass: bool
    of_entropy: bool
    of_keys: bool
    of_heads: bool
    of_maps: bool
    numbers: NDArray[np.float64]
    keys: Floats
    deviation: NDArray[np.float64]
    maps: Floats


def compiled(*, parallel: bool = False) -> Callable[[F], F]:
    """Compile a function for this machine, and keep the machine code where a folder for it can be written.

    Sums may be reordered, which lets a core add many numbers at once. NaN stays NaN.
    """

    def decorate(function: F) -> F:
        def compile_it(*, cache: bool) -> F:
            fast = {"reassoc", "contract", "arcp", "nsz"}
            made = numba.njit(function, cache=cache, parallel=parallel, nogil=True, error_model="numpy", fastmath=fast)
            return cast("F", made)

        try:
            return compile_it(cache=True)
        except RuntimeError:  # no such folder
            return compile_it(cache=False)

    return decorate


def compiled_totals(attention: Tensor, grid: tuple[int, int], table: Tensor, wanted: Wanted) -> AttentionTotals:
    """Compute the totals on a CPU, with as many threads as torch uses.

    Args:
        attention: float32 (B, H, T, T).
        grid: rows and columns of patches, h and w.
        table: from distance_table.
        wanted: the totals to compute; a deviation over heads needs at least two.

    >>> from teachmatters.measures.attention.attention import distance_table
    >>> attention, table = torch.eye(2).expand(1, 2, 2, 2), distance_table((1, 2), 0)
    >>> compiled_totals(attention, (1, 2), table, Wanted(*[True] * 8)).aligned.tolist()
    [[[[0.0, 2.0, 0.0]], [[0.0, 2.0, 0.0]]]]
    """
    batch, heads, tokens, _ = attention.shape
    patches, threads = grid[0] * grid[1], torch.get_num_threads()
    # One block of queries for each image, but more if there are more threads, or to add up in float64.
    blocks = min(patches, max(math.ceil(threads / batch), math.ceil(patches / QUERIES)))
    ends = [patches * block // blocks for block in range(blocks + 1)]
    of_keys = wanted.received or wanted.pure or wanted.position
    high, wide = (2 * side - 1 if wanted.aligned else 0 for side in grid)
    parts = _Parts(
        of_mass=wanted.distance or wanted.information or wanted.pure or wanted.aligned,
        of_entropy=wanted.entropy or wanted.information,
        of_keys=of_keys,
        of_heads=wanted.heads,
        of_maps=wanted.aligned,
        numbers=np.zeros((blocks, batch, 4, heads)),
        keys=np.zeros((blocks, batch, 3, heads, tokens if of_keys else 0), np.float32),
        deviation=np.zeros((blocks, batch, 1)),
        maps=np.zeros((blocks, batch, heads, high * wide), np.float32),
    )
    with _ONE_AT_A_TIME:
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
        _reduce(attention.contiguous().numpy(), table.numpy(), grid, np.array(ends), parts)
    empty, distance, entropy, information = torch.from_numpy(parts.numbers.sum(axis=0)).unbind(1)
    pure, means, squares = torch.from_numpy(parts.keys).unbind(2)
    counts = [end - start for start, end in pairwise(ends)]
    position = Moments.joined(counts, means, squares) if of_keys else Moments(patches, means[0], squares[0])
    return AttentionTotals(
        empty=empty,
        distance=distance,
        entropy=entropy,
        information=information,
        received=position.mean * patches,
        pure=pure.sum(dim=0, dtype=torch.float64),
        position=position,
        heads=torch.from_numpy(parts.deviation[..., 0].sum(axis=0)) / (patches * math.sqrt(max(1, heads - 1))),
        aligned=torch.from_numpy(parts.maps).sum(dim=0, dtype=torch.float64).view(batch, heads, high, wide),
    )


@compiled(parallel=True)
def _reduce(
    attention: Floats, distances: Floats, grid: tuple[int, int], ends: NDArray[np.int64], parts: _Parts
) -> None:
    """Reduce blocks of queries of images, several at once. ``ends`` has 0 and the end of each block."""
    batch, bits = len(attention), attention.view(np.int32)
    for task in numba.prange((len(ends) - 1) * batch):
        block, image = task // batch, task % batch
        part = _Parts(
            parts.of_mass, parts.of_entropy, parts.of_keys, parts.of_heads, parts.of_maps,
            parts.numbers[block, image], parts.keys[block, image], parts.deviation[block, image],
            parts.maps[block, image],
        )  # fmt: skip
        _reduce_queries(attention[image], bits[image], distances, grid, ends[block], ends[block + 1], part)


@compiled()
def _reduce_queries(
    attention: Floats,
    bits: NDArray[np.int32],
    distances: Floats,
    grid: tuple[int, int],
    first: int,
    end: int,
    part: _Parts,
) -> None:
    """Add the rows of some queries of an image to the totals; ``bits`` is the attention's memory as integers."""
    high, wide = grid
    heads, tokens = attention.shape[:2]
    prefix = tokens - high * wide
    mean, squares = np.empty(tokens, np.float32), np.empty(tokens, np.float32)
    factor = _ONE
    for query in range(first, end):
        share = _ONE / np.float32(query - first + 1)
        # The query moves to the centre of the map, and the first patch to this place.
        corner = (high - 1 - query // wide) * (2 * wide - 1) + wide - 1 - query % wide
        for head in range(heads):
            row, row_bits = attention[head, prefix + query], bits[head, prefix + query]
            mass = _ONE
            if part.of_mass:
                mass, weighted = _sums(row[prefix:], distances[query, 1, prefix:])
                factor = _ONE / max(mass, _TINY)  # any number for a row without mass, as it stays 0
                part.numbers[0, head] += mass <= 0
                part.numbers[1, head] += weighted * factor
            if part.of_entropy:
                of_patches = np.float64(_entropy(row[prefix:], row_bits[prefix:]))
                part.numbers[2, head] += of_patches + _entropy(row[:prefix], row_bits[:prefix])
                part.numbers[3, head] += factor * (mass * np.log(np.float64(factor)) - of_patches)
            if part.of_keys:
                _add_to_keys(row, factor, share, part.keys[0, head], part.keys[1, head], part.keys[2, head])
            if part.of_maps:
                _add_aligned(row[prefix:], factor, np.uintp(corner), np.uintp(wide), part.maps[head])
        if part.of_heads:
            mean[:], squares[:] = 0, 0
            for head in range(heads):
                _add(attention[head, prefix + query], mean)
            mean /= np.float32(heads)
            for head in range(heads):
                _add_squares(attention[head, prefix + query], mean, squares)
            part.deviation[0] += _sum_of_roots(squares[prefix:])


@compiled()
def _sums(row: Floats, distances: Floats) -> tuple[np.float32, np.float32]:
    total, weighted = np.float32(0), np.float32(0)
    for key in range(row.size):
        total += row[key]
        weighted += row[key] * distances[key]
    return total, weighted


@compiled()
def _entropy(row: Floats, bits: NDArray[np.int32]) -> np.float32:
    """Return minus the sum of A log A, with a logarithm that a core computes for many numbers at once.

    A is m 2^e, with m between sqrt(1/2) and sqrt(2), so that log A = e log 2 + log m. With s = (m - 1) / (m + 1),
    log m = 2 (s + s^3 / 3 + s^5 / 5 + ...); the terms after s^9 are below 1e-9. The weight 0 has a finite logarithm.
    """
    total = np.float32(0)
    for key in range(row.size):
        exponent = np.float32(np.int32(bits[key] >> _MANTISSA_BITS)) - _BIAS
        m = np.float32(np.int32(bits[key] & _MANTISSA)) * _MANTISSA_UNIT + _ONE
        large = m > _ROOT_2
        m = m * _HALF if large else m
        exponent = exponent + _ONE if large else exponent
        s = (m - _ONE) / (m + _ONE)
        square = s * s
        series = _TWO + square * (_SERIES_3 + square * (_SERIES_5 + square * (_SERIES_7 + square * _SERIES_9)))
        total -= row[key] * (exponent * _LOG_2 + s * series)
    return total


@compiled()
def _add_to_keys(
    row: Floats, factor: np.float32, share: np.float32, pure: Floats, mean: Floats, squares: Floats
) -> None:
    """Add a row to the sums of keys, and to the moments by Welford's method, which keeps small deviations."""
    for key in range(row.size):
        weight = row[key]
        pure[key] += weight * factor
        difference = weight - mean[key]
        mean[key] += difference * share
        squares[key] += difference * (weight - mean[key])


@compiled()
def _add_aligned(row: Floats, factor: np.float32, corner: np.uintp, wide: np.uintp, aligned: Floats) -> None:
    """Add a row to its place in the aligned map. Unsigned places need no check for negative ones."""
    for y in range(np.uintp(row.size) // wide):
        start, place = y * wide, corner + y * (np.uintp(2) * wide - np.uintp(1))
        for x in range(wide):
            aligned[place + x] += row[start + x] * factor


@compiled()
def _add(row: Floats, total: Floats) -> None:
    for key in range(row.size):
        total[key] += row[key]


@compiled()
def _add_squares(row: Floats, mean: Floats, squares: Floats) -> None:
    for key in range(row.size):
        difference = row[key] - mean[key]
        squares[key] += difference * difference


@compiled()
def _sum_of_roots(squares: Floats) -> np.float32:
    total = np.float32(0)
    for key in range(squares.size):
        total += np.sqrt(squares[key])
    return total
