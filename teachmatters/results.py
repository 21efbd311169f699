"""Read a store in notebooks: DataFrames, arrays and figures. Read-only, and without torch."""

from __future__ import annotations

import html
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from teachmatters import registry
from teachmatters.errors import TeachMattersError, listing
from teachmatters.reports.binding import literal
from teachmatters.reports.catalog import TIMEOUT, Catalog, read_catalog
from teachmatters.reports.options import DRAWING, Options
from teachmatters.reports.run import Report, run_report
from teachmatters.reports.tables.columns import kinds
from teachmatters.reports.tables.data_formats import unique
from teachmatters.store import location
from teachmatters.store.location import Server, StoreLocation
from teachmatters.store.reader import Rows, query
from teachmatters.store.values import check_rows, check_store

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

# One name or several. Each may be a pattern (``mini-*``), a model also a family, a metric also an analysis.
Names: TypeAlias = str | Iterable[str]

_ORDER = """model, dataset, split, setting, metric, protocol NULLS FIRST, layer NULLS FIRST, head NULLS FIRST,
    other_model NULLS FIRST, other_layer NULLS FIRST, category NULLS FIRST"""
_MODELS = """
SELECT DISTINCT model, family, supervision, arch, patch_size, image_size, depth, weights FROM results ORDER BY model
"""
_METRICS = """
SELECT name, analysis, title, unit, higher_is_better, lower, upper, level, summary, source FROM metrics
WHERE id IN (SELECT max(id) FROM metrics GROUP BY name) ORDER BY analysis, name
"""
BY = ("", "supervision", "head", "step")
# Options of a report that are passed on as they are.
OTHERS = frozenset({"setting", "plain", "intervals", "names", *DRAWING})
_FIRST = ["model", "layer", "head", "metric", "value"]
_DTYPES: dict[str, Any] = {"integer": "Int64", "real": "float64", "text": "string"}


class Results:
    """A results store, for reading. It keeps no connection: each call reads the current content of the store.

    Attributes:
        path: the file, or the server's database.
    """

    def __init__(self, path: StoreLocation) -> None:
        check_store(path)
        self.path = path

    @classmethod
    def open(cls, db: str | StoreLocation | None = None) -> Results:
        """Open ``db``, else what TM_DB names, else ``./results.db``, else the store that comes with the package.

        Raises:
            TeachMattersError: the file does not exist, or is not a store.
        """
        if isinstance(db, Server):
            return cls(db)
        return cls(location.reading_path(None if db is None else str(db))[0])

    def query(self, sql: str, *, timeout: float = 30.0) -> pd.DataFrame:
        """Return the rows of one SELECT: NULL is missing, integers stay integers.

        Raises:
            TeachMattersError: the SQL is wrong, does more than read, or takes longer than ``timeout`` seconds.
        """
        return _frame(query(self.path, sql, timeout=timeout))

    def frame(
        self,
        metric: Names = (),
        *,
        model: Names = (),
        data: Names = (),
        setting: str | None = None,
        headline: bool = False,
    ) -> pd.DataFrame:
        """Return the sorted rows of the view ``results``, with model, layer, head, metric and value first.

        Args:
            metric: the metrics. Default: all.
            model: the models. Default: all.
            data: the data sets. Default: all.
            setting: one setting; "" for default parameters, None for all.
            headline: True for one number per layer, without heads and categories.

        Raises:
            TeachMattersError: a name is not in the store.
        """
        import pandas as pd

        held = self._catalog()
        wanted = {
            "metric": held.find_metrics(_names(metric)),
            "model": held.find_models(_names(model)),
            "dataset": held.find_data(_names(data)),
            "setting": () if setting is None else (held.find_setting(setting),),
        }
        terms = [f"{column} IN ({literal(names)})" for column, names in wanted.items() if names]
        terms += ["head IS NULL AND category IS NULL"] if headline else []
        where = f"WHERE {' AND '.join(terms)}" if terms else ""
        rows = query(self.path, f"SELECT * FROM results {where} ORDER BY {_ORDER}", timeout=TIMEOUT)
        check_rows(self.path, rows.columns, rows.rows)
        found = _frame(rows)
        found["finished_at"] = pd.to_datetime(found["finished_at"], utc=True, format="ISO8601")
        found["higher_is_better"] = found["higher_is_better"].astype("boolean")
        return found[[*_FIRST, *(name for name in found.columns if name not in _FIRST)]]

    @property
    def models(self) -> pd.DataFrame:
        """Return the models, by label."""
        return self.query(_MODELS, timeout=TIMEOUT).set_index("model")

    @property
    def metrics(self) -> pd.DataFrame:
        """Return the metrics with title, unit, direction, bounds and source, by name."""
        found = self.query(_METRICS, timeout=TIMEOUT)
        found["higher_is_better"] = found["higher_is_better"].astype("boolean")
        return found.set_index("name")

    @property
    def runs(self) -> pd.DataFrame:
        """Return the runs, the origin of each number; the newest is last."""
        return self.query("SELECT * FROM runs ORDER BY finished_at, run_id", timeout=TIMEOUT)

    def map(
        self, name: str, *, layer: int, model: str | None = None, data: str | None = None, setting: str | None = None
    ) -> np.ndarray[Any, Any]:
        """Return a stored array of its newest run, such as an averaged attention map (heads, height, width).

        Args:
            name: such as ``attn-map-cls``, or ``unit:knn-top1`` for the scores of single units.
            layer: from 1.
            model: optional if there is only one.
            data: optional if there is only one.
            setting: optional if there is only one, or one with default parameters.

        Raises:
            TeachMattersError: no array, or more than one, matches; the message lists the candidates.
        """
        from teachmatters.reports.tables.arrays import stored

        wanted = {"name": name, "model": model, "dataset": data, "setting": setting, "layer": layer}
        chosen = self._choose(wanted)
        where = " AND ".join(f"maps.{column} = {literal(value)}" for column, value in chosen.items())
        found = query(
            self.path,
            f"SELECT maps.data FROM maps JOIN runs USING (run_id) WHERE {where} "
            "ORDER BY runs.finished_at DESC, run_id LIMIT 1",
            timeout=TIMEOUT,
        )
        return stored(found.rows[0][0]).copy()  # a notebook may write into it

    def _choose(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Return the key of one map, chosen column by column; an error lists the remaining values."""
        chosen: dict[str, Any] = {}
        for column, value in wanted.items():
            where = " AND ".join(f"{one} = {literal(chosen[one])}" for one in chosen) or "TRUE"
            sql = f"SELECT DISTINCT {column} FROM maps WHERE {where} ORDER BY 1"
            held = [row[0] for row in query(self.path, sql, timeout=TIMEOUT).rows]
            chosen[column] = _usual(column, held) if value is None else value
            if chosen[column] not in held:
                raise TeachMattersError(f"{self.path.name} has {_mismatch(column, value, held, chosen)}")
        return chosen

    def figure(self, report: str, **options: Any) -> Figure:
        """Return the figure of a report, as ``tm report NAME --plot`` draws it; options as for ``report``.

        Raises:
            TeachMattersError: the report, a name or the figure does not exist, or there is nothing to show.
        """
        figure = self._run(report, **options).figure()
        figure._repr_png_ = lambda: _png(figure)  # type: ignore[attr-defined]  # a notebook shows it without pyplot
        return figure

    def report(self, name: str, **options: Any) -> pd.DataFrame:
        """Return the table of a report, as the rounded texts that ``tm report NAME`` prints.

        Args:
            name: the report.
            options: ``metric``, ``model``, ``data`` (a name or several), ``setting``, ``layers`` and ``heads``
                (numbers), ``names`` (a display name for each model), for best-layers ``plain=True`` with
                ``intervals=True``, and the options of figures: ``by``, ``zoom``, ``scale``, ``pool`` and ``sort``.

        Raises:
            TeachMattersError: the report or a name does not exist, or there is nothing to show.
        """
        return self._run(name, **options).table

    def _run(self, name: str, **options: Any) -> Report:
        return run_report(registry.load().report(name), self.path, _options(**options))

    def _catalog(self) -> Catalog:
        return read_catalog(self.path)

    def _content(self) -> dict[str, list[str]]:
        """Return the names in the store, by kind; empty for a store without runs."""
        try:
            held = self._catalog()
        except TeachMattersError:
            return {}
        return {
            "models": list(held.models),
            "metrics": sorted(held.facts),
            "data sets": list(held.data),
            "settings": [setting or "(defaults)" for setting in held.settings],
        }

    def __repr__(self) -> str:
        content = self._content()
        lines = [f"  {kind}: {listing(names)}" for kind, names in content.items()]
        return "\n".join([f"results in {self._where()}{'' if content else ': none yet'}", *lines])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{len(names)} {kind}</th>"
            f"<td style='text-align:left'>{html.escape(', '.join(names))}</td></tr>"
            for kind, names in self._content().items()
        )
        return f"<b>results</b> in {html.escape(self._where())}<table>{rows}</table>"

    def _where(self) -> str:
        return location.BUNDLED if self.path == location.bundled_path() else str(self.path)


def _usual(column: str, held: list[Any]) -> Any:
    """Return the default of a column: the default setting, or the only value; None if there are several."""
    return "" if column == "setting" and "" in held else held[0] if len(held) == 1 else None


def _mismatch(column: str, value: object, held: list[Any], chosen: dict[str, Any]) -> str:
    what = {"name": "map", "dataset": "data"}.get(column, column)
    problem = f"no {what} {value!r}" if value is not None else f"several: pass {what}="
    of = "" if column == "name" else f" of {chosen['name']!r}"
    return f"{problem}{of}; it holds {listing([repr(one) for one in held], most=30)}"


def _frame(found: Rows) -> pd.DataFrame:
    """Make a DataFrame with a type per column, even for empty columns."""
    import pandas as pd

    columns = unique(found.columns)
    frame = pd.DataFrame(found.rows, columns=columns, dtype=object)
    for name, kind in zip(columns, kinds(columns, found.rows), strict=True):
        if kind in _DTYPES:
            frame[name] = frame[name].astype(_DTYPES[kind])
    return frame


def _options(
    *,
    metric: Names = (),
    model: Names = (),
    data: Names = (),
    layers: int | Iterable[int] = (),
    heads: int | Iterable[int] = (),
    **others: Any,
) -> Options:
    if unknown := sorted(set(others) - OTHERS):
        raise TypeError(f"unexpected option {unknown[0]!r}; the other options are {listing(sorted(OTHERS))}")
    if (by := others.get("by", "")) not in BY:
        raise TeachMattersError(f"by={by!r} is unknown; use by='supervision', by='head' or by='step', or leave it out.")
    return Options(
        metrics=_names(metric), models=_names(model), data=_names(data),
        layers=_numbers(layers), heads=_numbers(heads), **others,
    )  # fmt: skip


def _names(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _numbers(numbers: int | Iterable[int] | str) -> tuple[int, ...]:
    if isinstance(numbers, str):
        raise TeachMattersError(
            f"{numbers!r} is a text; layers and heads are numbers, such as 3, [1, 6] or range(1, 4)."
        )
    return (numbers,) if isinstance(numbers, int) else tuple(numbers)


def _png(figure: Figure) -> bytes:
    from teachmatters.reports.figures import plots

    drawn = io.BytesIO()
    with plots.look():
        figure.savefig(drawn, format="png", dpi=120)
    return drawn.getvalue()
