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

from teachmatters.measures.attention.attention import TINY
from teachmatters.measures.attention.totals import AttentionTotals, TotalsSelection
from teachmatters.measures.moments import Moments

Floats = NDArray[np.float32]
F = TypeVar("F", bound=Callable[..., Any])

if sys.platform == "darwin":  # a second OpenMP next to torch's would end the process
    numba.config.THREADING_LAYER = "workqueue"  # type: ignore[attr-defined]
_LOCK = threading.Lock()  # Numba's own threads, where there is no OpenMP, must not be started twice

# The most queries whose rows are added up in float32, before their sums are added in float64.
QUERIES = 128

# Arithmetic with Python's own numbers would be in float64, half as fast.
_ONE, _TWO, _HALF = np.float32(1), np.float32(2), np.float32(0.5)
_TINY = np.float32(TINY)
_LOG_2, _ROOT_2 = np.float32(math.log(2)), np.float32(math.sqrt(2))
_MANTISSA_BITS, _MANTISSA, _BIAS, _MANTISSA_UNIT = 23, 2**23 - 1, np.float32(127), np.float32(2.0**-23)
_SERIES_3, _SERIES_5, _SERIES_7, _SERIES_9 = (np.float32(2 / n) for n in (3, 5, 7, 9))


class _Arrays(NamedTuple):
    """What to compute, and the totals of all blocks and images, or without the "..." those of one block of an image.

    Attributes:
        needs_mass, needs_entropy, needs_keys: see TotalsSelection.
        needs_heads, needs_maps: whether to compute the deviation over heads, aligned maps.
        numbers: float64 (..., 4, H): rows without mass, distances, entropies, information.
        keys: float32 (..., 3, H, T): sums of renormalised rows, the mean of rows, squared deviations from it.
        deviation: float64 (..., 1): over heads, summed over queries and patches, without its factor 1 / sqrt(H - 1).
        maps: float32 (..., H, (2h-1) (2w-1)).
    """

    needs_mass: bool
    needs_entropy: bool
    needs_keys: bool
    needs_heads: bool
    needs_maps: bool
    numbers: NDArray[np.float64]
    keys: Floats
    deviation: NDArray[np.float64]
    maps: Floats


def jit(*, parallel: bool = False) -> Callable[[F], F]:
    """Compile a function for this machine, and keep the machine code where a folder for it can be written.

    Sums may be reordered, which lets a core add many numbers at once. NaN stays NaN.
    """
    options: Any = {
        "parallel": parallel,
        "nogil": True,
        "error_model": "numpy",
        "fastmath": {"reassoc", "contract", "arcp", "nsz"},
    }

    def decorate(function: F) -> F:
        try:
            return cast("F", numba.njit(function, cache=True, **options))
        except RuntimeError:  # no such folder
            return cast("F", numba.njit(function, **options))

    return decorate


def compiled_totals(
    attention: Tensor, grid: tuple[int, int], table: Tensor, wanted: TotalsSelection
) -> AttentionTotals:
    """Compute the totals on a CPU, with as many threads as torch uses.

    Args:
        attention: float32 (B, H, T, T).
        grid: rows and columns of patches, h and w.
        table: from distance_table; any float32 tensor of three axes if no total needs the mass.
        wanted: the totals to compute; ``heads`` needs at least two heads.

    Raises:
        OSError: the machine code could not be kept, such as on a full disk.

    >>> from teachmatters.measures.attention.attention import distance_table
    >>> attention, table = torch.eye(2).expand(1, 2, 2, 2), distance_table((1, 2), 0)
    >>> compiled_totals(attention, (1, 2), table, TotalsSelection(*[True] * 8)).aligned.tolist()
    [[[[0.0, 2.0, 0.0]], [[0.0, 2.0, 0.0]]]]
    """
    batch, heads, tokens, _ = attention.shape
    patches = grid[0] * grid[1]
    # Blocks depend on neither the batch nor the threads, so that neither changes a digit.
    blocks = math.ceil(patches / QUERIES)
    ends = [patches * block // blocks for block in range(blocks + 1)]
    rows, columns = (2 * side - 1 if wanted.aligned else 0 for side in grid)
    arrays = _Arrays(
        needs_mass=wanted.needs_mass,
        needs_entropy=wanted.needs_entropy,
        needs_keys=wanted.needs_keys,
        needs_heads=wanted.heads,
        needs_maps=wanted.aligned,
        numbers=np.zeros((blocks, batch, 4, heads)),
        keys=np.zeros((blocks, batch, 3, heads, tokens if wanted.needs_keys else 0), np.float32),
        deviation=np.zeros((blocks, batch, 1)),
        maps=np.zeros((blocks, batch, heads, rows * columns), np.float32),
    )
    _run(attention.float().contiguous().numpy(), table.numpy(), grid, np.array(ends), arrays)
    empty, distance, entropy, information = torch.from_numpy(arrays.numbers.sum(axis=0)).unbind(1)
    pure, means, squares = torch.from_numpy(arrays.keys).unbind(2)
    position = Moments(patches, means[0], squares[0])
    if wanted.needs_keys:
        position = Moments.joined([end - start for start, end in pairwise(ends)], means, squares)
    deviation = torch.from_numpy(arrays.deviation[..., 0].sum(axis=0))
    maps = torch.from_numpy(arrays.maps).sum(dim=0, dtype=torch.float64)
    return AttentionTotals(
        empty=empty.long(),
        distance=distance,
        entropy=entropy,
        information=information,
        received=position.mean * patches,
        pure=pure.sum(dim=0, dtype=torch.float64),
        position=position,
        heads=deviation / (patches * math.sqrt(max(1, heads - 1))),
        aligned=maps.view(batch, heads, rows, columns),
    )


def _run(*arguments: Any) -> None:
    """Call the compiled code with as many threads as torch has, which keeps its own number of them."""
    threads = torch.get_num_threads()
    with _LOCK:
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
        _reduce(*arguments)
    if torch.get_num_threads() != threads:  # Numba sets the threads of the OpenMP that both may share
        torch.set_num_threads(threads)


@jit(parallel=True)
def _reduce(
    attention: Floats, distances: Floats, grid: tuple[int, int], ends: NDArray[np.int64], arrays: _Arrays
) -> None:
    """Reduce all blocks of queries of all images, several at once. ``ends`` has 0 and the end of each block."""
    batch, bits = len(attention), attention.view(np.int32)
    for task in numba.prange((len(ends) - 1) * batch):
        block, image = task // batch, task % batch
        part = _Arrays(
            arrays.needs_mass, arrays.needs_entropy, arrays.needs_keys, arrays.needs_heads, arrays.needs_maps,
            arrays.numbers[block, image], arrays.keys[block, image], arrays.deviation[block, image],
            arrays.maps[block, image],
        )  # fmt: skip
        _reduce_queries(attention[image], bits[image], distances, grid, ends[block], ends[block + 1], part)


@jit()
def _reduce_queries(
    attention: Floats,
    bits: NDArray[np.int32],
    distances: Floats,
    grid: tuple[int, int],
    first: int,
    end: int,
    part: _Arrays,
) -> None:
    """Reduce some queries of an image; ``bits`` is the attention's memory as integers."""
    high, wide = grid
    heads, tokens = attention.shape[:2]
    prefix = tokens - high * wide
    mean, squares = np.empty(tokens, np.float32), np.empty(tokens, np.float32)
    factor = _ONE
    for query in range(first, end):
        # The query moves to the centre of the map, and the first patch to this place.
        corner = (high - 1 - query // wide) * (2 * wide - 1) + wide - 1 - query % wide
        for head in range(heads):
            row, row_bits = attention[head, prefix + query], bits[head, prefix + query]
            mass = _ONE
            if part.needs_mass:
                mass, weighted = _sums(row[prefix:], distances[query, 1, prefix:])
                factor = _ONE / max(mass, _TINY)  # any number for a row without mass, as it stays 0
                part.numbers[0, head] += mass <= 0
                part.numbers[1, head] += weighted * factor
            if part.needs_entropy:
                of_patches = np.float64(_entropy(row[prefix:], row_bits[prefix:]))
                part.numbers[2, head] += of_patches + _entropy(row[:prefix], row_bits[:prefix])
                part.numbers[3, head] += factor * (mass * np.log(np.float64(factor)) - of_patches)
            if part.needs_keys:
                share = _ONE / np.float32(query - first + 1)
                _add_to_keys(row, factor, share, part.keys[0, head], part.keys[1, head], part.keys[2, head])
            if part.needs_maps:
                _add_aligned(row[prefix:], factor, np.uintp(corner), np.uintp(wide), part.maps[head])
        if part.needs_heads:
            part.deviation[0] += _head_deviation(attention, query, prefix, mean, squares)


@jit()
def _sums(row: Floats, distances: Floats) -> tuple[np.float32, np.float32]:
    total, weighted = np.float32(0), np.float32(0)
    for key in range(row.size):
        total += row[key]
        weighted += row[key] * distances[key]
    return total, weighted


@jit()
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


@jit()
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


@jit()
def _add_aligned(row: Floats, factor: np.float32, corner: np.uintp, wide: np.uintp, aligned: Floats) -> None:
    """Add a row to its place in the aligned map. Unsigned places need no check for negative ones."""
    for y in range(np.uintp(row.size) // wide):
        start, place = y * wide, corner + y * (np.uintp(2) * wide - np.uintp(1))
        for x in range(wide):
            aligned[place + x] += row[start + x] * factor


@jit()
def _head_deviation(attention: Floats, query: int, prefix: int, mean: Floats, squares: Floats) -> np.float32:
    """Return the deviations over heads of a query's rows, summed over patches; overwrite the mean and the squares."""
    mean[:], squares[:] = 0, 0
    for head in range(len(attention)):
        _add(attention[head, prefix + query], mean)
    mean /= np.float32(len(attention))
    for head in range(len(attention)):
        _add_squares(attention[head, prefix + query], mean, squares)
    total = np.float32(0)
    for key in range(prefix, squares.size):
        total += np.sqrt(squares[key])
    return total


@jit()
def _add(row: Floats, total: Floats) -> None:
    for key in range(row.size):
        total[key] += row[key]


@jit()
def _add_squares(row: Floats, mean: Floats, squares: Floats) -> None:
    for key in range(row.size):
        difference = row[key] - mean[key]
        squares[key] += difference * difference
