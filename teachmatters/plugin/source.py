"""Locate code in the files of a plugin."""

from __future__ import annotations

import ast
import functools
import importlib.util
import inspect
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Package:
    """The files of the package that a plugin's entry point names.

    Args:
        module: the module of the entry point, whose top package is searched; for teachmatters, the subpackage.
    """

    def __init__(self, module: str) -> None:
        self.module = module
        parts = module.split(".")
        self.top = ".".join(parts[: 2 if parts[0] == "teachmatters" else 1])
        self.roots = _roots(self.top)

    @functools.cached_property
    def files(self) -> list[Path]:
        """Return the Python files of the package."""
        return [file for root in self.roots for file in (sorted(root.rglob("*.py")) if root.is_dir() else [root])]

    @functools.cached_property
    def trees(self) -> dict[Path, ast.Module]:
        """Return the syntax trees of the files that can be parsed."""
        return {file: tree for file in self.files if (tree := _parsed(file)) is not None}

    @functools.cached_property
    def nodes(self) -> list[tuple[Path, ast.AST]]:
        """Return every node of the trees with its file, those of the entry point's module first."""
        first = self.file_of(self.module)
        files = sorted(self.trees, key=lambda file: file != first)
        return [(file, node) for file in files for node in ast.walk(self.trees[file])]

    def has(self, file: str | None) -> bool:
        """Return whether a file belongs to the package."""
        return file is not None and any(Path(file).resolve().is_relative_to(root) for root in self.roots)

    def file_of(self, module: str) -> Path | None:
        """Return the file of one of its modules, without importing it."""
        for root in self.roots:
            below = module.removeprefix(self.top).strip(".").replace(".", "/")
            for path in (root / below / "__init__.py", root / f"{below}.py", root):
                if path.is_file():
                    return path
        return None

    def place_of_error(self, error: BaseException) -> str:
        """Return the last line of the package in an error's traceback, or the line of a syntax error."""
        if isinstance(error, SyntaxError) and self.has(error.filename):
            return place(Path(str(error.filename)), error.lineno)
        chain: BaseException | None = error
        own = ""
        while chain is not None:
            frames = [frame for frame in traceback.extract_tb(chain.__traceback__) if self.has(frame.filename)]
            if frames:
                own = place(Path(frames[-1].filename), frames[-1].lineno)
            chain = chain.__cause__ or chain.__context__
        return own

    def place_of(self, thing: Any) -> str:
        """Return where a class, a function or a method is defined; empty if it is not in this package."""
        try:
            file, line = inspect.getsourcefile(thing), inspect.getsourcelines(thing)[1]
        except (TypeError, OSError):
            return ""
        return place(Path(file), line) if file and self.has(file) else ""

    def place_of_function(self, name: str) -> str:
        """Return where a function with this name is defined, preferring the entry point's module."""
        return next((place(file, node.lineno) for file, node in self._nodes(ast.FunctionDef) if node.name == name), "")

    def place_of_spec(self, kind: str, name: str) -> str:
        """Return where ``Kind(name="name", ...)`` is called."""
        found = (place(file, call.lineno) for file, call in self.calls(kind) if _keyword(call, "name") == name)
        return next(found, "")

    def place_of_assignment(self, name: str) -> str:
        """Return where a name is assigned, preferring the entry point's module."""
        found = (
            place(file, node.lineno)
            for file, node in self._nodes((ast.Assign, ast.AnnAssign))
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if getattr(target, "id", None) == name
        )
        return next(found, "")

    def calls(self, kind: str) -> Iterator[tuple[Path, ast.Call]]:
        """Yield every call of a name, such as ``MetricSpec(...)`` or ``api.MetricSpec(...)``."""
        for file, call in self._nodes(ast.Call):
            function = call.func
            if kind in (getattr(function, "id", None), getattr(function, "attr", None)):
                yield file, call

    def _nodes(self, kind: type[Any] | tuple[type[Any], ...]) -> Iterator[tuple[Path, Any]]:
        return ((file, node) for file, node in self.nodes if isinstance(node, kind))


def place(file: Path, line: int | None) -> str:
    """Return ``file:line``, with a path relative to the current folder if the file is below it."""
    path = file.resolve()
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"{shown}:{line}" if line else str(shown)


def _keyword(call: ast.Call, name: str) -> Any:
    """Return the value of a literal argument, None for any other."""
    values = [word.value for word in call.keywords if word.arg == name]
    return values[0].value if values and isinstance(values[0], ast.Constant) else None


def _parsed(file: Path) -> ast.Module | None:
    try:
        return ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return None


def _roots(top: str) -> list[Path]:
    """Return the folder of a package, or the file of a module."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    if spec.submodule_search_locations:
        return [Path(folder).resolve() for folder in spec.submodule_search_locations]
    return [Path(spec.origin).resolve()] if spec.origin and Path(spec.origin).is_file() else []
