"""``teachmatters.analyze``: the command ``tm analyze`` from Python."""

from __future__ import annotations

import html
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from teachmatters import config
from teachmatters.errors import TeachMattersError, listing
from teachmatters.progress import shown
from teachmatters.reports.best_values import BestValues, best_values
from teachmatters.reports.cell_rows import Cell
from teachmatters.reports.tables import formats
from teachmatters.results import Names, Results
from teachmatters.runner.outcomes import ModelLines
from teachmatters.runner.requests import AnalyzeRequest, Outcome
from teachmatters.store import location
from teachmatters.store.location import StoreLocation

if TYPE_CHECKING:
    import pandas as pd

Value: TypeAlias = str | int | float | bool | Sequence[int] | Sequence[float] | Sequence[str]


class AnalyzeOptions(TypedDict, total=False):
    """The options of ``tm analyze``, by name."""

    data: Names
    data_root: str | Path
    weights: Names
    supervision: Names
    device: str
    dtype: str
    batch_size: int
    limit: int
    params: Mapping[str, Value]
    seed: int
    force: bool


class Measured(Results):
    """The store after an analysis, and what that analysis measured or reused.

    Attributes:
        outcomes: the outcomes of each model (or pair), data set and analysis.
    """

    def __init__(self, path: StoreLocation, outcomes: Sequence[Outcome]) -> None:
        super().__init__(path)
        self.outcomes = list(outcomes)

    @property
    def best(self) -> pd.DataFrame:
        """Return metrics by models: ``score (best layer)``, or first to last layer for a metric without direction."""
        import pandas as pd

        found = self._best()
        return pd.DataFrame(found.rows, columns=found.columns).set_index("metric")

    def _best(self) -> BestValues:
        cells = {Cell(o.model, o.other, o.dataset, o.analysis, o.setting): o.metrics for o in self.outcomes}
        return best_values(self.path, cells)

    def __repr__(self) -> str:
        found = self._best()
        table = formats.table(found.columns, found.rows, found.bold) if found.rows else ""
        return f"{table}{super().__repr__()}"

    def _repr_html_(self) -> str:
        found = self._best()
        head = "".join(f"<th>{html.escape(name)}</th>" for name in found.columns)
        body = "".join(f"<tr>{_cells(found, nth)}</tr>" for nth in range(len(found.rows)))
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if found.rows else ""
        return f"{table}{super()._repr_html_()}"


def _cells(found: BestValues, nth: int) -> str:
    texts = [html.escape(text) for text in found.rows[nth]]
    bold = [f"<b>{text}</b>" if (nth, column) in found.bold else text for column, text in enumerate(texts)]
    return "".join(f"<td>{text}</td>" for text in bold)


def measure(model: Names, metric: Names, db: str | Path | None, options: AnalyzeOptions) -> Measured:
    """Run an analysis and show its progress; see ``teachmatters.analyze``."""
    from teachmatters.runner.session.analyze import analyze

    request = _request(model, metric, location.writing_path(None if db is None else str(db)), options)
    with shown(lambda text: print(text, file=sys.stderr)) as display:  # noqa: T201  as the command does
        lines = ModelLines(display.say)
        outcomes = analyze(request, display, lines)
        lines.flush()
    failed = {outcome.reason: outcome for outcome in outcomes if outcome.status == "failed"}
    if failed:
        reasons = [f"{outcome.model}, {outcome.analysis}: {reason}" for reason, outcome in failed.items()]
        kept = "" if len(failed) == len(outcomes) else f" The rest is in {request.db}."
        raise TeachMattersError(f"{listing(reasons, 3)}.{kept}") from next(iter(failed.values())).error
    return Measured(request.db, outcomes)


def _request(model: Names, metric: Names, db: StoreLocation, options: AnalyzeOptions) -> AnalyzeRequest:
    given: dict[str, Any] = dict(options)
    known = {field.name for field in fields(AnalyzeRequest)} - {"models", "metrics", "db", "parameters", "engine"}
    if unknown := sorted(set(given) - known - {"params"}):
        raise TeachMattersError(
            f"unknown option {listing(unknown)}; analyze takes {listing(sorted(known), 20)}, params."
        )
    for name in ("data", "weights", "supervision"):
        given[name] = _names(given.get(name, ()))
    if "data_root" in given:
        given["data_root"] = Path(given["data_root"]).expanduser()
    given.setdefault("device", config.default("device") or "auto")
    parameters = [f"{name}={_text(value)}" for name, value in given.pop("params", {}).items()]
    return AnalyzeRequest(models=_names(model), metrics=_names(metric), db=db, parameters=parameters, **given)


def _names(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _text(value: Value) -> str:
    """Return a parameter as ``--param`` takes it: lists joined by commas."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return ",".join(map(str, value))
