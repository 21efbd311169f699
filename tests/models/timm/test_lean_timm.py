"""Importing timm without PyTorch's compiler."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from teachmatters.models.timm import lean_timm
from teachmatters.models.timm.lean_timm import COMPILER, PostponedModule


def test_a_command_that_computes_imports_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    heavy = ("torch._dynamo", "sympy", "sklearn", "skimage", "scipy", "matplotlib", "ray", "transformers", "numba")
    code = (
        "import sys\nfrom teachmatters.cli.app import main\n"
        f"sys.argv = ['tm', 'analyze', '--model', 'mini-mae', '--metric', 'attn-distance', '--limit', '2', "
        f"'--db', {str(tmp_path / 'store.db')!r}]\n"
        "try: main()\nexcept SystemExit as end: code = end.code\n"
        f"print([name for name in {heavy} if name in sys.modules], code)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[] 0"


def test_a_postponed_module_is_imported_for_any_attribute_that_cannot_wait() -> None:
    module = PostponedModule("colorsys", rgb_to_hsv=len)
    assert module.rgb_to_hsv is len
    assert module.hsv_to_rgb(0, 0, 1) == (1, 1, 1)
    with pytest.raises(AttributeError):
        module.no_such_function  # noqa: B018


def test_a_function_is_excluded_from_compilation_once_the_compiler_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    function = lean_timm._disable(lambda number: number + 1, True)
    monkeypatch.setitem(sys.modules, COMPILER, PostponedModule(COMPILER))
    assert function(1) == 2
    excluded = SimpleNamespace(disable=lambda function, recursive: lambda number: (function(number), recursive))
    monkeypatch.setitem(sys.modules, COMPILER, excluded)
    assert function(1) == (2, True)


def test_a_compiler_that_is_already_imported_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = ModuleType(COMPILER)
    monkeypatch.setitem(sys.modules, COMPILER, compiler)
    with lean_timm.postponed_compiler():
        assert sys.modules[COMPILER] is compiler
    assert sys.modules[COMPILER] is compiler
