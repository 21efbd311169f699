"""On SQLite, the two views of numbers are one SELECT each, so that a query computes only what it uses.

SQLite computes every column of a ``UNION ALL`` for every row. It inserts a single SELECT into the query instead, and
leaves out the table of numbers if a ``SELECT DISTINCT`` names none of its columns: for this it is a LEFT JOIN, although
``EXISTS`` makes sure that there are numbers. PostgreSQL does so with the earlier views, which stay.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def _either(first: str, second: str) -> str:
    """Return the SQL of a column that belongs to the first model, or to the second if the pair is swapped."""
    return f"CASE direction.column1 WHEN 1 THEN {second} ELSE {first} END"


# cka-norm's category names the norms of the two layers.
CATEGORY = """
    CASE WHEN direction.column1 = 1 AND metric.name = 'cka-norm' AND number.category = '1-2' THEN '2-1'
        WHEN direction.column1 = 1 AND metric.name = 'cka-norm' AND number.category = '2-1' THEN '1-2'
        ELSE number.category END"""

ROW = f"""
    run.run_id AS run_id, {_either("run.model", "run.other_model")} AS model, model.weights AS weights,
    model.family AS family, model.supervision AS supervision, model.arch AS arch, model.patch_size AS patch_size,
    model.image_size AS image_size, model.depth AS depth, run.dataset AS dataset, run.split AS split,
    run.setting AS setting, run.analysis AS analysis, NULLIF(recorded.protocol, '') AS protocol, metric.name AS metric,
    NULLIF({_either("number.layer", "number.other_layer")}, 0) AS layer, NULLIF(number.head, 0) AS head,
    NULLIF({_either("run.other_model", "run.model")}, '') AS other_model,
    NULLIF({_either("number.other_layer", "number.layer")}, 0) AS other_layer, NULLIF({CATEGORY}, '') AS category,
    number.value AS value, number.std AS std, number.n AS n, metric.unit AS unit,
    metric.higher_is_better AS higher_is_better, run.finished_at AS finished_at"""

# A pair of different models is stored once and shown in two directions. CROSS JOIN reads the directions after the run,
# and the direction in EXISTS makes SQLite look for numbers after it has compared the model.
SOURCE = f"""
FROM recorded
JOIN run_facts AS run ON run.id = recorded.run_id
CROSS JOIN (VALUES (0), (1)) AS direction
    ON direction.column1 = 0 OR (run.other_model <> '' AND run.other_model <> run.model)
JOIN metrics AS metric ON metric.id = recorded.metric_id
JOIN models AS model ON model.id = {_either("run.model_id", "run.other_model_id")}
LEFT JOIN records AS number ON number.run_id = recorded.run_id AND number.metric_id = recorded.metric_id
    AND number.protocol = recorded.protocol
WHERE EXISTS (
    SELECT 1 FROM records AS held
    WHERE held.run_id = recorded.run_id AND held.metric_id = recorded.metric_id
        AND held.protocol = recorded.protocol AND direction.column1 IN (0, 1)
)"""

VIEWS = {
    "results": f"SELECT {ROW} {SOURCE} AND recorded.is_newest = 1",
    "all_results": f"SELECT {ROW}, recorded.is_newest AS is_newest {SOURCE}",
}


def upgrade() -> None:
    """Upgrade revision 0002."""
    if op.get_bind().dialect.name != "sqlite":
        return
    for name, select in VIEWS.items():
        op.execute(f"DROP VIEW {name}")
        op.execute(f"CREATE VIEW {name} AS {select}")
