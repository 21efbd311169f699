"""The content of a run without the integer keys of its store, to be compared with another run of the same id."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import astuple, dataclass
from typing import Any, TypeAlias

from teachmatters.store.merge.target import Queryable
from teachmatters.store.schema import Array, Base, Metric, Model, Number, RunFacts

Rows: TypeAlias = list[tuple[Any, ...]]


def columns(table: type[Base], *without: str) -> list[str]:
    """Return the names of a table's columns, in order.

    >>> columns(Metric, "id")[:3]
    ['analysis', 'name', 'title']
    """
    return [column.name for column in table.__table__.columns if column.name not in without]


def _of(alias: str, names: list[str]) -> str:
    return ", ".join(f"{alias}.{name}" for name in names)


_KEYS = ("id", "run_id", "model_id", "other_model_id")
# Names of the facts of a Content, in order.
FACTS = [
    *columns(RunFacts, *_KEYS),
    *(f"model's {name}" for name in columns(Model, "id")),
    *(f"other model's {name}" for name in columns(Model, "id")),
]

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
# The columns that are equal in all rows of a run and metric are omitted.
_NUMBERS = f"""
SELECT {", ".join(NUMBER)}
FROM records
WHERE run_id = ? AND metric_id = ? AND protocol = ?
ORDER BY layer, head, other_model, other_layer, category
"""
# A list of units may hold 50,000 names and is shared by many arrays, so its hash represents it.
_ARRAYS = f"""
SELECT unit_list.sha256, {_of("map", columns(Array, "run_id", "unit_list_id"))}
FROM map_arrays AS map
LEFT JOIN unit_lists AS unit_list ON unit_list.id = map.unit_list_id
WHERE map.run_id = ?
ORDER BY map.name, map.layer
"""

# In the order of _RECORDED.
_GROUPS = """
SELECT metric.id, recorded.protocol
FROM recorded
JOIN metrics AS metric ON metric.id = recorded.metric_id
WHERE recorded.run_id = ?
ORDER BY metric.name, recorded.protocol
"""
_GROUP = "{}.records WHERE run_id = ? AND metric_id = ? AND protocol = ?"
_HERE, _THERE = _GROUP.format("main"), _GROUP.format("{schema}")
# Each has a row if the numbers of a run, metric and protocol differ: in what they are, or in how many there are. In the
# order of the primary key, SQLite compares without sorting.
_DIFFERENCES = (
    f"SELECT {', '.join(NUMBER)} FROM {_HERE} EXCEPT SELECT {', '.join(NUMBER)} FROM {_THERE} "
    f"ORDER BY {', '.join(column.name for column in Number.__table__.primary_key if column.name in NUMBER)} LIMIT 1",
    f"SELECT 1 WHERE (SELECT count(*) FROM {_HERE}) <> (SELECT count(*) FROM {_THERE})",
)


@dataclass(frozen=True, slots=True)
class Content:
    """Everything that a store holds about a run, except its id and which of its metrics are the newest.

    Attributes:
        facts: the facts of the run and its models, with the names in FACTS.
        recorded: metrics with their facts, and protocols.
        numbers: rows of each metric and protocol, with the names in NUMBER.
        arrays: rows of the arrays.
    """

    facts: tuple[Any, ...]
    recorded: Rows
    numbers: dict[tuple[str, str], Rows]
    arrays: Rows

    @classmethod
    def of(cls, connection: Queryable, key: int, *, numbers_too: bool = True) -> Content:
        """Read the content of a run; ``key`` is its key in that store."""
        recorded, numbers = [], {}
        for metric, *facts in connection.execute(_RECORDED, (key,)).fetchall():
            name, protocol = facts[_NAME], facts[-1]
            recorded.append(tuple(facts))
            if numbers_too:
                numbers[name, protocol] = connection.execute(_NUMBERS, (key, metric, protocol)).fetchall()
        about = connection.execute(_FACTS, (key,)).fetchone()
        return cls(about, recorded, numbers, connection.execute(_ARRAYS, (key,)).fetchall())

    @property
    def finished_at(self) -> str:
        """Return the time at which the run ended."""
        return str(self.facts[FACTS.index("finished_at")])

    @property
    def digest(self) -> str:
        """Return the sha256 of the content in hex."""
        return hashlib.sha256(repr(astuple(self)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Clash:
    """Two different runs with the same id.

    Attributes:
        run_id: the id.
        here, there: the run in the target, and the run to be added.
        incoming: the id of the added run in the target.
        own: the new id of one of the two.
    """

    run_id: str
    here: Content
    there: Content
    incoming: str
    own: str


def resolve(source: Queryable, target: Queryable, run_id: str, schema: str = "") -> Clash | None:
    """Return None if both stores hold the same run; otherwise give one of the two runs a new id and return both.

    The later run keeps the id; if both finished at the same time, the run with the larger digest keeps it. So the
    result depends neither on the order of merging nor on the number of runs.

    Args:
        source: the store to add.
        target: the store that is merged into.
        run_id: a run of both.
        schema: name of the source in the connection of the target; empty if it is not attached.
    """
    keys = [store.execute(_KEY, (run_id,)).fetchone()[0] for store in (target, source)]
    if schema and _equal(source, target, schema, keys):
        return None
    here, there = (Content.of(store, key) for store, key in zip((target, source), keys, strict=True))
    if here == there:
        return None
    if (there.finished_at, there.digest) > (here.finished_at, here.digest):
        own = _own_id(run_id, here)
        target.execute("UPDATE run_facts SET run_id = ? WHERE run_id = ?", (own, run_id))
        return Clash(run_id, here, there, incoming=run_id, own=own)
    own = _own_id(run_id, there)
    return Clash(run_id, here, there, incoming=own, own=own)


def _equal(source: Queryable, target: Queryable, schema: str, keys: list[int]) -> bool:
    """Return whether two runs are equal; SQLite compares the numbers, five times as fast as they are read."""
    stores = list(zip((target, source), keys, strict=True))
    here, there = (Content.of(store, key, numbers_too=False) for store, key in stores)
    if here != there:
        return False
    groups = [[(key, *row) for row in store.execute(_GROUPS, (key,)).fetchall()] for store, key in stores]
    return not any(
        target.execute(sql.format(schema=schema), (*of_here, *of_there)).fetchall()
        for of_here, of_there in zip(*groups, strict=True)
        for sql in _DIFFERENCES
    )


def _own_id(run_id: str, content: Content) -> str:
    """Return a UUID (version 5, unlike the version 4 of runs) that is the same on every machine."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{run_id} {content.digest}"))
