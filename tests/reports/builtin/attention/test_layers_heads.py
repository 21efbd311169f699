"""Tests of the report layers-heads for any metric of heads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from teachmatters.api import Record
from teachmatters.errors import TeachMattersError
from teachmatters.reports.builtin.specs import REPORTS
from teachmatters.reports.options import Options
from teachmatters.reports.run import run_report
from tests.reports.stores import DISTANCE, PURITY, TOP1, model, record, values

SPEC = next(spec for spec in REPORTS if spec.name == "layers-heads")
NUMBERS = np.array([[0.3, 0.1, 0.2], [0.4, 0.6, 0.5]])


def fill(path: Path) -> Path:
    for label, add in (("dino-s16", 0.0), ("mae-s16", 1.0)):
        rows = [
            Record(metric=DISTANCE.name, layer=layer + 1, head=head + 1, value=value + add)
            for (layer, head), value in np.ndenumerate(NUMBERS)
        ]
        record(path, model(label, depth=2), DISTANCE, [*rows, *values(DISTANCE, [9.0, 9.0])])
    record(path, model("dino-s16", depth=2), PURITY, values(PURITY, [0.1, 0.2]))
    return path


@pytest.mark.parametrize("sort", [False, True])
def test_cells_are_heads_or_values_in_order_on_one_scale(tmp_path: Path, sort: bool) -> None:
    report = run_report(SPEC, fill(tmp_path / "r.db"), Options(sort=sort))
    expected = np.sort(NUMBERS, axis=1) if sort else NUMBERS
    texts = [[f"{value:.4f}" for value in layer] for layer in expected]
    assert [row[2:] for row in report.table.to_numpy().tolist()][:2] == texts
    first, second, _ = report.figure().axes
    assert np.asarray(first.images[0].get_array()) == pytest.approx(expected.T)
    assert first.images[0].get_clim() == second.images[0].get_clim() == pytest.approx((0.1, 1.6))


def test_a_metric_without_heads_and_an_option_of_others(tmp_path: Path) -> None:
    path = fill(tmp_path / "r.db")
    with pytest.raises(TeachMattersError, match=r"report 'layers-heads' cannot show purity-cls"):
        run_report(SPEC, path, Options(metrics=("purity-cls",)))
    with pytest.raises(TeachMattersError, match=r"takes no --zoom; drawing options that it takes: --sort"):
        run_report(SPEC, path, Options(zoom=3))


def test_one_point_for_each_head_in_scatter(tmp_path: Path) -> None:
    scatter = next(spec for spec in REPORTS if spec.name == "scatter")
    path = fill(tmp_path / "r.db")
    for label in ("dino-s16", "mae-s16"):
        rows = [Record(metric=TOP1.name, layer=1, head=head, value=10.0 * head) for head in (1, 2, 3)]
        record(path, model(label, depth=2), TOP1, rows)
    report = run_report(scatter, path, Options(by="head", metrics=(DISTANCE.name, TOP1.name)))
    own = report.rows[report.rows["model"] == "dino-s16"]
    assert own[["layer", "head", "value", "other_value"]].to_numpy().tolist() == [
        [1, 1, 0.3, 10.0], [1, 2, 0.1, 20.0], [1, 3, 0.2, 30.0],
    ]  # fmt: skip
    assert report.table.columns.tolist()[:3] == ["metrics", "layer", "head"]
    assert [len(np.asarray(each.get_offsets())) for each in report.figure().axes[0].collections] == [3, 3]
