"""Tests of the checks of every plugin: start time, version, docstrings and contents."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from teachmatters.plugin.source import Package
from tests.plugin.seeding import NAME, checked, line_of, seeded, wrong

IMPORTS = "from teachmatters import hookimpl\n"
HEAVY = "is imported at start, which slows down every tm command"


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in for large packages here is forgotten after the test."""
    for name in ("transformers", "lightly", "jax"):
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, name)


def test_torch_at_start_is_named_with_its_line(tmp_path: Path) -> None:
    (found,) = wrong(checked(tmp_path, seeded("command", ("__init__.py", IMPORTS, f"import torch\n{IMPORTS}"))))
    assert (found.about, found.check) == ("plugin", "start")
    assert found.message.startswith(f"torch {HEAVY}")
    assert found.where == line_of(tmp_path, "__init__.py", "import torch")


@pytest.mark.usefixtures("forgotten")
def test_the_named_lines_are_the_plugins_own(tmp_path: Path) -> None:
    """Where the import stands in another of its modules, and what brings another along."""
    lazily = ("__init__.py", "    return [\n", "    import tmt_seed.more\n\n    return [\n")
    files = seeded("command", lazily, ("__init__.py", IMPORTS, f"import jax.numpy\n{IMPORTS}"))
    files["tmt_seed/more.py"] = '"""More."""\n\ntry:\n    import transformers\nexcept ImportError:\n    pass\n'
    files |= {"transformers.py": "import lightly\n", "lightly.py": "", "jax/__init__.py": "", "jax/numpy.py": ""}
    found = wrong(checked(tmp_path, files))
    assert [(f.check, f.message.split()[0], f.where) for f in found] == [
        ("start", "jax", line_of(tmp_path, "__init__.py", "import jax")),
        ("start", "transformers", line_of(tmp_path, "more.py", "import transformers")),
    ]


def test_lazy_imports_are_accepted(tmp_path: Path) -> None:
    selections = "import importlib.util\n\nTHERE = importlib.util.find_spec('torch') is not None\n"
    files = seeded("command", ("__init__.py", IMPORTS, f"{IMPORTS}{selections}"))
    files["tmt_seed/__init__.py"] += "\n\ndef _later() -> object:\n    import torch\n\n    return torch\n"
    assert wrong(checked(tmp_path, files)) == []


def test_printing_at_start_is_a_fault(tmp_path: Path) -> None:
    (found,) = wrong(checked(tmp_path, seeded("command", ("__init__.py", IMPORTS, f"{IMPORTS}print('hello')\n"))))
    assert found.check == "start"
    assert "it prints when imported ('hello')" in found.message


@pytest.mark.usefixtures("here_only")
def test_a_plugin_without_a_version_gets_the_line_to_add(tmp_path: Path) -> None:
    (found,) = wrong(checked(tmp_path, seeded("command", ("__init__.py", "TEACHMATTERS_API = 2", "VERSION = 1"))))
    assert found.check == "plugin API"
    assert "put TEACHMATTERS_API = 2 into tmt_seed" in found.message


@pytest.mark.usefixtures("here_only")
@pytest.mark.parametrize(
    ("old", "new", "words", "line"),
    [
        (
            "def register_commands() ->",
            "def register_comands() ->",
            "no hook is called 'register_comands'",
            "def register_comands",
        ),
        ("TEACHMATTERS_API = 2", "TEACHMATTERS_API = 3", "it is made for plugin API 3", "TEACHMATTERS_API"),
        ("TEACHMATTERS_API = 2", "TEACHMATTERS_API: object = '1'", "must be a whole number", "TEACHMATTERS_API"),
        ("def register_commands()", "def register_commands(name)", "cannot be loaded: PluginVal", "def register_comm"),
        ("    return [\n", "    return 1 / [\n", "register_commands failed: ", "def register_commands"),
        ('name="tmt-seed"', 'name="tmt seed"', "'tmt seed' is left out", "def register_commands"),
        ('name="tmt-seed"', 'name="report"', "the built-in stays", "CommandSpec("),
        (IMPORTS, "from teachmatters import hookimple\n", "cannot be loaded: ImportError", "hookimple"),
        (IMPORTS, "from . import more\n", "cannot be loaded: ImportError", "from . import more"),
        ("    return [\n", "    return [[\n", "cannot be loaded: SyntaxError", "return [["),
    ],
)
def test_problems_listed_by_tm_plugins_are_faults(tmp_path: Path, old: str, new: str, words: str, line: str) -> None:
    found = wrong(checked(tmp_path, seeded("command", ("__init__.py", old, new))))[0]
    assert (found.about, found.check) == ("plugin", "found")
    assert words in found.message
    assert found.where == line_of(tmp_path, "__init__.py", line)


@pytest.mark.usefixtures("here_only")
@pytest.mark.parametrize(
    ("name", "old", "new", "what", "line"),
    [
        ("__init__.py", '"""The specs of', 'ABOUT = """The specs of', "the module", '"""The specs'),
        (
            "__init__.py",
            '"""Return the analysis',
            'about = """Return the analysis',
            "the function register_analyses",
            "def register_",
        ),
        (
            "analysis.py",
            '"""An analysis with',
            'about = """An analysis with',
            "the class TokenNorms",
            "class TokenNorms",
        ),
    ],
)
def test_a_missing_docstring_is_named_with_its_line(
    tmp_path: Path, name: str, old: str, new: str, what: str, line: str
) -> None:
    files = seeded("analysis", (name, old, new))
    files[f"tmt_seed/{name}"] = files[f"tmt_seed/{name}"].replace("from __future__ import annotations\n", "")
    (found,) = wrong(checked(tmp_path, files))
    assert found.message == f"{what} has no docstring: describe it in one line"
    assert found.where == line_of(tmp_path, name, line)


def test_a_package_knows_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, text in seeded("model").items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    package = Package("tmt_seed")
    assert {file.name for file in package.files} == {"__init__.py", "adapter.py", "network.py", "source.py"}
    assert package.file_of("tmt_seed.network") == tmp_path / "tmt_seed/network.py"
    assert package.place_of_spec("ModelSpec", NAME) == "tmt_seed/__init__.py:15"
    assert package.place_of_function("stream").startswith("tmt_seed/adapter.py:")
    assert Package("no_such_module").files == []
