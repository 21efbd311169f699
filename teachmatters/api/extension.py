"""The specs of reports and commands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSpec:
    """A report: a query on the views of the store, a table of its rows, and a figure.

    Attributes:
        name: ``best-layers``.
        summary: one line.
        sql: ``package:file.sql`` with a SELECT on the four views.
        draw: ``module:callable`` that takes the rows and the options and returns a matplotlib figure.
        enrich: ``module:callable`` that adds columns that no query can compute. It takes the rows
            (``teachmatters.store.reader.Rows``), the options and a function that runs SQL on the store.
        table: ``module:callable`` that takes the rows and the options and returns the printed table; empty: the rows.
        plain: as ``table``, for the table that papers print (``--plain``); empty: there is none.
        metrics: the metrics that it shows when none is named, in order of preference.
        directed: whether it shows only metrics with a direction.
        least: the number of metrics that it needs.
        takes: the drawing options that it takes, of ``by-supervision``, ``by-step``, ``by-head``, ``pool``, ``scale``,
            ``sort`` and ``zoom``.
        single_data_set: whether its figure shows one data set, that with the most models, unless ``--data`` chooses.
    """

    name: str
    summary: str
    sql: str
    draw: str = ""
    enrich: str = ""
    table: str = ""
    plain: str = ""
    metrics: tuple[str, ...] = ()
    directed: bool = False
    least: int = 1
    takes: tuple[str, ...] = ()
    single_data_set: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSpec:
    """A command of ``tm``: ``app`` is ``module:attribute`` naming a typer.Typer."""

    name: str
    summary: str
    app: str
