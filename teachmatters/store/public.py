"""What others may count on: the views with their columns, and the revisions that this code knows, oldest first."""

from __future__ import annotations

REVISIONS: tuple[str, ...] = ("0001",)

VERSION_TABLE = "teachmatters_revision"

RESULTS = (
    "run_id",
    "model",
    "weights",
    "family",
    "supervision",
    "arch",
    "patch_size",
    "image_size",
    "depth",
    "dataset",
    "split",
    "setting",
    "analysis",
    "protocol",
    "metric",
    "layer",
    "head",
    "other_model",
    "other_layer",
    "category",
    "value",
    "std",
    "n",
    "unit",
    "higher_is_better",
    "finished_at",
)

RUNS = (
    "run_id",
    "model",
    "name",
    "weights",
    "other_model",
    "other_weights",
    "dataset",
    "fingerprint",
    "split",
    "analysis",
    "analysis_version",
    "parameters",
    "setting",
    "limit_n",
    "seed",
    "dtype",
    "device",
    "n_items",
    "n_skipped",
    "notes",
    "versions",
    "git_commit",
    "started_at",
    "finished_at",
    "seconds",
)

MAPS = (
    "run_id",
    "model",
    "dataset",
    "split",
    "analysis",
    "setting",
    "name",
    "layer",
    "axes",
    "shape",
    "dtype",
    "units",
    "data",
)

VIEWS: dict[str, tuple[str, ...]] = {
    "results": RESULTS,
    "all_results": (*RESULTS, "is_newest"),
    "runs": RUNS,
    "maps": MAPS,
}
"""The columns of each view, in order."""
