"""Run a report: options -> names in the store -> one query -> rows, a table, a figure."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
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
from teachmatters.reports.options import BINDS, DRAWING, Options
from teachmatters.reports.tables import captions
from teachmatters.store.location import StoreLocation
from teachmatters.store.reader import Rows, query
from teachmatters.store.values import check_rows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


MODEL_COLUMNS = frozenset({"model", "other_model", "first", "second"})


@dataclass
class Report:
    """The result of a report.

    Attributes:
        spec: the report.
        options: the options with patterns resolved to names in the store, and the metrics' facts.
        sql: the query with all its values.
        data: columns and rows of the query.
        caption: one line each for data sets, settings and missing numbers.
    """

    spec: ReportSpec
    options: Options
    sql: str
    data: Rows
    caption: list[str]

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Return the query's rows, with the models under their display names."""
        import pandas as pd

        rows = pd.DataFrame(self.data.rows, columns=self.data.columns)
        for column in MODEL_COLUMNS & set(rows.columns if self.options.names else ()):
            rows[column] = [self.options.names.get(label, label) for label in rows[column]]
        return rows

    @cached_property
    def _shown_options(self) -> Options:
        """Return the options that tables and figures get: models under their display names."""
        names = self.options.names
        return replace(self.options, models=tuple(names.get(label, label) for label in self.options.models))

    @cached_property
    def table(self) -> pd.DataFrame:
        """Return the table for people, with rounded numbers as text.

        ``attrs["bold"]`` has the positions (row, column) of bold cells, ``attrs["labels"]`` the number of leading
        columns that name the rows, ``attrs["foot"]`` the number of summary rows, ``attrs["notes"]`` lines for below.
        """
        if self.options.plain:
            plain: pd.DataFrame = call(self.spec.plain, self.rows, self._shown_options)
            return plain
        if not self.spec.table:
            from teachmatters.reports.tables.frames import rounded

            return rounded(self.rows)
        table: pd.DataFrame = call(self.spec.table, self.rows, self._shown_options)
        return table

    def figure(self, style: Mapping[str, object] | None = None) -> Figure:
        """Return the figure.

        Args:
            style: changes to the look, by the names of matplotlib's rcParams.

        Raises:
            TeachMattersError: the report has none.
        """
        if not self.spec.draw:
            raise TeachMattersError(f"report {self.spec.name!r} has no figure; leave out --plot.")
        drop_missing_backend()
        from teachmatters.reports.figures import plots

        with plots.look(style):
            figure: Figure = call(self.spec.draw, self.drawn_rows, self._shown_options)
            plots.caption(figure, self._drawn[1])
        return figure

    @property
    def drawn_rows(self) -> pd.DataFrame:
        """Return the rows that the figure shows."""
        return self._drawn[0]

    @cached_property
    def _drawn(self) -> tuple[pd.DataFrame, str]:
        """Return the rows of the figure, and its caption, which names the data in case the figure is shared alone."""
        about = "   ".join(line for line in self.caption if line.startswith(("Data: ", "Setting")))
        if not self.spec.single_data_set or self.options.data:
            return self.rows, about
        # The data set with the most models; of several, the one with the most items.
        sizes = self.rows.groupby(["dataset", "split"]).agg(models=("model", "nunique"), items=("n", "max"))
        if len(sizes) == 1:
            return self.rows, about
        dataset, split = sizes.sort_values(["models", "items"], kind="stable").index[-1]
        others = listing(sorted({name for name, _ in sizes.index} - {dataset}) or [dataset])
        rows = self.rows[(self.rows["dataset"] == dataset) & (self.rows["split"] == split)].reset_index(drop=True)
        return rows, f"Data: {dataset} ({split}); --data draws others: {others}"


def run_report(spec: ReportSpec, path: StoreLocation, options: Options, catalog: Catalog | None = None) -> Report:
    """Run a report on a store; pass ``catalog`` to read the store's content only once for several reports.

    Raises:
        TeachMattersError: a name is not in the store, the report does not take an option, or there is nothing to show;
            the message then names the command that measures it.
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
            f"report {spec.name!r} does not run on PostgreSQL: {error}. 'tm db merge {path} --into FILE.db' copies the "
            f"store to a file, and 'tm report {spec.name} --db FILE.db' reads that."
        ) from error
    check_rows(path, found.columns, found.rows)
    return found


def _nothing(spec: ReportSpec, text: str, found: Options, catalog: Catalog) -> NothingToShowError:
    """Return the error of an empty report: wrong layers, no numbers of the models and data, or unsuitable metrics."""

    def of(options: Options) -> Rows:
        return query(catalog.path, binding.bind(text, options, spec.name), timeout=TIMEOUT)

    unfiltered = replace(found, layers=(), heads=())
    elsewhere = of(unfiltered) if found.layers or found.heads else None
    fits = not (spec.metrics or spec.directed) or bool(of(replace(unfiltered, models=(), data=())).rows)
    return NothingToShowError(captions.nothing(spec, found, catalog, elsewhere, fits=fits))


def _refuse_absent_heads(data: Rows, found: Options, path: StoreLocation) -> None:
    """Raise an error if heads were selected and the metrics have numbers of layers only."""
    if not any(found.heads) or "head" not in data.columns or any(head for (head,) in data.distinct(["head"])):
        return
    sql = f"SELECT max(head) FROM results WHERE metric IN ({binding.literal(found.metrics)})"
    most = query(path, sql, timeout=TIMEOUT).rows[0][0]
    held = f"there are heads 1 to {most}" if most else "they have no numbers for single heads: leave out --heads"
    raise NothingToShowError(
        f"{path.name} has no heads {listing(map(str, found.heads))} of {listing(found.metrics)}; {held}."
    )


def read_sql(spec: ReportSpec) -> str:
    """Read the SQL ``package:file.sql`` of a report.

    Raises:
        TeachMattersError: the file does not exist.
    """
    package, _, name = spec.sql.partition(":")
    try:
        return importlib.resources.files(package).joinpath(name).read_text(encoding="utf-8")
    except (ImportError, OSError) as error:
        raise TeachMattersError(f"report {spec.name!r} cannot read its SQL {spec.sql!r}: {error}.") from error


def _refuse_unused(spec: ReportSpec, used: set[str], options: Options) -> None:
    """Raise an error for an option that the query does not use: it would silently do nothing."""
    if options.plain and not spec.plain:
        raise TeachMattersError(f"report {spec.name!r} has no --plain table; best-layers has one.")
    if options.intervals and not options.plain:
        raise TeachMattersError("--intervals adds columns to the table of --plain; give both.")
    if options.pool and options.by != "supervision":
        raise TeachMattersError("--pool draws a line per supervision; give it together with --by supervision.")
    for name in DRAWING:
        value = getattr(options, name)
        needed, shown = (f"by-{value}", f"by {value}") if name == "by" else (name, name)
        if value and needed not in spec.takes:
            takes = listing(f"--{each.replace('by-', 'by ')}" for each in spec.takes) or "none"
            raise TeachMattersError(f"report {spec.name!r} takes no --{shown}; drawing options that it takes: {takes}.")
    used = used | ({"setting"} if "settings" in used else set())
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
                f"report {spec.name!r} needs at least {spec.least} metrics, and only {listing(metrics)} is given; "
                f"repeat --metric. {catalog.path.name} also holds {held or 'no other'}."
            )
    several = "settings" in used
    settings = catalog.find_settings(options.setting) if several else (catalog.find_setting(options.setting),)
    return replace(
        options,
        models=catalog.find_models(options.models),
        metrics=metrics,
        data=catalog.find_data(options.data),
        setting=settings[0] if len(settings) == 1 else "",
        settings=settings,
        names=_display_names(catalog, options),
        facts=catalog.facts,
    )


def _display_names(catalog: Catalog, options: Options) -> dict[str, str]:
    """Return the display name of each renamed label.

    Raises:
        TeachMattersError: the store has no such model, or two models would have one name.
    """
    names = {label: text for given, text in options.names.items() for label in catalog.find_models([given])}
    shown = [names.get(label, label) for label in catalog.models]
    if twice := sorted({text for text in shown if shown.count(text) > 1}):
        raise TeachMattersError(f"two models would be named {twice[0]!r}; give each its own name with --name.")
    return names


def _default_metrics(spec: ReportSpec, catalog: Catalog, options: Options) -> tuple[str, ...]:
    """Return the report's own metrics that were measured.

    For a report of any metric: the newest with numbers, or for a directed report every metric with a direction.
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
