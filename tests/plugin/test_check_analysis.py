"""Tests of faults in analysis plugins, one at a time: each is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugin.seeding import Change, checked, line_of, seeded, wrong

pytestmark = pytest.mark.usefixtures("here_only")

CLASS = ("analysis.py", "class TokenNorms")
SPEC = ("__init__.py", "AnalysisSpec(")
METRIC = ("__init__.py", "METRIC = MetricSpec(")
APPEND = "        self.pending.append(token_norms(batch.values, self.prefix, self.order))\n"
SUMS = "            self.sum += values.sum(axis=1)\n"
BY_ARRIVAL = """            for place in range(values.shape[1]):
                self.sum += values[:, place] * (self.count - values.shape[1] + place)
"""
CHECKS = (
    *("facts", "names code", "metrics", "default data", "measures", "batches", "parts", "order of arrival"),
    *("tensors", "other models"),
)


def test_the_generated_package_has_no_faults(tmp_path: Path) -> None:
    findings = checked(tmp_path, seeded("analysis"))
    assert [f.check for f in findings if f.about == "analysis tmt-seed"] == list(CHECKS)
    assert {f.status for f in findings} == {"ok"}


FAULTS: dict[str, tuple[Change, str, str, tuple[str, str]]] = {
    "no direction": (
        ("__init__.py", "    higher_is_better=None,\n", ""),
        "metrics",
        "tmt-seed: nothing sets its direction: True, False, or None for no direction (higher_is_better=)",
        METRIC,
    ),
    "no unit": (("__init__.py", '    unit="",\n', ""), "metrics", "tmt-seed: nothing sets its unit", METRIC),
    "no title": (("__init__.py", 'title="token norm"', 'title=" "'), "metrics", "tmt-seed: its title is empty", METRIC),
    "bounds without room": (
        ("__init__.py", "bounds=(0.0, None)", "bounds=(1.0, 0.0)"),
        "metrics",
        "its bounds (1.0, 0.0) are empty",
        METRIC,
    ),
    "a state that depends on the batches": (
        ("analysis.py", SUMS, "            self.sum += values.mean(axis=1)\n"),
        "batches",
        "its numbers change with the batch size: tmt-seed of layer 1 is ",
        CLASS,
    ),
    "a state that depends on the order": (
        ("analysis.py", SUMS, BY_ARRIVAL),
        "order of arrival",
        "its numbers depend on the order in which images arrive: tmt-seed of layer 1 is ",
        CLASS,
    ),
    "parts that are not joined": (
        ("analysis.py", 'sum(int(state["count"]) for state in states)', 'int(states[-1]["count"])'),
        "parts",
        "its numbers change when the states of parts are merged: tmt-seed of layer 1 is ",
        CLASS,
    ),
    "what the state does not tell": (
        ("analysis.py", 'n = int(state["count"])', "n = self.count"),
        "measures",
        "returned no value and no note",
        CLASS,
    ),
    "a state that cannot be saved": (
        ("analysis.py", '"count": self.count,', '"count": [self.count],'),
        "measures",
        "TypeError: ",
        CLASS,
    ),
    "tensors that are kept": (
        ("analysis.py", APPEND, "        self.pending.append(batch.values[:, 0, 0])\n"),
        "tensors",
        "it keeps a tensor that it received, or a view of it",
        CLASS,
    ),
    "tensors that are changed": (
        ("analysis.py", APPEND, APPEND + "        batch.values.mul_(2)\n"),
        "tensors",
        "update changes the tensor that it receives (block of layer 1)",
        CLASS,
    ),
    "an undeclared parameter": (
        ("analysis.py", 'context.parameters["order"]', 'context.parameters.get("power", 2.0)'),
        "measures",
        "it reads the parameter 'power', which it does not declare: --param power=... would be rejected",
        CLASS,
    ),
    "an undeclared metric": (
        ("analysis.py", 'metric="tmt-seed"', 'metric="tmt-seed-2"'),
        "measures",
        "tmt-seed-2 of layer 1 was not requested or is not declared",
        CLASS,
    ),
    "numbers outside of the bounds": (
        ("__init__.py", "bounds=(0.0, None)", "bounds=(None, 0.0)"),
        "measures",
        "outside (None, 0.0)",
        CLASS,
    ),
    "layers from 0": (("analysis.py", "layer=layer + 1", "layer=layer"), "measures", "tmt-seed of layer 0", CLASS),
    "a class token taken for granted": (
        ("analysis.py", APPEND, "        assert self.prefix == 1\n" + APPEND),
        "other models",
        "AssertionError",
        ("analysis.py", "assert self.prefix == 1"),
    ),
    "an error": (
        ("analysis.py", APPEND, APPEND + "        {}[layer]\n"),
        "measures",
        "KeyError: 1",
        ("analysis.py", "{}[layer]"),
    ),
    "no analysis": (
        ("__init__.py", "tmt_seed.analysis:TokenNorms", "tmt_seed.analysis:Result"),
        "measures",
        "'tmt_seed.analysis:Result' made a Result, not an Analysis",
        SPEC,
    ),
    "a default that is not allowed": (
        ("__init__.py", "minimum=1.0", "minimum=3.0"),
        "facts",
        "the parameter 'order' has the default 2, outside its minimum and maximum",
        SPEC,
    ),
    "a parameter without a word": (
        ("__init__.py", 'summary="of the norm; 2 is the Euclidean one"', 'summary=""'),
        "facts",
        "the parameter 'order' has no summary",
        SPEC,
    ),
    "default data that there is not": (
        ("__init__.py", "metrics=(METRIC,),", 'metrics=(METRIC,),\n            default_data="scenery",'),
        "default data",
        "the data set 'scenery' does not exist",
        SPEC,
    ),
    "default data of another kind": (
        ("__init__.py", "metrics=(METRIC,),", 'metrics=(METRIC,), kind="labels",\n            default_data="photos",'),
        "default data",
        "the data set 'photos' offers no labels",
        SPEC,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_line(tmp_path: Path, fault: str) -> None:
    change, check, words, where = FAULTS[fault]
    found = {each.check: each for each in wrong(checked(tmp_path, seeded("analysis", change)))}
    assert found[check].about == "analysis tmt-seed"
    assert words in found[check].message
    assert found[check].where == line_of(tmp_path, *where)


FROM_A_DICT = """FACTS = {"higher_is_better": None, "unit": ""}
METRIC = MetricSpec(
    **FACTS,
"""
FROM_A_FUNCTION = """

def _metric(name: str) -> MetricSpec:
    return MetricSpec(name=name, title="", summary="", unit="", higher_is_better=None)


METRIC = dataclasses.replace(
    _metric("tmt-seed"),
"""


@pytest.mark.parametrize("way", [FROM_A_DICT, FROM_A_FUNCTION])
def test_another_direction_of_a_metric_is_a_fault(tmp_path: Path, way: str) -> None:
    files = seeded(
        "analysis",
        ("__init__.py", "    higher_is_better=None,\n", ""),
        ("__init__.py", '    unit="",\n', ""),
        ("__init__.py", "METRIC = MetricSpec(\n", way),
        (
            "__init__.py",
            "from teachmatters import hookimpl\n",
            "import dataclasses\nfrom teachmatters import hookimpl\n",
        ),
    )
    assert wrong(checked(tmp_path, files)) == []


def test_without_its_data_the_bundled_scenes_are_used(tmp_path: Path) -> None:
    change = ("__init__.py", "metrics=(METRIC,),", "metrics=(METRIC,), kind='masks', default_data='coco',")
    found = {f.check: f.status for f in checked(tmp_path, seeded("analysis", change))}
    assert found["measures"] == "ok"
