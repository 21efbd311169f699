"""Tests of --param: parsing, checks, completion and settings."""

from __future__ import annotations

import pytest

from teachmatters.api import AnalysisSpec, DatasetSpec, Parameter, Value
from teachmatters.errors import TeachMattersError
from teachmatters.runner.plan.parameters import effective, given_parameters, setting_of

ANALYSIS = AnalysisSpec(
    name="sorting",
    summary="",
    metrics=(),
    factory="",
    parameters=(
        Parameter(name="clusters", kind="int", default=10, summary="how many", minimum=2, default_for={"coco": 80}),
        Parameter(name="k", kind="ints", default=(10, 20), summary="neighbours", minimum=1, maximum=500),
        Parameter(name="mass", kind="float", default=0.6, summary="share", minimum=0, maximum=1),
        Parameter(name="crop", kind="bool", default=False, summary="crop first"),
        Parameter(name="resolution", kind="str", default="crop", summary="which", choices=("crop", "dense")),
    ),
)
DATA = DatasetSpec(
    name="coco",
    summary="",
    kinds=frozenset(),
    factory="",
    parameters=(
        Parameter(name="images", kind="int", default=5000, summary="first so many", default_for={"sorting": 9}),
    ),
)


def values(*texts: str, other: str = "") -> dict[str, Value]:
    return effective(ANALYSIS, other, given_parameters(texts, [ANALYSIS, DATA]))


def test_defaults_depend_on_the_data_set() -> None:
    assert values()["clusters"] == 10
    assert values(other="coco")["clusters"] == 80
    assert effective(DATA, "sorting", {}) == {"images": 9}


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("clusters=4", "clusters", 4),
        ("sorting.clusters=4", "clusters", 4),
        ("k=20,5,5", "k", (5, 20)),
        ("mass=0.5", "mass", 0.5),
        ("crop=yes", "crop", True),
        ("crop=false", "crop", False),
        ("resolution=dense", "resolution", "dense"),
    ],
)
def test_given_values_are_parsed(text: str, name: str, expected: Value) -> None:
    assert values(text)[name] == expected
    assert type(values(text)[name]) is type(expected)


def test_a_qualified_name_sets_one_parameter_only() -> None:
    given = given_parameters(["sorting.clusters=4"], [ANALYSIS, DATA])
    other = AnalysisSpec(name="other", summary="", metrics=(), factory="", parameters=ANALYSIS.parameters)
    assert effective(ANALYSIS, "", given)["clusters"] == 4
    assert effective(other, "", given)["clusters"] == 10


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["clusters"], "is not NAME=VALUE"),
        (["=4"], "is not NAME=VALUE"),
        (["cluster=4"], "Did you mean 'clusters'"),
        (["clusters=4", "clusters=5"], "given twice"),
        (["clusters=x"], "whole number"),
        (["clusters=1"], "at least 2"),
        (["k=0"], "between 1 and 500"),
        (["k=5,501"], "between 1 and 500"),
        (["k="], "whole numbers"),
        (["mass=nan"], "between 0 and 1"),
        (["mass=2"], "between 0 and 1"),
        (["crop=maybe"], "true or false"),
        (["resolution=fine"], "allowed are crop, dense"),
    ],
)
def test_wrong_values_are_errors(texts: list[str], words: str) -> None:
    with pytest.raises(TeachMattersError, match=words):
        values(*texts)


def test_the_setting_names_what_differs_from_the_defaults() -> None:
    defaults = values()
    assert setting_of(defaults, defaults, None, 0, "float32") == ""
    changed = values("mass=0.5", "crop=true", "k=7,3")
    assert (
        setting_of(changed, defaults, 5, 2, "bfloat16") == "crop=true, dtype=bfloat16, k=3,7, limit=5, mass=0.5, seed=2"
    )
    assert setting_of(values("clusters=80", other="coco"), values(other="coco"), None, 0, "float32") == ""
