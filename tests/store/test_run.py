from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from teachmatters.errors import TeachMattersError
from teachmatters.store.run import Cell, canonical, lenient
from tests.store.samples import DISTANCE, model, run

CELL = replace(run(DISTANCE, of=model("a"), other=model("b")).cell, parameters={"k": (10, 20), "mass": 0.6})

CHANGES: dict[str, Any] = {
    "model": "A",
    "weights": "1",
    "other_model": "c",
    "other_weights": "1",
    "dataset": "coco",
    "split": "val",
    "fingerprint": "1",
    "analysis": "knn",
    "analysis_version": 2,
    "parameters": {"k": (10, 21), "mass": 0.6},
    "limit": 2,
    "seed": 1,
    "dtype": "bfloat16",
}


@pytest.mark.parametrize("name", [field.name for field in fields(Cell)])
def test_every_field_changes_the_key(name: str) -> None:
    assert replace(CELL, **{name: CHANGES[name]}).key() != CELL.key()


def test_the_key_does_not_depend_on_the_order_of_parameters() -> None:
    assert replace(CELL, parameters={"mass": 0.6, "k": (10, 20)}).key() == CELL.key()
    assert replace(CELL, parameters={"mass": 0.6, "k": [10, 20]}).key() == CELL.key()  # type: ignore[dict-item]


def test_a_pair_has_one_order() -> None:
    with pytest.raises(ValueError, match="one order"):
        run(DISTANCE, of=model("b"), other=model("a"))


def test_a_run_has_the_models_of_its_cell() -> None:
    good = run(DISTANCE, of=model("a"), other=model("b"))
    for wrong in ({"model": model("c")}, {"other": None}, {"other": model("b", weights="00")}):
        with pytest.raises(ValueError, match="not those of its cell"):
            replace(good, **wrong)


def test_names_outside_utf8_are_escaped() -> None:
    text = canonical({"caf\udce9": ["é\U0001f642", "a\\udce9"]})
    assert json.loads(text.encode()) == {"caf\\udce9": ["é\U0001f642", "a\\udce9"]}
    assert json.loads(lenient({"skipped": ["\udce9.jpg\n"]}).encode()) == {"skipped": ["\\udce9.jpg\n"]}
    assert replace(CELL, model="\udce9", other_model="\udcea").key() != replace(CELL, other_model="\udcea").key()


def test_parameters_must_be_finite_but_notes_need_not() -> None:
    with pytest.raises(TeachMattersError, match="not a finite number"):
        canonical({"mass": float("nan")})
    assert lenient({"b": [float("inf")], "a": np.float32(0.5), "c": np.arange(2), "d": {2, 1}}) == (
        '{"a":0.5,"b":["Infinity"],"c":[0,1],"d":[1,2]}'
    )
