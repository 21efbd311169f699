"""Running a report: options -> names in the store -> one query -> rows, a table, a drawing."""

from __future__ import annotations

import importlib.resources
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from teachmatters.api import ReportSpec
from teachmatters.errors import NothingToShowError, SqlError, TeachMattersError, listing
from teachmatters.registry import call
from teachmatters.reports import binding
from teachmatters.reports.backend import drop_missing_backend
from teachmatters.reports.catalog import TIMEOUT, Catalog, read_catalog
from teachmatters.reports.options import BINDS, Options
from teachmatters.reports.tables import captions
from teachmatters.store.location import StoreLocation
from teachmatters.store.reader import Rows, query
from teachmatters.store.values import check_rows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass
class Report:
    """A report that was run.

    Attributes:
        spec: which one.
        options: what was asked for, as names in the store, with the metrics' facts.
        sql: the query, every value in it.
        data: columns and rows as the query gave them.
        caption: data sets, settings, what was left out: a line each.
    """

    spec: ReportSpec
    options: Options
    sql: str
    data: Rows
    caption: list[str]

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The query's rows."""
        import pandas as pd

        return pd.DataFrame(self.data.rows, columns=self.data.columns)

    @cached_property
    def table(self) -> pd.DataFrame:
        """What people read: texts, already rounded; ``attrs["bold"]`` holds the positions
        (row, column) to stress, ``attrs["labels"]`` the number of leading columns that name the rows, ``attrs["foot"]``
        the number of closing lines that sum up, ``attrs["notes"]`` lines to go beneath it.
        """
        if not self.spec.table:
            from teachmatters.reports.tables.frames import rounded

            return rounded(self.rows)
        table: pd.DataFrame = call(self.spec.table, self.rows, self.options)
        return table

    def figure(self) -> Figure:
        """The drawing.

        Raises:
            TeachMattersError: the report has none.
        """
        if not self.spec.draw:
            raise TeachMattersError(f"report {self.spec.name!r} has no drawing; leave out --plot.")
        drop_missing_backend()
        from teachmatters.reports.figures import plots

        with plots.look():
            figure: Figure = call(self.spec.draw, self.rows, self.options)
            # A drawing travels without its text: it says itself which data and setting it shows.
            about = "   ".join(line for line in self.caption if line.startswith(("Data: ", "Setting")))
            plots.caption(figure, about)
        return figure


def run_report(spec: ReportSpec, path: StoreLocation, options: Options, catalog: Catalog | None = None) -> Report:
    """Run a report on a store; ``catalog`` is what it holds, for whoever runs several.

    Raises:
        TeachMattersError: a name that the store does not hold, an option that the report does not take, or nothing to
            show; the message says which command would fill it.
    """
    text = read_sql(spec)
    _refuse_unused(spec, binding.names(text), options)
    catalog = catalog or read_catalog(path)
    found = _resolve(spec, binding.names(text), catalog, options)
    sql = binding.bind(text, found, spec.name)
    data = _run(spec, path, sql)
    if not data.rows:
        raise _nothing(spec, text, found, catalog)
    _refuse_absent_heads(data, found, path)
    if spec.enrich:
        data = call(spec.enrich, data, found, lambda text: _run(spec, path, text))
    hint = captions.others(spec, options, found, catalog) if "metrics" in binding.names(text) else []
    return Report(spec, found, sql, data, captions.caption(data, found, catalog) + hint)


def _run(spec: ReportSpec, path: StoreLocation, sql: str) -> Rows:
    try:
        found = query(path, sql, timeout=TIMEOUT)
    except SqlError as error:
        if isinstance(path, Path):
            raise
        raise TeachMattersError(
            f"report {spec.name!r} does not run on PostgreSQL: {error}. 'tm db merge {path} --into FILE.db' makes a "
            f"file of the store, and 'tm report {spec.name} --db FILE.db' reads that."
        ) from error
    check_rows(path, found.columns, found.rows)
    return found


def _nothing(spec: ReportSpec, text: str, found: Options, catalog: Catalog) -> NothingToShowError:
    """Why a report is empty: its layers, its models and data, or metrics that are not for it."""

    def of(options: Options) -> Rows:
        return query(catalog.path, binding.bind(text, options, spec.name), timeout=TIMEOUT)

    whole = replace(found, layers=(), heads=())
    elsewhere = of(whole) if found.layers or found.heads else None
    fits = not (spec.metrics or spec.directed) or bool(of(replace(whole, models=(), data=())).rows)
    return NothingToShowError(captions.nothing(spec, found, catalog, elsewhere, fits=fits))


def _refuse_absent_heads(data: Rows, found: Options, path: StoreLocation) -> None:
    """Heads that were asked for, where only layers as a whole have numbers."""
    if not found.heads or "head" not in data.columns or any(head for (head,) in data.distinct(["head"])):
        return
    sql = f"SELECT max(head) FROM results WHERE metric IN ({binding.literal(found.metrics)})"
    most = query(path, sql, timeout=TIMEOUT).rows[0][0]
    held = f"there are heads 1 to {most}" if most else "they have no numbers of single heads: leave out --heads"
    raise NothingToShowError(
        f"{path.name} has no heads {listing(map(str, found.heads))} of {listing(found.metrics)}; {held}."
    )


def read_sql(spec: ReportSpec) -> str:
    """The text of ``package:file.sql``.

    Raises:
        TeachMattersError: there is no such file.
    """
    package, _, name = spec.sql.partition(":")
    try:
        return importlib.resources.files(package).joinpath(name).read_text(encoding="utf-8")
    except (ImportError, OSError) as error:
        raise TeachMattersError(f"report {spec.name!r} cannot read its SQL {spec.sql!r}: {error}.") from error


def _refuse_unused(spec: ReportSpec, used: set[str], options: Options) -> None:
    """An option that the query does not look at would silently do nothing."""
    if options.by and not spec.by:
        raise TeachMattersError(
            f"report {spec.name!r} takes no --by; reports of lines over the layers do, such as metric."
        )
    for name in BINDS:
        if getattr(options, name) and name not in used:
            takes = listing(f"--{_option(n)}" for n in BINDS if n in used)
            raise TeachMattersError(f"report {spec.name!r} takes no --{_option(name)}; it takes {takes}.")


def _option(bind: str) -> str:
    return {"metrics": "metric", "models": "model"}.get(bind, bind)


def _resolve(spec: ReportSpec, used: set[str], catalog: Catalog, options: Options) -> Options:
    metrics: tuple[str, ...] = ()
    if "metrics" in used:
        metrics = catalog.find_metrics(options.metrics) or _default_metrics(spec, catalog, options)
        if len(metrics) < spec.least:
            held = listing(
                [name for name, fact in catalog.facts.items() if fact.has_numbers and name not in metrics], 8
            )
            raise TeachMattersError(
                f"report {spec.name!r} takes at least {spec.least} metrics, and here is {listing(metrics)} alone; give "
                f"--metric as often. {catalog.path.name} also holds {held or 'no other'}."
            )
    return replace(
        options,
        models=catalog.find_models(options.models),
        metrics=metrics,
        data=catalog.find_data(options.data),
        setting=catalog.find_setting(options.setting),
        facts=catalog.facts,
    )


def _default_metrics(spec: ReportSpec, catalog: Catalog, options: Options) -> tuple[str, ...]:
    """The report's own metrics that were measured; for a report of any metric the newest with numbers, or
    every one that has a better.
    """
    if not spec.metrics:
        if spec.directed:
            return tuple(fact.name for fact in catalog.facts.values() if fact.higher_is_better is not None)
        order = {name: place for place, name in enumerate(catalog.analyses)}
        ranked = sorted(catalog.facts.values(), key=lambda fact: (not fact.has_numbers, order[fact.analysis]))
        return tuple(fact.name for fact in ranked[:1])
    held = tuple(name for name in spec.metrics if name in catalog.facts)
    if not held:
        models, data = catalog.find_models(options.models), catalog.find_data(options.data)
        advice = catalog.advice(spec.metrics[0], "measures the first", models, data)
        raise TeachMattersError(
            f"{catalog.path} holds {listing(catalog.facts)}, but nothing that report {spec.name!r} shows "
            f"({listing(spec.metrics)}); {advice}."
        )
    return held
