"""What a run is made of, whatever the integer keys of its store: to be compared with another of the same id."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import astuple, dataclass
from typing import Any, TypeAlias

from teachmatters.store.merge.target import Queryable
from teachmatters.store.schema import Array, Base, Metric, Model, Number, RunFacts

Rows: TypeAlias = list[tuple[Any, ...]]


def columns(table: type[Base], *without: str) -> list[str]:
    """Names of a table's columns, in order.

    >>> columns(Metric, "id")[:3]
    ['analysis', 'name', 'title']
    """
    return [column.name for column in table.__table__.columns if column.name not in without]


def _of(alias: str, names: list[str]) -> str:
    return ", ".join(f"{alias}.{name}" for name in names)


_KEYS = ("id", "run_id", "model_id", "other_model_id")
FACTS = [
    *columns(RunFacts, *_KEYS),
    *(f"model's {name}" for name in columns(Model, "id")),
    *(f"other model's {name}" for name in columns(Model, "id")),
]
"""What a content's facts are about, in order."""

_KEY = "SELECT id FROM run_facts WHERE run_id = ?"
NUMBER = columns(Number, "run_id", "metric_id", "protocol")
_NAME = columns(Metric, "id").index("name")

_FACTS = f"""
SELECT
    {_of("run", columns(RunFacts, *_KEYS))},
    {_of("model", columns(Model, "id"))},
    {_of("other", columns(Model, "id"))}
FROM run_facts AS run
JOIN models AS model ON model.id = run.model_id
LEFT JOIN models AS other ON other.id = run.other_model_id
WHERE run.id = ?
"""
_RECORDED = f"""
SELECT metric.id, {_of("metric", columns(Metric, "id"))}, recorded.other_model, recorded.protocol
FROM recorded
JOIN metrics AS metric ON metric.id = recorded.metric_id
WHERE recorded.run_id = ?
ORDER BY metric.name, recorded.protocol
"""
# Without what is the same in all of them.
_NUMBERS = f"""
SELECT {", ".join(NUMBER)}
FROM records
WHERE run_id = ? AND metric_id = ? AND protocol = ?
ORDER BY layer, head, other_model, other_layer, category
"""
# A list of units may hold 50,000 names, and many arrays share it.
_ARRAYS = f"""
SELECT unit_list.sha256, {_of("map", columns(Array, "run_id", "unit_list_id"))}
FROM map_arrays AS map
LEFT JOIN unit_lists AS unit_list ON unit_list.id = map.unit_list_id
WHERE map.run_id = ?
ORDER BY map.name, map.layer
"""


@dataclass(frozen=True, slots=True)
class Content:
    """All of a run but its id, and which of its metrics are the newest.

    Attributes:
        facts: of run and models, as FACTS names them.
        recorded: its metrics with their facts, and protocols.
        numbers: of each metric and protocol the rows, as NUMBER names them.
        arrays: its arrays.
    """

    facts: tuple[Any, ...]
    recorded: Rows
    numbers: dict[tuple[str, str], Rows]
    arrays: Rows

    @classmethod
    def of(cls, connection: Queryable, key: int) -> Content:
        """Read it; ``key`` is the run's in that store."""
        recorded, numbers = [], {}
        for metric, *facts in connection.execute(_RECORDED, (key,)).fetchall():
            name, protocol = facts[_NAME], facts[-1]
            recorded.append(tuple(facts))
            numbers[name, protocol] = connection.execute(_NUMBERS, (key, metric, protocol)).fetchall()
        about = connection.execute(_FACTS, (key,)).fetchone()
        return cls(about, recorded, numbers, connection.execute(_ARRAYS, (key,)).fetchall())

    @property
    def finished_at(self) -> str:
        """When the run ended."""
        return str(self.facts[FACTS.index("finished_at")])

    @property
    def digest(self) -> str:
        """Sha256 in hex of all of it."""
        return hashlib.sha256(repr(astuple(self)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Clash:
    """Two runs with one id.

    Attributes:
        run_id: the id.
        here, there: the target's run, and the one that comes.
        incoming: the id that the one that comes has from now on.
        own: the id that one of the two got.
    """

    run_id: str
    here: Content
    there: Content
    incoming: str
    own: str


def resolve(source: Queryable, target: Queryable, run_id: str) -> Clash | None:
    """None if both hold the same run; else one of the two gets an id of its own, if need be in the target.

    The later one keeps the id, of two at the same moment the one with the larger digest: so it does not matter which
    of the two is here and which comes, nor how many there are.
    """
    here, there = (Content.of(store, store.execute(_KEY, (run_id,)).fetchone()[0]) for store in (target, source))
    if here == there:
        return None
    if (there.finished_at, there.digest) > (here.finished_at, here.digest):
        own = _own_id(run_id, here)
        target.execute("UPDATE run_facts SET run_id = ? WHERE run_id = ?", (own, run_id))
        return Clash(run_id, here, there, incoming=run_id, own=own)
    own = _own_id(run_id, there)
    return Clash(run_id, here, there, incoming=own, own=own)


def _own_id(run_id: str, content: Content) -> str:
    """A UUID (of version 5, where runs have version 4) that is the same wherever the two meet."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{run_id} {content.digest}"))
