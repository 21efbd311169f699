"""Writes runs to a store, each in one transaction."""

from __future__ import annotations

from time import sleep
from types import TracebackType
from typing import Any

from sqlalchemy import Engine, func, insert, select, update
from sqlalchemy.orm import Session

from teachmatters.api import MetricSpec, Result
from teachmatters.store.backend import backend_of, plain_errors
from teachmatters.store.location import StoreLocation, plain_path
from teachmatters.store.migrate import WAIT, prepare
from teachmatters.store.postgres.connection import GoneError
from teachmatters.store.public import READING
from teachmatters.store.rows import (
    array_rows,
    check,
    metric_values,
    model_values,
    number_rows,
    recorded_rows,
    run_values,
    unit_lists,
    unit_values,
)
from teachmatters.store.run import Cell, Run
from teachmatters.store.schema import Array, Base, Metric, Model, Number, Recorded, RunFacts, UnitList

PATIENCE = 600.0  # seconds that a finished run waits for other writers before it is lost

PAUSES = (1, 2, 4, 8, 15, 30, 30, 30)  # seconds between attempts to reach a server that may be restarting


class Store:
    """The writing side of a results store.

    Attributes:
        path: the file, or the server's database.
    """

    def __init__(self, path: StoreLocation, engine: Engine | None = None) -> None:
        self.path = path
        self._engine = engine or backend_of(path).writing_engine(PATIENCE)

    @classmethod
    def open(cls, path_or_url: str | StoreLocation, *, timeout: float = WAIT) -> Store:
        """Open a store for writing; make it if it does not exist, and migrate an older one.

        Args:
            path_or_url: a file, a ``sqlite:///`` URL or a ``postgresql://`` URL.
            timeout: seconds to wait now for another writer; ``record`` waits ten minutes.

        Raises:
            TeachMattersError: the file or database cannot be used, see files.py and migrate.py; it is unchanged.
        """
        path = plain_path(path_or_url)
        prepare(path, timeout)
        return cls(path)

    @classmethod
    def reading(cls, path: StoreLocation) -> Store:
        """Open a store for reading only; nothing is created, changed or left behind.

        Raises:
            TeachMattersError: it is not a store, or newer than this code.
        """
        return cls(path, backend_of(path).reading_engine())

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def recorded(self, cell: Cell) -> frozenset[str]:
        """Return the metrics whose newest run, the one that ``results`` shows, has exactly this cell."""
        shown = (
            select(Metric.name, func.max(Recorded.is_newest).label("is_newest"))
            .join(Recorded, Recorded.metric_id == Metric.id)
            .join(RunFacts, RunFacts.id == Recorded.run_id)
            .where(RunFacts.cell_key == cell.key())
            .group_by(Metric.name, Recorded.protocol)
            .subquery()
        )
        whole = select(shown.c.name).group_by(shown.c.name).having(func.min(shown.c.is_newest) == 1)
        with plain_errors(self.path), Session(self._engine.execution_options(**{READING: True})) as session:
            return frozenset(session.scalars(whole))

    def supervisions(self, label: str, weights: str) -> frozenset[str]:
        """Return the supervisions that runs of a model with these weights have recorded."""
        recorded = (
            select(Model.supervision)
            .join(RunFacts, (RunFacts.model_id == Model.id) | (RunFacts.other_model_id == Model.id))
            .where(Model.weights == weights, (RunFacts.model == label) | (RunFacts.other_model == label))
            .distinct()
        )
        with plain_errors(self.path), Session(self._engine.execution_options(**{READING: True})) as session:
            return frozenset(session.scalars(recorded))

    def record(self, run: Run, result: Result) -> None:
        """Store a run with its rows and maps in one transaction, all or nothing.

        Raises:
            TeachMattersError: a value is not finite, recorded twice, or of an undeclared metric or protocol; the disk
                is full; another program kept the store locked for ten minutes; the server was away for two minutes.
        """
        check(run, result)
        for nth, pause in enumerate((*PAUSES, None)):
            try:
                with plain_errors(self.path):
                    self._store(run, result, again=nth > 0)
                return
            except GoneError:
                if pause is None:
                    raise
                sleep(pause)

    def _store(self, run: Run, result: Result, *, again: bool) -> None:
        with Session(self._engine) as session, session.begin():
            if again and session.scalar(select(RunFacts.id).where(RunFacts.run_id == run.run_id)) is not None:
                return  # the connection was lost after the server had stored it
            model = _same_or_new(session, Model, model_values(run.model))
            other = _same_or_new(session, Model, model_values(run.other)) if run.other else None
            run_id = _new(session, RunFacts, run_values(run, model, other))
            metrics = {}
            for spec in run.metrics:
                metrics[spec.name] = _same_or_new(session, Metric, metric_values(run.cell.analysis, spec))
                _supersede(session, run, spec)
            _insert(session, Recorded, recorded_rows(run, run_id, metrics))
            _insert(session, Number, number_rows(run, run_id, metrics, result))
            lists = {units: _same_or_new(session, UnitList, unit_values(units)) for units in unit_lists(result)}
            _insert(session, Array, array_rows(run_id, lists, result))


def _supersede(session: Session, run: Run, spec: MetricSpec) -> None:
    """Clear the mark of the runs that have been the newest for this metric."""
    cell = run.cell
    same = select(RunFacts.id).where(
        RunFacts.model == cell.model,
        RunFacts.dataset == cell.dataset,
        RunFacts.split == cell.split,
        RunFacts.analysis == cell.analysis,
        RunFacts.setting == run.setting,
        RunFacts.other_model == cell.other_model,
    )
    metric = select(Metric.id).where(Metric.name == spec.name)
    session.execute(
        update(Recorded)
        .where(Recorded.run_id.in_(same), Recorded.metric_id.in_(metric), Recorded.protocol.in_(spec.protocols))
        .values(is_newest=False)
        .execution_options(synchronize_session=False)
    )


def _same_or_new(session: Session, table: type[Model | Metric | UnitList], values: dict[str, Any]) -> int:
    """Return the id of the row with exactly this content; inserting it is safe, because the transaction is locked."""
    columns = {name: getattr(table, name) for name in values}
    equal = [columns[name].is_(None) if value is None else columns[name] == value for name, value in values.items()]
    found = session.scalar(select(table.id).where(*equal))
    return found if found is not None else _new(session, table, values)


def _new(session: Session, table: type[Model | Metric | RunFacts | UnitList], values: dict[str, Any]) -> int:
    row = table(**values)
    session.add(row)
    session.flush()
    return row.id


def _insert(session: Session, table: type[Base], rows: list[dict[str, Any]]) -> None:
    if rows:  # SQLAlchemy would insert a row of defaults for none
        session.execute(insert(table), rows)
