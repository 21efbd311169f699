"""Tests of invalid specs, each explained in plain words, and of valid ones at the limits."""

from __future__ import annotations

from typing import Any

import pytest

from teachmatters import registry
from teachmatters.api import AnalysisSpec, CommandSpec, DatasetSpec, MetricSpec, ModelSpec, Parameter, ReportSpec
from teachmatters.registry.plugins import HOOKS
from teachmatters.registry.validate import problem


def metric(**more: Any) -> Any:
    return MetricSpec(**{"name": "m", "title": "", "summary": "", **more})


def parameter(**more: Any) -> Any:
    return Parameter(**{"name": "k", "kind": "int", "default": 1, "summary": "", **more})


def analysis(**more: Any) -> Any:
    return AnalysisSpec(**{"name": "mine", "summary": "", "factory": "mine:A", "metrics": (metric(),), **more})


def measuring(**more: Any) -> Any:
    return analysis(metrics=(metric(**more),))


def taking(**more: Any) -> Any:
    return analysis(parameters=(parameter(**more),))


def model(name: Any = "mine", **more: Any) -> Any:
    return ModelSpec(**{"name": name, "family": "", "supervision": "", "summary": "", "factory": "mine:open", **more})


def data(**more: Any) -> Any:
    return DatasetSpec(**{"name": "d", "summary": "", "factory": "m:f", "kinds": frozenset({"labels"}), **more})


BAD = [
    (analysis(metrics=None), "metrics must be a tuple whose every member is a MetricSpec, not None"),
    (analysis(metrics=("knn-top1",)), "metrics must be a tuple whose every member is a MetricSpec, not ('knn-top1',)"),
    (analysis(metrics=[metric()]), "metrics must be a tuple whose every member is a MetricSpec, not ["),
    (analysis(metrics=()), "metrics must not be empty"),
    (analysis(metrics=(metric(), metric())), "its metrics must have different names, not ['m', 'm']"),
    (measuring(summary=3), "in its metrics, 'm': summary must be a text, not 3"),
    (measuring(bounds=(0,)), "bounds must be a tuple of a number or None, a number or None, not (0,)"),
    (measuring(bounds=("0", None)), "bounds must be a tuple"),
    (measuring(level="row"), "level must be one of layer, head"),
    (measuring(higher_is_better=1), "higher_is_better must be True or False or None, not 1"),
    (measuring(protocols=()), "protocols must not be empty"),
    (measuring(name="why"), "the name 'why' is reserved for a suite"),
    (measuring(name="my metric"), "a name must be a word without spaces, '=' and ':', not 'my metric'"),
    (analysis(name="paper"), "the name 'paper' is reserved for a suite"),
    (analysis(suites=("whi",)), "suites must be among how, what, why, paper, not ('whi',)"),
    (analysis(kind="image"), "kind must be one of images, labels"),
    (analysis(kind=["labels"]), "kind must be one of images, labels"),
    (analysis(version="2"), "version must be a whole number, not '2'"),
    (analysis(version=True), "version must be a whole number, not True"),
    (analysis(factory=""), "factory must look like 'module:callable', not ''"),
    (analysis(factory="mine.A"), "factory must look like 'module:callable', not 'mine.A'"),
    (analysis(parameters=("k",)), "parameters must be a tuple whose every member is a Parameter, not ('k',)"),
    (analysis(parameters=(parameter(), parameter())), "its parameters must have different names"),
    (taking(name="a=b"), "in its parameters, 'a=b': a name must be a word"),
    (taking(kind="whole"), "kind must be one of int, float, str, bool, ints, floats, not 'whole'"),
    (taking(default="x"), "a value must be a whole number, not 'x'"),
    (taking(default=1, kind="ints"), "a value must be a tuple whose every member is a whole number, not 1"),
    (taking(choices=("x",)), "a value must be a whole number, not 'x'"),
    (taking(default_for=3), "default_for must be a mapping, not 3"),
    (taking(default_for={"photos": 0.5}), "a value must be a whole number, not 0.5"),
    (taking(minimum="1"), "minimum must be a number or None, not '1'"),
    (model(None), "name must be a text, not None"),
    *((model(name), "a name must be a word without spaces") for name in ("", "a b", "a=b", "a:b", "-a", "a\x1b[1m")),
    (model(aliases=("x", "my alias")), "not 'my alias'"),
    (model(aliases="abc"), "aliases must be a tuple whose every member is a text, not 'abc'"),
    (model(heads="6"), "heads must be a whole number, not '6'"),
    (model("mine/"), "resolve must look like 'module:callable', not ''"),
    (model(factory=""), "factory must look like 'module:callable', not ''"),
    (data(kinds=None), "kinds must be a frozenset whose every member is one of images"),
    (data(kinds={"labels"}), "kinds must be a frozenset"),
    (data(kinds=frozenset({1, "labels"})), "kinds must be a frozenset"),
    (data(kinds=frozenset({"label"})), "not frozenset({'label'})"),
    (data(kinds=frozenset()), "kinds must not be empty"),
    (ReportSpec(name="r", summary="", sql="r.sql"), "sql must look like 'package:file.sql', not 'r.sql'"),
    (ReportSpec(name="r", summary="", sql="p:r.sql", draw="draw"), "draw must look like 'module:callable', not 'draw'"),
    (CommandSpec(name="c", summary="", app="c"), "app must look like 'module:callable', not 'c'"),
]


@pytest.mark.parametrize(("spec", "words"), BAD, ids=[words for _, words in BAD])
def test_an_invalid_spec_is_explained(spec: Any, words: str) -> None:
    assert words in (problem(spec) or "nothing")


@pytest.mark.parametrize(
    "spec",
    [
        analysis(),
        analysis(name="m"),
        measuring(bounds=(0, None)),
        taking(default=None),
        taking(kind="float", default=1),
        taking(kind="ints", default=(1, 2), choices=((1, 2), (3,))),
        model("a/b@c"),
        model("mine/", factory="", resolve="mine:resolve"),
        data(),
        ReportSpec(name="r", summary="", sql="p:sql/r.sql"),
    ],
)
def test_a_valid_spec_is_unchanged(spec: Any) -> None:
    assert problem(spec) is None


class Longer(ModelSpec):
    """A plugin's own kind of ModelSpec, whose annotations nobody here can read."""

    __slots__ = ()
    __annotations__ = {"more": "Nowhere"}


def test_a_spec_may_be_a_subclass() -> None:
    assert problem(Longer(name="a", family="", supervision="", summary="", factory="m:f")) is None
    assert problem(Longer(name="a b", family="", supervision="", summary="", factory="m:f"))


def test_every_built_in_spec_is_valid() -> None:
    specs = [spec for plugin in registry.load().plugins for specs in plugin.specs.values() for spec in specs]
    assert {type(spec) for spec in specs} == set(HOOKS.values())
    assert [problem(spec) for spec in specs if problem(spec)] == []
