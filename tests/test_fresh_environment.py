"""Test of the plugin tutorial in a virtual environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

# The metadata of the other kinds differs only in what they need: see tests/plugin/test_new.py.
KINDS = ("model", "dataset")

# Packages that are already installed need not be downloaded, nor those for building.
PIP = """#!/bin/sh
exec "{python}" -m pip --quiet --disable-pip-version-check "$@" --no-index --no-build-isolation
"""


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """teachmatters from its wheel; the packages that it needs are those of this Python."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "outside.pth").write_text(f"import site; site.addsitedir({sysconfig.get_paths()['purelib']!r})\n")
    pip = folder / "bin" / "pip"
    pip.write_text(PIP.format(python=python))
    pip.chmod(0o755)
    subprocess.run([pip, "install", "--no-deps", "--no-compile", str(wheel)], check=True)
    return folder


def typed(line: str, environment: Path, where: Path) -> str:
    """The output of lines that must end well."""
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("TM_", "PYTHON"))}
    surroundings["PATH"] = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
    answer = subprocess.run(
        ["bash", "-e", "-c", line], cwd=where, env=surroundings, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, f"{line}\n{answer.stdout}{answer.stderr}"
    return answer.stdout


def test_new_plugins_install_and_a_new_model_is_four_lines_away_from_its_report(
    environment: Path, tmp_path: Path
) -> None:
    where = typed("python -c 'import teachmatters; print(teachmatters.__file__)'", environment, tmp_path)
    assert Path(where.strip()).is_relative_to(environment)
    names = [f"our-{kind}" for kind in KINDS]
    typed("\n".join(f"tm plugin new our-{kind} --kind {kind}" for kind in KINDS), environment, tmp_path)
    typed(f"pip install -e {' -e '.join(names)}", environment, tmp_path)
    plugins = {each["name"]: each for each in json.loads(typed("tm plugins --format json", environment, tmp_path))}
    for name in names:
        assert plugins[name]["problems"] == []
        assert plugins[name]["offers"]
    found = json.loads(typed(f"TM_LOAD_PLUGINS={','.join(names)} tm plugin check --format json", environment, tmp_path))
    assert {each["plugin"] for each in found} == set(names)
    assert {each["about"] for each in found if each["status"] == "not checked"} == {"data set our-dataset"}
    typed("tm analyze --model our-model --metric attn-distance", environment, tmp_path)
    report = typed("tm report attention-distance", environment, tmp_path)
    assert "our-model" in report
    layers = [line.split()[0] for line in report.splitlines() if line.strip()[:1].isdigit()]
    assert layers == ["1", "2", "3", "4"]
