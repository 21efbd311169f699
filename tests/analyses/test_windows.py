"""Tests of merging windows back into one map after a pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from PIL import Image

from teachmatters import registry
from teachmatters.analyses.windows import merge_windows
from teachmatters.api import (
    Analysis,
    Batch,
    Context,
    Dense,
    InputSpec,
    Item,
    ModelRequest,
    Parameters,
    Result,
    Row,
    State,
    Tap,
)
from teachmatters.runner.forward.forward_pass import Pass
from teachmatters.runner.forward.schedule import PassMember
from tests import toys


class Narrow(toys.ToyData):
    """Images whose last windows are shifted back: 88 x 64 pixels once enlarged, for windows of 32."""

    def image(self, item: Item) -> Image.Image:
        return super().image(item).crop((0, 0, 55, 40))


class Gatherer(Analysis):
    """Keeps the rows and their patches' features of the last layer."""

    def input_spec(self, parameters: Parameters, metrics: frozenset[str]) -> InputSpec:
        return InputSpec(taps=frozenset({"block"}), transform=Dense(), group="own")

    def start(self, context: Context) -> None:
        self.seen: dict[int, list[tuple[Row, torch.Tensor]]] = {}

    def update(self, layer: int, tap: Tap, batch: Batch) -> None:
        if layer == 2:
            for row, values in zip(batch.rows, batch.values, strict=True):
                self.seen.setdefault(row.index, []).append((row, values[1:].clone()))

    def state(self) -> State:
        return {}

    def merge(self, states: Sequence[State]) -> State:
        return {}

    def compute(self, state: State) -> Result:
        return Result()


@pytest.mark.usefixtures("toys")
def test_dense_windows_go_through_a_pass_and_come_back_as_one_map() -> None:
    adapter = toys.toy_source(ModelRequest(spec=registry.load().models["toy-b"])).build()
    data, gatherer = Narrow(8), Gatherer()
    gatherer.start(None)  # type: ignore[arg-type]
    items = data.items("videos", "all") or ()
    member = PassMember(gatherer, gatherer.input_spec({}, frozenset()), ("videos",), data, {"all": items})
    done = Pass(adapter, torch.device("cpu"), torch.float32, [member]).run(Dense(), 4, lambda _: None)
    assert done.forwards == 8 * 6
    assert [len(seen) for seen in gatherer.seen.values()] == [6] * 8  # six windows in batches of four
    for index, item in enumerate(items[:2]):
        large = np.asarray(data.image(item).resize((88, 64), Image.Resampling.BICUBIC), dtype=np.float32)
        expected = torch.full((8, 11, toys.WIDTH), torch.nan)
        for top, left in [(4, 7), (4, 4), (4, 0), (0, 7), (0, 4), (0, 0)]:  # backwards: the first one stays
            window = torch.from_numpy(large[top * 8 : top * 8 + 32, left * 8 : left * 8 + 32] / 127.5 - 1)
            with torch.inference_mode():
                tokens = adapter.forward(window.permute(2, 0, 1)[None])
            expected[top : top + 4, left : left + 4] = tokens[0, 1:].reshape(4, 4, -1)
        rows, features = zip(*gatherer.seen[index], strict=True)
        torch.testing.assert_close(merge_windows(rows, features), expected, atol=1e-4, rtol=1e-4)


def row(patches: list[int] | None, windows: int = 2) -> Row:
    given = None if patches is None else np.array(patches)
    return Row(index=0, grid=(2, 3), patches=given, annotations={}, windows=windows)


def test_stitch_by_hand_and_out_of_order() -> None:
    rows = [row([-1, 2, -1, 5]), row([0, 1, 3, 4])]
    features = [torch.tensor([[90.0], [2], [91], [5]]), torch.tensor([[0.0], [1], [3], [4]])]
    assert merge_windows(rows, features)[..., 0].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_row_of_the_whole_grid_is_only_reshaped() -> None:
    values = torch.arange(12.0).reshape(6, 2)
    assert torch.equal(merge_windows([row(None, 1)], [values]), values.reshape(2, 3, 2))


@pytest.mark.parametrize("rows", [[row([0, 1, 3, 4])], [row([0, 1, 3, 4]), row([1, 2, 4, 5])]])
def test_a_missing_window_or_a_repeated_patch_is_an_error(rows: list[Row]) -> None:
    with pytest.raises(ValueError, match="of 2 windows do not cover the 2 x 3 patches once"):
        merge_windows(rows, [torch.zeros(4, 1)] * len(rows))
