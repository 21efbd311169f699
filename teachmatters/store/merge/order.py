"""Restores the order of time after a merge: marks the newest runs and the latest facts of each metric."""

from __future__ import annotations

from teachmatters.store.merge.content import columns
from teachmatters.store.merge.target import Target
from teachmatters.store.schema import Metric, Recorded

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
            ) AS nth
        FROM recorded
        JOIN run_facts AS run ON run.id = recorded.run_id
        JOIN metrics AS metric ON metric.id = recorded.metric_id
    ) AS numbered
    WHERE is_newest <> CASE nth WHEN 1 THEN 1 ELSE 0 END
)
"""
# The facts of a metric ordered by the last run that used them, then by their text.
_CONTENT = columns(Metric, "id")
_METRICS = f"""
SELECT metrics.name, metrics.id
FROM metrics
LEFT JOIN recorded ON recorded.metric_id = metrics.id
LEFT JOIN run_facts AS run ON run.id = recorded.run_id
WHERE metrics.name IN (SELECT name FROM metrics GROUP BY name HAVING count(*) > 1)
GROUP BY metrics.id
ORDER BY
    metrics.name, max(run.finished_at) NULLS FIRST, {", ".join(f"metrics.{name} NULLS FIRST" for name in _CONTENT)}
"""


_OTHERS = ", ".join(columns(Recorded, "metric_id"))
_MOVES = (
    f"INSERT INTO recorded (metric_id, {_OTHERS}) SELECT ?, {_OTHERS} FROM recorded WHERE run_id = ? AND metric_id = ?",
    "UPDATE records SET metric_id = ? WHERE run_id = ? AND metric_id = ?",
    "DELETE FROM recorded WHERE run_id = ? AND metric_id = ?",
)


def settle(target: Target) -> None:
    """Mark the newest run of every result, and give the latest facts of each metric the highest id."""
    target.execute(_NEWEST)
    before: dict[str, int] = {}
    for name, metric in target.execute(_METRICS).fetchall():
        before[name] = metric if metric > before.get(name, 0) else _move_up(target, metric)


def _move_up(target: Target, metric: int) -> int:
    """Give the facts of a metric, and all rows that refer to them, a new id above all others."""
    names = ", ".join(_CONTENT)
    insert = f"INSERT INTO metrics ({names}) SELECT {names} FROM metrics WHERE id = ? RETURNING id"
    ((new,),) = target.execute(insert, (metric,)).fetchall()
    runs = "SELECT DISTINCT run_id FROM recorded WHERE metric_id = ?"
    for (run,) in target.execute(runs, (metric,)).fetchall():
        for sql in _MOVES:  # in this order, a foreign key is valid at any time
            target.execute(sql, (new, run, metric) if sql.count("?") == 3 else (run, metric))
    target.execute("DELETE FROM metrics WHERE id = ?", (metric,))
    return int(new)
