"""Tests of LaTeX output: balanced booktabs tables, compiled where LaTeX is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from teachmatters import registry
from teachmatters.cli.report_text import report_text
from teachmatters.reports.options import Options
from teachmatters.reports.run import run_report
from teachmatters.reports.tables import formats
from tests.pages import ROOT

TABLES = [spec for plugin in registry.load().plugins if plugin.built_in for spec in plugin.specs["register_reports"]]
COMMANDS = {"textbackslash", "textless", "textgreater", "textbar", "textasciitilde", "textasciicircum", "textbf", "pm"}
METRICS = {"metric": ("knn-top1",), "scatter": ("knn-top1", "davis-jf")}
OPEN, CLOSED = r"\begin{tabular}{", r"\end{tabular}"
AWKWARD = "<script>&_%#{}~^\\|$ ±0.1"


def of(name: str) -> str:
    report = run_report(registry.load().report(name), ROOT / "results.db", Options(metrics=METRICS.get(name, ())))
    return report_text(report, "latex")


def table(text: str) -> tuple[str, list[str]]:
    """The columns and the rows of the one table in a text, the rules between them checked."""
    assert text.count(OPEN) == text.count(CLOSED) == 1
    columns, _, inside = text.partition(OPEN)[2].partition(CLOSED)[0].partition("}\n")
    top, head, middle, *body, bottom = inside.splitlines()
    assert (top, middle, bottom) == (r"\toprule", r"\midrule", r"\bottomrule")
    return columns, [head, *body]


def depth(row: str) -> int:
    """How many braces are still open at the end of a row; -1 if one closes that was never opened."""
    level = 0
    for brace in re.findall(r"(?<!\\)[{}]", row):
        level += 1 if brace == "{" else -1
        if level < 0:
            return -1
    return level


def check(text: str) -> None:
    columns, rows = table(text)
    assert set(columns) <= {"l", "r"}
    for row in rows:
        assert row.endswith(r" \\")
        cells = row.removesuffix(r" \\")
        assert len(re.findall(r"(?<!\\)&", cells)) == len(columns) - 1
        assert depth(cells) == 0
        assert set(re.findall(r"\\([a-z]+)", cells)) <= COMMANDS
        assert not re.search(r"(?<!\\)[#%_~^]", cells)


# The report 'published' needs ImageNet, which the shipped store does not have.
@pytest.mark.parametrize("name", [spec.name for spec in TABLES if spec.name != "published"])
def test_a_report_is_a_balanced_table(name: str) -> None:
    check(of(name))


def test_awkward_names_stay_text() -> None:
    check(formats.latex([AWKWARD, "b"], [[AWKWARD, 1.0], ["", None]], bold={(0, 0), (1, 1)}))


@pytest.mark.parametrize("name", ["[1, 2]", "*", "[-1ex]", "*[2cm]"])
def test_no_cell_is_parsed_as_an_argument(name: str) -> None:
    r"""Both the end of a row and \\midrule take a bracket that follows them for their own."""
    text = formats.latex([name, "b"], [[name, 1], [name, 2], ["", name]])
    check(text)
    lines = text.splitlines()
    assert [line for line in lines if line.lstrip().startswith(("[", "*"))] == []
    assert lines[2] == f"{{}}{name} & b \\\\"


@pytest.mark.parametrize("wrong", [r"a & b & c \\", r"{a & b \\", r"a_b & c \\", r"\input a & b \\", "a & b"])
def test_the_check_can_fail(wrong: str) -> None:
    text = formats.latex(["x", "y"], [["here", 1]]).replace(r"here & 1 \\", wrong)
    with pytest.raises(AssertionError):
        check(text)


def can_compile() -> bool:
    if shutil.which("pdflatex") is None or shutil.which("kpsewhich") is None:
        return False
    return bool(subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True, check=False).stdout)


@pytest.mark.skipif(not can_compile(), reason="pdflatex with booktabs is not installed here")
def test_it_compiles(tmp_path: Path) -> None:
    tables = "\n\n".join([*(of(spec.name) for spec in TABLES), formats.latex([AWKWARD], [[AWKWARD]])])
    document = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n\\tiny\n%s\n\\end{document}\n"
    (tmp_path / "all.tex").write_text(document % tables, encoding="utf-8")
    answer = subprocess.run(
        ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "all.tex"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout[-2000:]
    assert (tmp_path / "all.pdf").stat().st_size > 1000
