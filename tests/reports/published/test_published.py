"""Tests of our numbers next to published ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from teachmatters.api import StoredMap
from teachmatters.errors import NothingToShowError
from teachmatters.registry import load
from teachmatters.reports.builtin.specs import REPORTS
from teachmatters.reports.options import Options
from teachmatters.reports.published.figures import PUBLISHED
from teachmatters.reports.run import run_report
from tests.reports.stores import TOP1, model, record, values

SPEC = next(spec for spec in REPORTS if spec.name == "published")
AS_PUBLISHED = "norm=final, short_side=256"
LINEAR = replace(TOP1, name="linear-top1", title="linear top-1")


def test_the_last_layer_is_compared_by_the_models_name(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    mine = replace(model("mine", depth=2), name="dino-s16")
    hits = np.array([100.0] * 3 + [0.0], np.float32)
    units = [StoredMap(name="unit:knn-top1", layer=2, axes=("unit",), array=hits, units=tuple("abcd"))]
    record(path, mine, TOP1, values(TOP1, [10.0, 75.0]), data="imagenet", setting=AS_PUBLISHED, maps=units)
    record(path, mine, TOP1, values(TOP1, [10.0, 60.0]), data="imagenet")  # newer, but not as the authors measure
    record(path, mine, LINEAR, values(LINEAR, [50.0, 76.0]), data="imagenet", setting=AS_PUBLISHED)
    record(path, model("dinov2-b14", depth=1), TOP1, values(TOP1, [82.0]), data="imagenet", setting="limit=9")
    record(path, model("mae-b16", depth=1), TOP1, values(TOP1, [1.0]), data="imagenet")
    record(path, model("dino-b16", depth=1), TOP1, values(TOP1, [1.0]), data="digits")
    found = run_report(SPEC, path, Options())
    rows = found.table.set_index(["model", "metric"]).to_dict("index")
    assert rows["mine", "knn-top1"] == {
        "ours": "75.0",
        "interval": "25.0 to 100.0",
        "published": "74.5",
        "difference": "+0.5",
        "protocol": "as published",
    }
    assert rows["mine", "linear-top1"] == {
        "ours": "76.0",
        "interval": "",
        "published": "77.0",
        "difference": "-1.0",
        "protocol": "differs",
    }
    assert rows["dinov2-b14", "knn-top1"]["protocol"] == "differs"
    assert len(rows) == 3
    notes = "\n".join(found.table.attrs["notes"])
    assert "dinov2-b14, knn-top1: setting 'limit=9'" in notes
    assert "L-BFGS" in notes
    assert "facebookresearch/dinov2" in notes
    knn, linear = found.figure().axes
    assert [knn.get_title(), linear.get_title()] == ["k-NN top-1", "linear top-1"]


def test_models_without_a_published_figure_are_named(tmp_path: Path) -> None:
    record(tmp_path / "r.db", model("mae-b16", depth=1), TOP1, values(TOP1, [1.0]), data="imagenet")
    with pytest.raises(
        NothingToShowError, match="no figure of mae-b16 is known; published figures are known for dino-b16"
    ):
        run_report(SPEC, tmp_path / "r.db", Options())


def test_other_data_sets_are_not_compared(tmp_path: Path) -> None:
    record(tmp_path / "r.db", model("dino-s16", depth=1), TOP1, values(TOP1, [1.0]), data="digits")
    with pytest.raises(NothingToShowError, match="are for imagenet, and the store has no numbers"):
        run_report(SPEC, tmp_path / "r.db", Options())


def test_published_figures_are_of_known_models() -> None:
    assert {model for model, _ in PUBLISHED} <= set(load().models)
    assert all(0 < figure.value < 100 and figure.source for figure in PUBLISHED.values())
