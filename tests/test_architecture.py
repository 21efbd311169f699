"""Tests of imports: they point down without cycles, and fast commands do not import torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "teachmatters"

LAYERS = {
    "errors": 0,
    "config": 0,
    "measures": 0,
    "api": 1,
    "hookspecs": 2,
    "store": 2,
    "cache": 2,
    "models": 3,
    "datasets": 3,
    "analyses": 3,
    "registry": 4,
    "runner": 5,
    "reports": 5,
    "plugin": 6,
    "progress": 6,
    "cli": 7,
    "results": 6,
    "measured": 7,
}
SHARED = {"errors", "config", "hookspecs"}  # single modules that other folders of their own layer may import too

MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def imports_of(module: str) -> set[str]:
    """The modules of the package that a module imports, anywhere in it, also for type checking only."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: relative import"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else str(node.module) for name in inner]
        found |= {name for name in names if name in MODULES and name != module}
    return found


@cache
def all_imports() -> dict[str, set[str]]:
    """The imports of every module, read in the process that runs a test of them."""
    return {module: imports_of(module) for module in MODULES}


def part_of(module: str) -> str:
    """The folder or single module of the package that a module belongs to: ``teachmatters.store.run`` -> ``store``."""
    return module.split(".")[1] if "." in module else ""


def cycle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_folder_has_a_layer() -> None:
    assert {part_of(module) for module in MODULES} - {"", "__main__"} == set(LAYERS)


def test_imports_point_down() -> None:
    wrong = []
    for module, imported in all_imports().items():
        here = part_of(module)
        for other in {part_of(each) for each in imported} - {"", here} if here in LAYERS else ():
            allowed = LAYERS[other] <= LAYERS[here] if other in SHARED else LAYERS[other] < LAYERS[here]
            if not allowed:
                wrong.append(f"{module} (layer {LAYERS[here]}) imports {other} (layer {LAYERS[other]})")
    assert not wrong


def test_there_are_no_import_cycles() -> None:
    inside = {module: imported - {"teachmatters"} for module, imported in all_imports().items()}
    del inside["teachmatters"]
    assert cycle(inside) == []


def test_a_folder_has_at_most_fifteen_modules() -> None:
    sizes = Counter(path.parent.relative_to(PACKAGE) for path in MODULES.values() if path.name != "__init__.py")
    assert [str(folder) for folder, size in sizes.items() if size > 15] == []


def test_sibling_folders_have_no_import_cycles() -> None:
    for folder in sorted({path.parent for path in MODULES.values()}):
        base = ".".join(folder.relative_to(PACKAGE.parent).parts) + "."
        graph: dict[str, set[str]] = {}
        for module, imported in all_imports().items():
            here, _, below = module.removeprefix(base).partition(".")
            if module.startswith(base) and below:
                inside = {each.removeprefix(base).split(".")[0] for each in imported if each.startswith(base)}
                graph.setdefault(here, set()).update(inside - {here})
        folders = set(graph)
        assert cycle({here: others & folders for here, others in graph.items()}) == [], folder


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("teachmatters.cli.app", "torch numpy pandas sqlalchemy matplotlib PIL"),
        ("teachmatters.registry", "torch numpy pandas sqlalchemy matplotlib"),
        ("teachmatters", "torch numpy pandas sqlalchemy matplotlib typer"),
        ("teachmatters.results", "torch matplotlib sqlalchemy"),
        ("teachmatters.api", "torch numpy PIL"),
        ("teachmatters.reports.run", "torch matplotlib"),
        ("teachmatters.store.reader", "torch sqlalchemy alembic"),
    ],
)
def test_fast_commands_import_nothing_heavy(module: str, heavy: str) -> None:
    code = f"import sys, {module}; print([m for m in {heavy.split()} if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_help_lists_plugins_without_torch() -> None:
    code = (
        "import sys\nfrom teachmatters.cli.app import main\nsys.argv = ['tm', '--help']\n"
        "try: main()\nexcept SystemExit as end: code = end.code\n"
        "print([m for m in ('torch', 'numpy', 'pandas', 'sqlalchemy') if m in sys.modules], code, file=sys.stderr)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stderr.strip() == "[] 0"
    assert "analyze" in answer.stdout
