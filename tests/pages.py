"""Read the README and the pages of docs/: their code blocks and command lines."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.installing import write_plugin

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")])

_FENCE = re.compile(
    r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)


# The start of a line that stands for a named section of a file.
SNIPPET = "--8<--"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of code: its language, its title (a file's name) and what is in it."""

    language: str
    title: str
    text: str


def blocks(page: Path, language: str = "") -> list[Block]:
    found = [Block(m["language"], m["title"] or "", m["text"]) for m in _FENCE.finditer(page.read_text("utf-8"))]
    return [block for block in found if language in ("", block.language)]


def prose(page: Path) -> str:
    """The page without its blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def section(page: Path, heading: str) -> str:
    """What stands below a heading, up to the next one of its level or above; subsections included."""
    level = heading.index(" ")
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{level}}} |\Z)", prose(page), re.DOTALL | re.MULTILINE)
    assert found, f"{page.name} has no heading {heading!r}"
    return found[1]


def commands(page: Path) -> Iterator[str]:
    """Command lines in the order of the page."""
    for block in blocks(page):
        lines = block.text.replace("\\\n", " ").splitlines()
        if block.language == "sh":
            yield from (line for line in lines if line.strip() and not line.startswith("#"))
        if block.language == "console":
            yield from (line.removeprefix("$ ") for line in lines if line.startswith("$ "))


def install_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that a page has had written, found by its metadata as after pip."""
    from teachmatters import registry

    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    ((_, module),) = project["entry-points"]["teachmatters"].items()
    write_plugin(folder, project["name"], {}, module)
    monkeypatch.syspath_prepend(str(folder))
    others = os.environ.get("TM_LOAD_PLUGINS")
    monkeypatch.setenv("TM_LOAD_PLUGINS", ",".join(filter(None, [others, project["name"]])))
    registry.load.cache_clear()


def forget_written(module: str = "my_vit") -> None:
    from teachmatters import registry

    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        del sys.modules[name]
    registry.load.cache_clear()
