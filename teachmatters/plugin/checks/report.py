"""Check a report: run it without options on a store that holds its metrics, and draw its table and figure."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from teachmatters.api import ReportSpec
from teachmatters.errors import NothingToShowError, TeachMattersError
from teachmatters.plugin.checks.specs import made
from teachmatters.plugin.findings import CheckFailed, CheckList, CheckSkipped
from teachmatters.registry import load
from teachmatters.reports.figures import plots
from teachmatters.reports.options import Options
from teachmatters.reports.run import read_sql, run_report
from teachmatters.runner.requests import AnalyzeRequest
from teachmatters.runner.session.analyze import analyze

PACKAGED = Path(__file__).parents[2] / "results.db"
MODEL, LIMIT = "mini-random", 4


def check_report(sheet: CheckList, spec: ReportSpec) -> None:
    """Check the query, the table and the figure."""
    with sheet.check("query"):
        read_sql(spec)
    if sheet.not_ok("query"):
        return
    with sheet.check("runs"), tempfile.TemporaryDirectory() as folder:
        report = run_report(spec, _store(spec, Path(folder)), Options())
        table: Any = report.table
        if not isinstance(table, pd.DataFrame) or table.empty:
            what = "an empty DataFrame" if isinstance(table, pd.DataFrame) else f"a {type(table).__name__}"
            raise CheckFailed(
                f"its table is {what}: it must be a DataFrame with rows", sheet.package.place_of_function("table")
            )
        if spec.draw:
            with plots.look():
                made(spec.draw, Figure, report.rows, report.options)


def _store(spec: ReportSpec, folder: Path) -> Path:
    """Return a store with the report's metrics: the bundled one, or one measured for this check.

    Raises:
        CheckSkipped: its metrics cannot be measured here.
    """
    if PACKAGED.exists():
        try:
            run_report(spec, PACKAGED, Options())
        except NothingToShowError:
            pass
        except TeachMattersError:
            if not spec.metrics:
                raise
        else:
            return PACKAGED
    known = {metric.name for analysis in load().analyses.values() for metric in analysis.metrics}
    wanted = [name for name in spec.metrics if name in known]
    if not wanted:
        raise CheckSkipped("no store here holds its metrics, and it names no metric (metrics=) to measure")
    trial = folder / "trial.db"
    request = AnalyzeRequest(models=[MODEL], metrics=wanted, db=trial, limit=LIMIT, device="cpu")
    failed = [outcome for outcome in analyze(request) if outcome.status == "failed"]
    if failed:
        raise CheckSkipped(f"its metrics could not be measured: {failed[0].reason}")
    return trial
