"""Tests of the totals of attention, in blocks and compiled, against loops over queries and keys."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from teachmatters.measures.attention import compiled, totals
from teachmatters.measures.attention.attention import distance_table, position_deviation
from teachmatters.measures.attention.compiled import compiled_totals
from teachmatters.measures.attention.totals import AttentionTotals, TotalsSelection, totals_in_blocks
from tests import oracles
from tests.measures.attention.test_attention import SHAPES, random_attention, with_an_empty_row

pytestmark = pytest.mark.xdist_group("compiled")  # one process compiles

Compute = Callable[[torch.Tensor, tuple[int, int], torch.Tensor, TotalsSelection], AttentionTotals]
ALL = TotalsSelection(*[True] * len(TotalsSelection._fields))
OF_ONE_HEAD = ALL._replace(heads=False)
BOTH = pytest.mark.parametrize("compute", [totals_in_blocks, compiled_totals])


def totals_of(
    attention: torch.Tensor, grid: tuple[int, int], compute: Compute, wanted: TotalsSelection = ALL
) -> AttentionTotals:
    return compute(attention, grid, distance_table(grid, attention.shape[-1] - grid[0] * grid[1]), wanted)


def expected(attention: torch.Tensor, grid: tuple[int, int]) -> dict[str, NDArray[np.float64]]:
    """Every total but ``position`` and ``heads``, by loops in float64."""
    patches, images = grid[0] * grid[1], attention.double().numpy()

    def each(of_head: Callable[[NDArray[np.float64]], object]) -> NDArray[np.float64]:
        return np.array([[of_head(head) for head in image] for image in images], dtype=np.float64)

    def information(head: NDArray[np.float64]) -> float:
        return sum(w * math.log(w) for row in oracles.spatial_rows(head, grid) for w in row if w > 0)

    def pure(head: NDArray[np.float64]) -> NDArray[np.float64]:
        masses = head[-patches:, -patches:].sum(axis=1)
        return sum(
            (row / mass for row, mass in zip(head[-patches:], masses, strict=True) if mass > 0), np.zeros(len(head))
        )

    return {
        "empty": each(lambda head: np.sum(head[-patches:, -patches:].sum(axis=1) == 0)),
        "distance": each(lambda head: patches * oracles.attention_distance(head, grid)),
        "entropy": each(lambda head: patches * oracles.attention_entropy(head, patches)),
        "information": each(information),
        "received": each(lambda head: head[-patches:].sum(axis=0)),
        "pure": each(pure)[..., -patches:],
        "aligned": each(lambda head: patches * oracles.aligned_map(head, grid)),
    }


def assert_equals_the_loops(found: AttentionTotals, attention: torch.Tensor, grid: tuple[int, int]) -> None:
    patches = grid[0] * grid[1]
    for name, values in expected(attention, grid).items():
        ours = getattr(found, name)
        ours = ours[..., -patches:] if name == "pure" else ours
        np.testing.assert_allclose(ours.double(), values, rtol=1e-5, atol=1e-6, err_msg=name)
    images = attention.double().numpy()
    heads = [patches * oracles.head_deviation(image, patches) for image in images]
    np.testing.assert_allclose(found.heads, heads, rtol=1e-5)
    if patches > 1:
        position = [[oracles.position_deviation(head, patches) for head in image] for image in images]
        np.testing.assert_allclose(position_deviation(found.position, patches), position, rtol=1e-5)


@BOTH
@pytest.mark.parametrize(("grid", "prefix"), [*SHAPES, ((1, 1), 1)])
def test_all_equal_the_loops(compute: Compute, grid: tuple[int, int], prefix: int) -> None:
    attention = random_attention(grid[0] * grid[1] + prefix, heads=3)
    before = attention.clone()
    assert_equals_the_loops(totals_of(attention, grid, compute), attention, grid)
    assert torch.equal(attention, before)


@BOTH
@pytest.mark.parametrize("name", TotalsSelection._fields)
def test_each_is_right_when_it_is_wanted_alone(compute: Compute, name: str) -> None:
    attention, grid = random_attention(7), (2, 3)
    alone = totals_of(
        attention, grid, compute, TotalsSelection(**{each: each == name for each in TotalsSelection._fields})
    )
    of_all = totals_of(attention, grid, totals_in_blocks)
    if name == "position":
        pairs = [(alone.position.mean, of_all.position.mean), (alone.position.m2, of_all.position.m2)]
    else:
        pairs = [(getattr(alone, name), getattr(of_all, name))]
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("grid", "prefix", "budget", "size", "blocks"),
    [
        ((4, 5), 5, 12_000, (2, 20), {20}),
        ((4, 5), 5, 6_000, (1, 20), {20}),
        ((4, 5), 5, 3_100, (1, 10), {10}),
        ((4, 5), 5, 700, (1, 2), {2, 1}),
        ((5, 4), 0, 2_000, (1, 8), {8, 4}),
        ((5, 4), 0, 15_000, (3, 20), {20}),
    ],
    ids=["two images", "an image", "two rows of the grid", "parts of a row", "rows and a last one", "three images"],
)
def test_any_blocks_give_the_same(
    grid: tuple[int, int],
    prefix: int,
    budget: int,
    size: tuple[int, int],
    blocks: set[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attention = random_attention(20 + prefix, heads=3, batch=5)
    monkeypatch.setattr(totals, "CPU_BLOCK", budget)
    assert totals._block_size(attention, grid) == size
    assert {block.stop - block.start for block in totals._blocks(grid, size[1])} == blocks
    assert_equals_the_loops(totals_of(attention, grid, totals_in_blocks), attention, grid)


@pytest.mark.parametrize(("threads", "queries"), [(1, 512), (3, 512), (99, 512), (1, 5), (2, 1)])
def test_any_threads_and_blocks_of_compiled_code_give_the_same(
    threads: int, queries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(compiled, "QUERIES", queries)
    attention = random_attention(14, heads=3)
    assert_equals_the_loops(totals_of(attention, (3, 4), compiled_totals), attention, (3, 4))


def test_compiled_code_reads_attention_in_any_memory_order() -> None:
    attention = random_attention(7, heads=3)
    strided = attention.transpose(0, 1).contiguous().transpose(0, 1)
    assert not strided.is_contiguous()
    assert_equals_the_loops(totals_of(strided, (2, 3), compiled_totals), attention, (2, 3))


@BOTH
def test_rows_without_mass(compute: Compute) -> None:
    attention = with_an_empty_row()
    found = totals_of(attention, (2, 2), compute)
    assert_equals_the_loops(found, attention, (2, 2))
    assert found.empty.tolist() == [[1, 0]]


@BOTH
def test_small_deviations_are_not_lost(compute: Compute) -> None:
    """In float32 the square of a hundredth would hide a deviation of a millionth."""
    wave = 0.01 + 1e-6 * torch.sin(torch.arange(3 * 50 * 50).double()).view(1, 3, 50, 50)
    found = totals_of(wave.float(), (7, 7), compute)
    np.testing.assert_allclose(found.heads, [49 * oracles.head_deviation(wave[0].numpy(), 49)], rtol=1e-3)
    position = [[oracles.position_deviation(head, 49) for head in wave[0].numpy()]]
    np.testing.assert_allclose(position_deviation(found.position, 49), position, rtol=1e-3)


@BOTH
def test_a_slow_drift_of_large_attention_is_not_lost(compute: Compute) -> None:
    """Each step is less than a unit in the last place of a running mean of float32."""
    grid, queries = (22, 22), 484
    attention = torch.full((1, 1, 485, 485), 1e-4)
    attention[0, 0, 1:, 0] = 0.9 + 1e-6 * torch.arange(queries) / queries
    found, exact = totals_of(attention, grid, compute, OF_ONE_HEAD), attention[0, 0, 1:, 0].double()
    np.testing.assert_allclose(found.received[0, 0, 0], exact.sum(), rtol=1e-6)
    deviation = found.position.std()
    assert deviation is not None
    assert deviation[0, 0, 0].item() == pytest.approx(exact.std().item(), abs=3e-6)


@BOTH
def test_equal_rows_and_heads_do_not_deviate(compute: Compute) -> None:
    found = totals_of(torch.rand(17).softmax(0).expand(1, 3, 17, 17), (4, 4), compute)
    assert position_deviation(found.position, 16).max() < 1e-8
    assert found.heads.max() < 1e-6


@BOTH
def test_nan_does_not_vanish(compute: Compute) -> None:
    attention = random_attention(5, batch=1)
    attention[0, 1, 2, 3] = torch.nan
    found = totals_of(attention, (2, 2), compute)
    for name in ("distance", "entropy", "information"):
        assert getattr(found, name)[0].isnan().tolist() == [False, True], name
    assert found.heads.isnan().all()
    assert found.aligned[0, 1].isnan().any()
    assert found.received[0].isnan().any(dim=1).tolist() == [False, True]


@BOTH
def test_many_patches_add_up_to_seven_digits(compute: Compute) -> None:
    attention = random_attention(37**2 + 1, heads=1, batch=1)
    found, exact = totals_of(attention, (37, 37), compute, OF_ONE_HEAD), attention[0, 0, 1:].double()
    places = torch.cartesian_prod(torch.arange(37), torch.arange(37)).double() / 36
    between = torch.hypot(*(places[:, None] - places).unbind(dim=-1))
    np.testing.assert_allclose(found.received[0, 0], exact.sum(dim=0), rtol=1e-6)
    np.testing.assert_allclose(found.entropy.item(), -(exact * exact.log()).sum(), rtol=1e-7)
    np.testing.assert_allclose(found.position.std()[0, 0], exact.std(dim=0), rtol=2e-6)  # type: ignore[index]
    rows = exact[:, 1:] / exact[:, 1:].sum(dim=1, keepdim=True)
    np.testing.assert_allclose(found.distance.item(), (rows * between).sum(), rtol=1e-7)
    np.testing.assert_allclose(found.information.item(), (rows * rows.log()).sum(), rtol=1e-7)
    np.testing.assert_allclose(found.aligned[0, 0, 36, 36], rows.diagonal().sum(), rtol=1e-6)


def test_the_logarithm_of_compiled_code_is_exact_to_single_precision() -> None:
    for exponent in range(126):
        for mantissa in (1.0, 1.0000001, 1.2, 1.4142, 1.41421354, 1.41421366, 1.7, 1.9999999):
            weight = np.array([mantissa * 2.0 ** -(exponent + 1)], np.float32)
            exact = -float(weight[0]) * math.log(float(weight[0]))
            found = compiled._entropy(weight, weight.view(np.int32))
            assert found == pytest.approx(exact, rel=2e-7, abs=4e-8 * float(weight[0]))
    for weight in (np.zeros(1, np.float32), np.ones(1, np.float32)):
        assert compiled._entropy(weight, weight.view(np.int32)) == 0


def test_compiled_code_of_several_threads_runs_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without OpenMP, Numba ends a process that starts its threads twice."""
    attention, reduce, running, most = random_attention(7, heads=3), compiled._reduce, set[int](), [0]

    def watched(*arguments: Any) -> None:
        running.add(threading.get_ident())
        time.sleep(0.01)
        most[0] = max(most[0], len(running))
        reduce(*arguments)
        running.remove(threading.get_ident())

    monkeypatch.setattr(compiled, "_reduce", watched)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: totals_of(attention, (2, 3), compiled_totals), range(4)):
            assert_equals_the_loops(found, attention, (2, 3))
    assert most == [1]


def test_compiled_code_leaves_the_number_of_torchs_threads_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """When Numba starts its threads, it gives the OpenMP of torch one for each core."""
    before, reduce = torch.get_num_threads(), compiled._reduce

    def start(*arguments: Any) -> None:
        torch.set_num_threads(before + 1)
        reduce(*arguments)

    monkeypatch.setattr(compiled, "_reduce", start)
    totals_of(random_attention(7), (2, 3), compiled_totals)
    assert torch.get_num_threads() == before


def test_compiled_code_needs_no_folder_to_keep_it(monkeypatch: pytest.MonkeyPatch) -> None:
    njit, tried = numba.njit, []

    def without_folder(function: Callable[..., int], **options: Any) -> object:
        tried.append("cache" in options)
        if "cache" in options:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(function, **options)

    monkeypatch.setattr(numba, "njit", without_folder)
    assert compiled.jit()(lambda number: number + 1)(2) == 3
    assert tried == [True, False]
