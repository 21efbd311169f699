"""Tests that files are complete or absent, whatever their names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from teachmatters.reports.tables.atomic_write import LONGEST, atomic_write, fitting


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    target = tmp_path / ("x" * (LONGEST - 4) + ".txt")
    with atomic_write(target) as part:
        part.write_text("text", "utf-8")
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_a_long_name_is_cut_between_letters_and_stays_unique() -> None:
    names = {fitting("é" * 200 + end, ".png") for end in "ab"}
    assert len(names) == 2
    assert all(LONGEST - 1 <= len(name.encode()) <= LONGEST and name.startswith("éé") for name in names)


def test_matplotlib_is_imported_whatever_backend_a_notebook_names() -> None:
    code = """
import os
from teachmatters.reports.backend import drop_missing_backend
drop_missing_backend()
import matplotlib
print(os.environ["MPLBACKEND"])
"""
    installed = "module://json.tool"
    for given, used in (("module://no_such_module.inline", "agg"), ("svg", "svg"), (installed, installed)):
        env = dict(os.environ, MPLBACKEND=given)
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == used
