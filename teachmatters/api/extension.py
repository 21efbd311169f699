"""What a plugin adds beside models, data sets and analyses: reports and commands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSpec:
    """A report: a query of the store's views, a table made of its rows, and a drawing.

    Attributes:
        name: ``best-layers``.
        summary: one line.
        sql: ``package:file.sql``, a SELECT on the four views.
        draw: ``module:callable`` from the rows and the options to a matplotlib figure.
        enrich: ``module:callable`` from the query's rows (``teachmatters.store.reader.Rows``), the options and a
            function that asks the store in SQL, to rows with further columns: what no query can compute.
        table: ``module:callable`` from the rows and the options to the table that people read; empty: the rows.
        metrics: metrics it shows when none is named, in order of preference.
        directed: whether it shows only metrics that have a better.
        least: how many metrics it needs.
        by: whether its drawing can be parted, ``--by supervision``.
    """

    name: str
    summary: str
    sql: str
    draw: str = ""
    enrich: str = ""
    table: str = ""
    metrics: tuple[str, ...] = ()
    directed: bool = False
    least: int = 1
    by: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSpec:
    """A command of ``tm``: ``app`` is ``module:attribute`` naming a typer.Typer."""

    name: str
    summary: str
    app: str
