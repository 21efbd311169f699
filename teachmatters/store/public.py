"""What others may count on: the views with their columns, texts, and the revisions known, oldest first."""

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

INTEGERS = frozenset(
    (
        *("patch_size", "image_size", "depth", "layer", "head", "other_layer", "n", "higher_is_better", "is_newest"),
        *("analysis_version", "limit_n", "seed", "n_items", "n_skipped"),
    )
)
REALS = frozenset({"value", "std", "seconds"})
BYTES = frozenset({"data"})
"""Columns of the views by what they hold; all others hold text."""


def storable(text: str) -> str:
    r"""A text as the store holds it: what UTF-8 has no bytes for, as in the name of an odd file, is written out.

    >>> storable("dino@caf\udce9"), storable("café")
    ('dino@caf\\udce9', 'café')
    """
    return text.encode("utf-8", "backslashreplace").decode()
