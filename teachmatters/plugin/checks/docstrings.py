"""Check that the modules, public classes and public functions of a plugin have docstrings."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from teachmatters.plugin.findings import CheckList
from teachmatters.plugin.source import place

REFERENCES = ("factory", "resolve", "app", "draw", "table", "enrich")  # fields of specs that name code


def check_docstrings(sheet: CheckList) -> None:
    """Check the entry point's module, the modules that specs name, and their public classes and functions."""
    with sheet.check("docstrings") as tell:
        for file in sorted(_files(sheet)):
            tree = sheet.package.trees.get(file)
            for line, what in _without(tree) if tree else ():
                tell(f"{what} has no docstring: describe it in one line", place(file, line))


def _files(sheet: CheckList) -> set[Path]:
    specs = [spec for offered in sheet.plugin.specs.values() for spec in offered]
    named = [getattr(spec, field, "") for spec in specs for field in REFERENCES]
    modules = {sheet.plugin.module, *(reference.partition(":")[0] for reference in named if reference)}
    own = {module for module in modules if module == sheet.package.top or module.startswith(f"{sheet.package.top}.")}
    return {file for module in own if (file := sheet.package.file_of(module)) is not None}


def _without(tree: ast.Module) -> Iterator[tuple[int, str]]:
    if not ast.get_docstring(tree):
        yield 1, "the module"
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            kind = "the class" if isinstance(node, ast.ClassDef) else "the function"
            if not node.name.startswith("_") and not ast.get_docstring(node):
                yield node.lineno, f"{kind} {node.name}"
