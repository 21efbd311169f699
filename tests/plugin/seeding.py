"""Generated plugins with one seeded fault each, and the faults that the check finds."""

from __future__ import annotations

from pathlib import Path

from teachmatters import registry
from teachmatters.plugin.check import check
from teachmatters.plugin.findings import Finding
from teachmatters.plugin.new import Kind, package_files
from tests.installing import installed

NAME, MODULE = "tmt-seed", "tmt_seed"

# A file of the package, a text in it, and the text that replaces it.
Change = tuple[str, str, str]


def seeded(kind: Kind, *changes: Change) -> dict[str, str]:
    """The files of a package with some text replaced, which must be there."""
    files = package_files(NAME, kind)
    for name, old, new in changes:
        path = f"{MODULE}/{name}"
        assert old in files[path], f"{path} has no {old!r}"
        files[path] = files[path].replace(old, new)
    return files


def checked(folder: Path, files: dict[str, str], data_root: Path | None = None) -> list[Finding]:
    """The findings about a plugin of these files."""
    with installed(folder, NAME, files):
        (plugin,) = [plugin for plugin in registry.load().plugins if plugin.name == NAME]
        return check([plugin], data_root=data_root)


def wrong(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.status == "wrong"]


def line_of(folder: Path, name: str, text: str) -> str:
    """``file:line`` of the first line of a module that holds a text."""
    path = folder / MODULE / name
    numbers = [n for n, line in enumerate(path.read_text("utf-8").splitlines(), 1) if text in line]
    return f"{path}:{numbers[0]}"
