"""Runs have a column for their elapsed time, in addition to their share of the time of a command."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# Until this revision, `seconds` held the elapsed time. Old rows keep it, because their shares are unknown; NULL in
# `elapsed` marks them.
RUNS = """
SELECT run.run_id, run.model, model.name, model.weights, NULLIF(run.other_model, '') AS other_model,
    other.weights AS other_weights, run.dataset, run.fingerprint, run.split, run.analysis, run.analysis_version,
    run.parameters, run.setting, run.limit_n, run.seed, run.dtype, run.device, run.n_items, run.n_skipped, run.notes,
    run.versions, run.git_commit, run.started_at, run.finished_at, run.seconds, run.elapsed
FROM run_facts AS run JOIN models AS model ON model.id = run.model_id
LEFT JOIN models AS other ON other.id = run.other_model_id"""


def upgrade() -> None:
    """Upgrade revision 0001."""
    op.add_column("run_facts", sa.Column("elapsed", sa.Double))
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"CREATE OR REPLACE VIEW runs AS {RUNS}")  # dropping the view would revoke its grants
    else:
        op.execute("DROP VIEW runs")
        op.execute(f"CREATE VIEW runs AS {RUNS}")
