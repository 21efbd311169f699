"""Tests of faults in data set plugins, one at a time: each is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from teachmatters import registry
from teachmatters.plugin.check import check
from tests.plugin.seeding import NAME, Change, checked, line_of, seeded, wrong

pytestmark = pytest.mark.usefixtures("here_only")

CLASS = ("dataset.py", "class Images")
READ = '            return image.convert("RGB")'


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of the layout that the package expects."""
    root = tmp_path / "data" / NAME
    (root / "images").mkdir(parents=True)
    lines = ["file,label"]
    for number in range(8):
        Image.new("RGB", (12, 9), (30 * number, 9, 9)).save(root / "images" / f"{number}.png")
        lines.append(f"{number}.png,{'ab'[number % 2]}")
    (root / "labels.csv").write_text("\n".join(lines))
    return root.parent


def test_the_generated_package_has_no_faults(tmp_path: Path, data: Path) -> None:
    findings = checked(tmp_path, seeded("dataset"), data)
    checks = ["facts", "names code", "opens", "kinds", "images", "labels"]
    assert [f.check for f in findings if f.about == "data set tmt-seed"] == checks
    assert {f.status for f in findings} == {"ok"}


FAULTS: dict[str, tuple[Change, str, str]] = {
    "a kind that it does not declare": (
        ("dataset.py", 'frozenset({"images", "labels"})', 'frozenset({"images", "labels", "masks"})'),
        "kinds",
        "it offers masks, which its spec does not declare",
    ),
    "another order each time": (
        ("dataset.py", "for file in sorted(labels)]", "for file in __import__('random').sample(list(labels), 8)]"),
        "images",
        "its items or their order change the second time",
    ),
    "nothing": (("dataset.py", "self._items if role", "[] if role"), "images", "items('images', 'all') is empty"),
    "a gallery without queries": (
        ("dataset.py", 'if role == "all" else None', 'if role in ("all", "gallery") else None'),
        "images",
        "returns one and None for the other",
    ),
    "one key": (("dataset.py", "return Item(key,", 'return Item("key",'), "images", "8 items have the key 'key'"),
    "labels from 1": (
        ("dataset.py", "self.classes.index(label))", "self.classes.index(label) + 1)"),
        "labels",
        "has the label 2: labels count from 0 in its 2 classes",
    ),
    "images without colours": (
        ("dataset.py", READ, READ.replace("RGB", "L")),
        "images",
        "is of mode L: it must be a PIL image of mode RGB",
    ),
    "no images": (("dataset.py", READ, "            return item.key"), "images", "is a str: it must be a PIL image"),
    "another image each time": (
        ("dataset.py", READ, READ + ".point(lambda v, s=__import__('os').urandom(1)[0]: v ^ s)"),
        "images",
        "changes when it is read again",
    ),
    "a caption that is none": (
        ("dataset.py", "    def image(self", "    def caption(self, item: Item) -> str:\n        return None\n\n"
         "    def image(self"),
        "images",
        "is not a string",
    ),
    "annotations that are none": (
        ("dataset.py", "    def image(self", "    def annotations(self, item, kind):\n        return []\n\n"
         "    def image(self"),
        "images",
        "are a list, not a mapping",
    ),
    "files that are not there": (
        ("dataset.py", "    def image(self", "    def annotation_files(self, kind):\n"
         "        return [self.root / 'x']\n\n    def image(self"),
        "images",
        "which does not exist: its bytes are part of the fingerprint",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_line(tmp_path: Path, data: Path, fault: str) -> None:
    change, name, words = FAULTS[fault]
    found = {each.check: each for each in wrong(checked(tmp_path, seeded("dataset", change), data))}
    assert found[name].about == "data set tmt-seed"
    assert words in found[name].message
    assert found[name].where == line_of(tmp_path, *CLASS)


def test_missing_data_are_listed_as_not_checked(tmp_path: Path, data: Path) -> None:
    findings = checked(tmp_path, seeded("dataset"))
    assert wrong(findings) == []
    (unchecked,) = [f for f in findings if f.status == "not checked"]
    assert unchecked.check == "opens"
    assert unchecked.message.startswith("it is not on this machine: data set 'tmt-seed' is not bundled")
    (data / NAME / "labels.csv").write_text("nothing")
    (unchecked,) = [f for f in checked(tmp_path / "again", seeded("dataset"), data) if f.status == "not checked"]
    assert "labels.csv" in unchecked.message


def test_the_bundled_data_sets_have_no_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Among them every kind of data that there is."""
    monkeypatch.setattr("teachmatters.plugin.checks.dataset.FEW", 2)
    (plugin,) = [plugin for plugin in registry.load().plugins if plugin.name == "datasets"]
    findings = check([plugin])
    assert wrong(findings) == []
    assert {f.check for f in findings if f.about == "data set scenes"} >= {
        "masks",
        "parts",
        "retrieval",
        "videos",
        "pairs",
    }
