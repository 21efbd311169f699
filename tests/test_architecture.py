"""Imports point down, and what must answer at once does not wait for torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "teachmatters"

FLOORS = {
    "errors": 0,
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
    "cli": 7,
    "results": 7,
}
BASEMENT = {"errors", "hookspecs"}
"""Single modules that rooms of their own floor may use too."""


def rooms() -> Iterator[tuple[Path, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] not in ("__init__", "__main__"):
            yield path, parts[0]


def imported(path: Path) -> Iterator[str]:
    """Rooms that a module imports, anywhere in it, also for type checking only."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            inside = node.module == "teachmatters"
            names = [f"teachmatters.{alias.name}" if inside else str(node.module) for alias in node.names]
        for name in names:
            head, _, rest = name.partition(".")
            room = rest.split(".")[0]
            if head == "teachmatters" and room in FLOORS:
                yield room


def test_every_room_has_a_floor() -> None:
    assert {room for _, room in rooms()} == set(FLOORS)


@pytest.mark.parametrize(("path", "room"), list(rooms()), ids=lambda value: str(value).split("teachmatters/")[-1])
def test_an_import_points_down(path: Path, room: str) -> None:
    for other in imported(path):
        if other != room:
            below = FLOORS[other] < FLOORS[room] or (other in BASEMENT and FLOORS[other] <= FLOORS[room])
            assert below, f"{path.name}: {room} (floor {FLOORS[room]}) imports {other} (floor {FLOORS[other]})"


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
def test_what_must_be_quick_leaves_heavy_libraries_alone(module: str, heavy: str) -> None:
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
