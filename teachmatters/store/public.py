"""What others may count on: the views with their columns, texts, and the revisions known, oldest first."""

from __future__ import annotations

from teachmatters.store.columns import COLUMNS

REVISIONS: tuple[str, ...] = ("0001", "0002")
"""All of them can be read; of a new one's columns an older store has none."""

VERSION_TABLE = "teachmatters_revision"

VIEWS: dict[str, tuple[str, ...]] = {view: tuple(columns) for view, columns in COLUMNS.items()}
"""The columns of each view, in order."""

INTEGERS = frozenset(
    (
        *("patch_size", "image_size", "depth", "layer", "head", "other_layer", "n", "higher_is_better", "is_newest"),
        *("analysis_version", "limit_n", "seed", "n_items", "n_skipped"),
    )
)
REALS = frozenset({"value", "std", "seconds", "elapsed"})
BYTES = frozenset({"data"})
TEXTS = frozenset(name for names in VIEWS.values() for name in names) - INTEGERS - REALS - BYTES
"""Columns of the views by what they hold."""
COUNTED = frozenset({"layer", "head", "other_layer", "depth", "heads"})
DEEPEST = 1_000_000
"""No model has as many layers or heads."""
LARGEST = 1e100
"""A number of a larger size is not taken for measured: nor would its square be finite."""


def storable(text: str) -> str:
    r"""A text as the store holds it: what UTF-8 has no bytes for, as in the name of an odd file, is written out.

    >>> storable("dino@caf\udce9"), storable("café")
    ('dino@caf\\udce9', 'café')
    """
    return text.encode("utf-8", "backslashreplace").decode()


READING = "reading"  # the SQLAlchemy execution option of transactions that need no lock
