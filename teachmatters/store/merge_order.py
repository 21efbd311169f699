"""What depends on order in a store, put into the order of time: which run is newest, which facts are the latest."""

from __future__ import annotations

import sqlite3

from teachmatters.store.merge_content import columns
from teachmatters.store.schema import Metric

_NEWEST = """
UPDATE recorded
SET is_newest = 1 - is_newest
WHERE (run_id, metric_id, protocol) IN (
    SELECT run_id, metric_id, protocol
    FROM (
        SELECT
            recorded.*,
            ROW_NUMBER() OVER (
                PARTITION BY
                    run.model, run.dataset, run.split, run.analysis, run.setting, run.other_model, metric.name, protocol
                ORDER BY run.finished_at DESC, run.run_id DESC
            ) = 1 AS first
        FROM recorded
        JOIN run_facts AS run ON run.id = recorded.run_id
        JOIN metrics AS metric ON metric.id = recorded.metric_id
    )
    WHERE is_newest <> first
)
"""
# The facts of a metric by when they were last measured with; what two runs of one moment say by its text.
_CONTENT = columns(Metric, "id")
_METRICS = f"""
SELECT metrics.name, metrics.id
FROM metrics
LEFT JOIN recorded ON recorded.metric_id = metrics.id
LEFT JOIN run_facts AS run ON run.id = recorded.run_id
WHERE metrics.name IN (SELECT name FROM metrics GROUP BY name HAVING count(*) > 1)
GROUP BY metrics.id
ORDER BY metrics.name, max(run.finished_at), {", ".join(f"metrics.{name}" for name in _CONTENT)}
"""


def settle(target: sqlite3.Connection) -> None:
    """Mark the newest run in every place of ``results``, and let the latest facts of a metric have the highest id."""
    target.execute(_NEWEST)
    before: dict[str, int] = {}
    for name, metric in target.execute(_METRICS).fetchall():
        before[name] = metric if metric > before.get(name, 0) else _move_up(target, metric)


def _move_up(target: sqlite3.Connection, metric: int) -> int:
    """Give the facts of a metric, with all that was measured with them, a new id above all others."""
    names = ", ".join(_CONTENT)
    new = target.execute(f"INSERT INTO metrics ({names}) SELECT {names} FROM metrics WHERE id = ?", (metric,)).lastrowid
    assert new is not None
    runs = [run for (run,) in target.execute("SELECT DISTINCT run_id FROM recorded WHERE metric_id = ?", (metric,))]
    for table in ("recorded", "records"):
        sql = f"UPDATE {table} SET metric_id = ? WHERE run_id = ? AND metric_id = ?"
        target.executemany(sql, [(new, run, metric) for run in runs])
    target.execute("DELETE FROM metrics WHERE id = ?", (metric,))
    return new
