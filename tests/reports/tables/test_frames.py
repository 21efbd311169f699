from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import pytest

from teachmatters.reports.options import Options
from teachmatters.reports.tables import frames


def rows(*given: Mapping[str, object]) -> pd.DataFrame:
    fixed = {
        "family": "", "supervision": "", "depth": 12, "dataset": "photos", "split": "all", "protocol": None,
        "metric": "m", "other_model": None, "layer": 1, "head": None, "value": 0.5, "unit": "",
    }  # fmt: skip
    return pd.DataFrame([{**fixed, **row} for row in given])


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.99996, "", "1.0000"), (-0.5, "", "-0.5000"), (1234.56, "", "1235"), (0.00012345, "", "0.0001234"),
        (2.5e-6, "", "2.500e-06"), (-0.0, "", "0"), (float("nan"), "", ""), (99.96, "percent", "100.0"),
    ],
)  # fmt: skip
def test_numbers_for_people(value: float, unit: str, text: str) -> None:
    assert frames.number(value, unit) == text


def test_headings_name_only_what_differs() -> None:
    def headings(*given: Mapping[str, object]) -> list[str]:
        return list(frames.wide(rows(*given), Options(), ("layer", "head")).columns)

    assert headings({"model": "a"}, {"model": "b"}) == ["layer", "a", "b"]
    assert headings({"model": "a", "dataset": "x"}, {"model": "a", "dataset": "y"}) == ["layer", "a / x", "a / y"]
    assert headings({"model": "a", "metric": "n"}, {"model": "a"}) == ["layer", "a / m", "a / n"]
    assert headings({"model": "a", "split": "all"}, {"model": "a", "split": "val"}) == ["layer", "a", "a / val"]


def test_rows_are_ordered_with_the_layers_own_value_first() -> None:
    given = [{"model": "a", "layer": layer, "head": head} for layer in (10, 9) for head in (10, 2, None)]
    table = frames.wide(rows(*given), Options(), ("layer", "head"))
    assert table["layer"].tolist() == ["9"] * 3 + ["10"] * 3
    assert table["head"].tolist() == ["", "2", "10"] * 2
    assert table.attrs["labels"] == 2


def test_a_missing_number_is_blank() -> None:
    table = frames.wide(rows({"model": "a", "layer": 1}, {"model": "b", "layer": 2}), Options(), ("layer",))
    assert table.to_numpy().tolist() == [["1", "0.5000", ""], ["2", "", "0.5000"]]


def test_metrics_are_in_the_requested_order() -> None:
    given = [{"model": model, "metric": metric} for model in ("mae", "dino") for metric in ("x", "y")]
    table = frames.wide(rows(*given), Options(metrics=("y", "x")), ("layer",))
    assert list(table.columns[1:]) == ["dino / y", "mae / y", "dino / x", "mae / x"]
