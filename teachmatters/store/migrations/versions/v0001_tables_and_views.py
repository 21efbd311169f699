"""The tables and the four public views."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# On PostgreSQL, as on SQLite, texts sort by their bytes, booleans are 1 or 0, and integers have 64 bits.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
FLAG = sa.Boolean().with_variant(sa.SmallInteger(), "postgresql")
COUNT = sa.Integer().with_variant(sa.BigInteger(), "postgresql")

ROW = """
    run.run_id AS run_id, {label} AS model, model.weights AS weights, model.family AS family,
    model.supervision AS supervision, model.arch AS arch, model.patch_size AS patch_size,
    model.image_size AS image_size, model.depth AS depth, run.dataset AS dataset, run.split AS split,
    run.setting AS setting, run.analysis AS analysis, NULLIF(number.protocol, '') AS protocol, metric.name AS metric,
    NULLIF({layer}, 0) AS layer, NULLIF(number.head, 0) AS head, NULLIF({other_label}, '') AS other_model,
    NULLIF({other_layer}, 0) AS other_layer, NULLIF({category}, '') AS category, number.value AS value,
    number.std AS std, number.n AS n, metric.unit AS unit, metric.higher_is_better AS higher_is_better,
    run.finished_at AS finished_at"""

SOURCE = """
FROM recorded
JOIN run_facts AS run ON run.id = recorded.run_id
JOIN metrics AS metric ON metric.id = recorded.metric_id
JOIN models AS model ON model.id = run.{model_id}
JOIN records AS number ON number.run_id = recorded.run_id AND number.metric_id = recorded.metric_id
    AND number.protocol = recorded.protocol"""

AS_MEASURED = {
    "label": "run.model",
    "other_label": "run.other_model",
    "layer": "number.layer",
    "other_layer": "number.other_layer",
    "category": "number.category",
}

# A pair of different models is stored once and shown both ways. cka-norm's category names the norms of the two layers.
SWAPPED = {
    "label": "run.other_model",
    "other_label": "run.model",
    "layer": "number.other_layer",
    "other_layer": "number.layer",
    "category": """CASE WHEN metric.name = 'cka-norm' AND number.category = '1-2' THEN '2-1'
        WHEN metric.name = 'cka-norm' AND number.category = '2-1' THEN '1-2' ELSE number.category END""",
}

DIFFERENT = "run.other_model <> '' AND run.other_model <> run.model"

RESULTS = (
    f"SELECT {ROW.format(**AS_MEASURED)} {SOURCE.format(model_id='model_id')} WHERE recorded.is_newest = 1\nUNION ALL\n"
    f"SELECT {ROW.format(**SWAPPED)} {SOURCE.format(model_id='other_model_id')} WHERE recorded.is_newest = 1\n"
    f"    AND {DIFFERENT}"
)

ALL_RESULTS = (
    f"SELECT {ROW.format(**AS_MEASURED)}, recorded.is_newest AS is_newest {SOURCE.format(model_id='model_id')}\n"
    f"UNION ALL\nSELECT {ROW.format(**SWAPPED)}, recorded.is_newest AS is_newest\n"
    f"{SOURCE.format(model_id='other_model_id')} WHERE {DIFFERENT}"
)

RUNS = """
SELECT run.run_id, run.model, model.name, model.weights, NULLIF(run.other_model, '') AS other_model,
    other.weights AS other_weights, run.dataset, run.fingerprint, run.split, run.analysis, run.analysis_version,
    run.parameters, run.setting, run.limit_n, run.seed, run.dtype, run.device, run.n_items, run.n_skipped, run.notes,
    run.versions, run.git_commit, run.started_at, run.finished_at, run.seconds
FROM run_facts AS run JOIN models AS model ON model.id = run.model_id
LEFT JOIN models AS other ON other.id = run.other_model_id"""

MAPS = """
SELECT run.run_id, run.model, run.dataset, run.split, run.analysis, run.setting, map.name, map.layer, map.axes,
    map.shape, map.dtype, unit_list.units, map.data
FROM map_arrays AS map JOIN run_facts AS run ON run.id = map.run_id
LEFT JOIN unit_lists AS unit_list ON unit_list.id = map.unit_list_id"""


def upgrade() -> None:
    """Upgrade an empty file or database."""
    _models_and_metrics()
    _runs()
    _numbers()
    _arrays()
    for name, select in {"results": RESULTS, "all_results": ALL_RESULTS, "runs": RUNS, "maps": MAPS}.items():
        op.execute(f"CREATE VIEW {name} AS {select}")


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=False) for name in names]


def _integer(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer, nullable=False) for name in names]


def _count(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, COUNT, nullable=False) for name in names]


def _models_and_metrics() -> None:
    texts = ("name", "weights", "family", "supervision", "arch")
    integers = ("patch_size", "image_size", "depth", "heads")
    op.create_table(
        "models",
        sa.Column("id", sa.Integer, primary_key=True),
        *_text(*texts),
        *_integer(*integers),
        sa.UniqueConstraint("weights", "name", *texts[2:], *integers),
    )
    op.create_table(
        "metrics",
        sa.Column("id", sa.Integer, primary_key=True),
        *_text("analysis", "name", "title", "summary", "unit"),
        sa.Column("higher_is_better", FLAG),
        sa.Column("lower", sa.Double),
        sa.Column("upper", sa.Double),
        *_text("level", "main_protocol"),
        sa.Column("headline", FLAG, nullable=False),
        *_text("source"),
    )
    op.create_index("metrics_name", "metrics", ["name", "analysis"])


def _runs() -> None:
    op.create_table(
        "run_facts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("run_id", TEXT, nullable=False, unique=True),
        *_text("cell_key", "model"),
        sa.Column("model_id", sa.Integer, sa.ForeignKey("models.id"), nullable=False),
        *_text("other_model"),
        sa.Column("other_model_id", sa.Integer, sa.ForeignKey("models.id")),
        *_text("dataset", "split", "fingerprint", "analysis"),
        *_integer("analysis_version"),
        *_text("parameters", "setting"),
        sa.Column("limit_n", COUNT),
        *_count("seed"),
        *_text("dtype", "device"),
        *_count("n_items", "n_skipped"),
        *_text("notes", "versions"),
        sa.Column("git_commit", TEXT),
        *_text("started_at", "finished_at"),
        sa.Column("seconds", sa.Double, nullable=False),
    )
    op.create_index("run_facts_cell", "run_facts", ["cell_key"])
    key = ["model", "dataset", "split", "analysis", "setting", "other_model"]
    op.create_index("run_facts_model", "run_facts", key)
    op.create_index("run_facts_other_model", "run_facts", ["other_model"])


def _numbers() -> None:
    op.create_table(
        "recorded",
        sa.Column("run_id", sa.Integer, sa.ForeignKey("run_facts.id"), primary_key=True),
        sa.Column("metric_id", sa.Integer, sa.ForeignKey("metrics.id"), primary_key=True),
        sa.Column("protocol", TEXT, primary_key=True),
        *_text("other_model"),
        sa.Column("is_newest", FLAG, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("recorded_metric", "recorded", ["metric_id", "is_newest"])
    key = ["run_id", "metric_id", "protocol"]
    op.create_table(
        "records",
        *_integer("run_id", "metric_id"),
        *_text("protocol"),
        *_integer("layer", "head"),
        *_text("other_model"),
        *_integer("other_layer"),
        *_text("category"),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("std", sa.Double),
        sa.Column("n", COUNT),
        sa.PrimaryKeyConstraint(*key, "layer", "head", "other_model", "other_layer", "category"),
        sa.ForeignKeyConstraint(key, [f"recorded.{name}" for name in key]),
        sqlite_with_rowid=False,
    )


def _arrays() -> None:
    op.create_table(
        "unit_lists",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("sha256", TEXT, nullable=False, unique=True),
        *_text("units"),
    )
    op.create_table(
        "map_arrays",
        sa.Column("run_id", sa.Integer, sa.ForeignKey("run_facts.id"), primary_key=True),
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("layer", sa.Integer, primary_key=True),
        *_text("axes", "shape", "dtype"),
        sa.Column("unit_list_id", sa.Integer, sa.ForeignKey("unit_lists.id")),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
