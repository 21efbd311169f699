"""Tests of faults in commands and reports, one at a time: each is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugin.seeding import Change, checked, line_of, seeded, wrong

pytestmark = pytest.mark.usefixtures("here_only")

SPEC = ("__init__.py", "CommandSpec(")
COMMAND = ("command.py", "@app.command")
OPTION = "db: given.DbOption = None"


def test_the_generated_command_has_no_faults(tmp_path: Path) -> None:
    findings = checked(tmp_path, seeded("command"))
    checks = ["facts", "names code", "app", "help", "examples"]
    assert [f.check for f in findings if f.about == "command tmt-seed"] == checks
    assert {f.status for f in findings} == {"ok"}


FAULTS: dict[str, tuple[Change, str, str, tuple[str, str]]] = {
    "no summary": (("__init__.py", 'summary="Count the', 'summary="" and "'), "facts", "summary is empty", SPEC),
    "no module": (
        ("__init__.py", "tmt_seed.command:app", "tmt_seed.comand:app"),
        "names code",
        "No module named",
        SPEC,
    ),
    "no app": (("command.py", "app = typer.Typer(", "app = dict("), "names code", "cannot be loaded", SPEC),
    "no Typer": (("__init__.py", "command:app", "command:HELP"), "app", "is a str: it must be a typer.Typer", SPEC),
    "an empty app": (("command.py", "@app.command(help=HELP)\n", ""), "app", "a Typer app without a command", SPEC),
    "no help": (("command.py", "(help=HELP)", "(help=' ')"), "help", "'tm tmt-seed --help' has no summary", COMMAND),
    "an option without help": (
        ("command.py", OPTION, f"{OPTION}, most: int = 3"),
        "help",
        "--most of 'tm tmt-seed' has no help",
        COMMAND,
    ),
    "no examples": (
        ("command.py", "Examples:", "So:"),
        "examples",
        "the help of 'tm tmt-seed' shows no example",
        COMMAND,
    ),
    "examples of another": (
        ("command.py", "  tm tmt-seed", "  tm other"),
        "examples",
        "the help of 'tm tmt-seed' shows no example",
        COMMAND,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_command_is_named_with_its_line(tmp_path: Path, fault: str) -> None:
    change, check, words, where = FAULTS[fault]
    found = wrong(checked(tmp_path, seeded("command", change)))
    assert [(each.about, each.check) for each in found[:1]] == [("command tmt-seed", check)]
    assert words in found[0].message
    assert found[0].where == line_of(tmp_path, *where)


# ---------------------------------------------------------------- reports
SPECS = '''"""A report."""

from teachmatters import hookimpl
from teachmatters.api import ReportSpec

TEACHMATTERS_API = 2


@hookimpl
def register_reports():
    """The report."""
    return [
        ReportSpec(
            name="tmt-seed",
            summary="the distances",
            sql="tmt_seed:rows.sql",
            draw="tmt_seed.report:draw",
            table="tmt_seed.report:table",
            metrics=("attn-distance",),
        )
    ]
'''
CODE = '''"""Its table and drawing."""

from matplotlib.figure import Figure


def table(rows, options):
    """The table."""
    return rows


def draw(rows, options):
    """The drawing."""
    return Figure()
'''
QUERY = "SELECT model, dataset, setting, layer, value FROM results WHERE metric = 'attn-distance' AND head IS NULL"


def reporting(**changes: str) -> dict[str, str]:
    files = {"__init__.py": SPECS, "report.py": CODE, "rows.sql": QUERY} | {
        name.replace("_py", ".py").replace("_sql", ".sql").replace("init", "__init__"): text
        for name, text in changes.items()
    }
    return {f"tmt_seed/{name}": text for name, text in files.items()}


def test_a_correct_report_has_no_faults(tmp_path: Path) -> None:
    findings = checked(tmp_path, reporting())
    assert [f.check for f in findings if f.about == "report tmt-seed"] == ["facts", "names code", "query", "runs"]
    assert wrong(findings) == []


@pytest.mark.parametrize(
    ("files", "check", "words", "where"),
    [
        (reporting(init_py=SPECS.replace("rows.sql", "row.sql")), "query", "cannot read its SQL", "ReportSpec("),
        (reporting(rows_sql="SELECT layers FROM results"), "runs", "no such column: layers", "ReportSpec("),
        (
            reporting(report_py=CODE.replace("return rows", "return rows[:0]")),
            "runs",
            "an empty DataFrame",
            "def table",
        ),
        (reporting(report_py=CODE.replace("return rows", "return [rows]")), "runs", "its table is a list", "def table"),
        (reporting(report_py=CODE.replace("Figure()", "rows['x']")), "runs", "KeyError: 'x'", "rows['x']"),
        (
            reporting(report_py=CODE.replace("Figure()", "None")),
            "runs",
            "must make a Figure, not a NoneType",
            "ReportSpec(",
        ),
    ],
)
def test_a_fault_of_a_report_is_named_with_its_line(
    tmp_path: Path, files: dict[str, str], check: str, words: str, where: str
) -> None:
    found = wrong(checked(tmp_path, files))
    assert [(each.about, each.check) for each in found[:1]] == [("report tmt-seed", check)]
    assert words in found[0].message
    assert found[0].where == line_of(tmp_path, "__init__.py" if where == "ReportSpec(" else "report.py", where)


def test_missing_numbers_are_measured_for_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teachmatters.plugin.checks.report.PACKAGED", tmp_path / "none.db")
    assert wrong(checked(tmp_path, reporting())) == []


def test_numbers_that_cannot_be_measured_are_listed_as_not_checked(tmp_path: Path) -> None:
    specs = SPECS.replace('metrics=("attn-distance",)', 'metrics=("tmt-gone",)')
    findings = checked(tmp_path, reporting(init_py=specs, rows_sql=QUERY.replace("attn-distance", "tmt-gone")))
    assert [(f.check, f.status) for f in findings][-1] == ("runs", "not checked")
    assert wrong(findings) == []
