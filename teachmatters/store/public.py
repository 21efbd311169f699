"""The public contract of the store: the views with their columns, and the known revisions, oldest first."""

from __future__ import annotations

from teachmatters.store.columns import COLUMNS

# Stores of every revision can be read; an older store lacks the columns that a newer revision added.
REVISIONS: tuple[str, ...] = ("0001", "0002", "0003")

VERSION_TABLE = "teachmatters_revision"

# The columns of each view, in order.
VIEWS: dict[str, tuple[str, ...]] = {view: tuple(columns) for view, columns in COLUMNS.items()}

# The columns of the views by type.
INTEGERS = frozenset(
    (
        *("patch_size", "image_size", "depth", "layer", "head", "other_layer", "n", "higher_is_better", "is_newest"),
        *("analysis_version", "limit_n", "seed", "n_items", "n_skipped"),
    )
)
REALS = frozenset({"value", "std", "seconds", "elapsed"})
BYTES = frozenset({"data"})
TEXTS = frozenset(name for names in VIEWS.values() for name in names) - INTEGERS - REALS - BYTES
COUNTED = frozenset({"layer", "head", "other_layer", "depth", "heads"})
DEEPEST = 1_000_000  # more layers or heads than any model has
LARGEST = 1e100  # larger values are rejected, since not even their square would surely be finite


def storable(text: str) -> str:
    r"""Return a text as the store holds it: characters that UTF-8 cannot encode are escaped.

    >>> storable("dino@caf\udce9"), storable("café")
    ('dino@caf\\udce9', 'café')
    """
    return text.encode("utf-8", "backslashreplace").decode()


READING = "reading"  # the SQLAlchemy execution option of transactions that need no lock
