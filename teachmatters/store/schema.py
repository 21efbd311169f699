"""The tables behind the four views. They may change with a revision; the views may not.

Reports may also read the table ``metrics``, which describes the metrics:

    id                integer
    analysis, name    ``knn``, ``knn-top1``
    title, summary    its name in tables and on axes; its definition in one line
    unit              such as ``percent``; empty for a pure number
    higher_is_better  1, 0, or NULL if it has no direction
    lower, upper      smallest and largest possible value, NULL if unbounded
    level             ``layer``, ``head``, ``category`` or ``layer-pair``: the finest rows; ``map``: arrays, no rows
    main_protocol     the protocol that is declared first and preferred; empty for the unnamed protocol
    headline          1 if every protocol and layer has one overall row
    source            the publication of the definition

A metric whose description changed has one row for each description; the row with the highest id is the latest.

Keys are integers. The key columns of a value are never NULL, so that they can form a primary key: 0 and the empty text
mean "none", and the views turn them into NULL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from teachmatters.store.public import storable

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine


class StorableText(TypeDecorator[str]):
    """Text that is written and compared as ``storable`` returns it, because labels may come from file names.

    Texts sort by their bytes, as in SQLite.
    """

    impl = Text().with_variant(Text(collation="C"), "postgresql")
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


class Flag(TypeDecorator[bool]):
    """A boolean stored as 1 or 0, as views show it and queries compare it, even if the database has booleans."""

    impl = Boolean
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(SmallInteger() if dialect.name == "postgresql" else Boolean())

    def process_bind_param(self, value: bool | None, dialect: Dialect) -> Any:
        return None if value is None else int(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> bool | None:
        return None if value is None else bool(value)


# Numbers that may exceed 32 bits; every integer of SQLite has 64 bits.
Count = Annotated[int, mapped_column(BigInteger().with_variant(Integer(), "sqlite"))]


class Base(DeclarativeBase):
    """The base of all tables. The migrations make the tables; a test compares the two."""

    type_annotation_map = {  # noqa: RUF012 (as SQLAlchemy reads it)
        str: StorableText,
        bytes: LargeBinary,
        float: Double,
        bool: Flag,
    }


class Model(Base):
    """Facts of a model; one row for each distinct content."""

    __tablename__ = "models"
    __table_args__ = (
        UniqueConstraint(
            "weights", "name", "family", "supervision", "arch", "patch_size", "image_size", "depth", "heads"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    weights: Mapped[str]
    family: Mapped[str]
    supervision: Mapped[str]
    arch: Mapped[str]
    patch_size: Mapped[int]
    image_size: Mapped[int]
    depth: Mapped[int]
    heads: Mapped[int]


class Metric(Base):
    """The description of a metric when it was measured; one row for each distinct content."""

    __tablename__ = "metrics"
    __table_args__ = (Index("metrics_name", "name", "analysis"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    analysis: Mapped[str]
    name: Mapped[str]
    title: Mapped[str]
    summary: Mapped[str]
    unit: Mapped[str]
    higher_is_better: Mapped[bool | None]
    lower: Mapped[float | None]
    upper: Mapped[float | None]
    level: Mapped[str]
    main_protocol: Mapped[str]
    headline: Mapped[bool]
    source: Mapped[str]


class RunFacts(Base):
    """One run: its cell and its provenance. ``model`` and ``other_model`` are labels."""

    __tablename__ = "run_facts"
    __table_args__ = (
        Index("run_facts_cell", "cell_key"),
        Index("run_facts_model", "model", "dataset", "split", "analysis", "setting", "other_model"),
        Index("run_facts_other_model", "other_model"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(unique=True)
    cell_key: Mapped[str]
    model: Mapped[str]
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id"))
    other_model: Mapped[str]
    other_model_id: Mapped[int | None] = mapped_column(ForeignKey("models.id"))
    dataset: Mapped[str]
    split: Mapped[str]
    fingerprint: Mapped[str]
    analysis: Mapped[str]
    analysis_version: Mapped[int]
    parameters: Mapped[str]
    setting: Mapped[str]
    limit_n: Mapped[Count | None]
    seed: Mapped[Count]
    dtype: Mapped[str]
    device: Mapped[str]
    n_items: Mapped[Count]
    n_skipped: Mapped[Count]
    notes: Mapped[str]
    versions: Mapped[str]
    git_commit: Mapped[str | None]
    started_at: Mapped[str]
    finished_at: Mapped[str]
    seconds: Mapped[float]
    elapsed: Mapped[float | None]


class Recorded(Base):
    """A metric and protocol that a run recorded, even without a value. Exactly one run has the newest."""

    __tablename__ = "recorded"
    __table_args__ = (Index("recorded_metric", "metric_id", "is_newest"), {"sqlite_with_rowid": False})

    run_id: Mapped[int] = mapped_column(ForeignKey("run_facts.id"), primary_key=True)
    metric_id: Mapped[int] = mapped_column(ForeignKey("metrics.id"), primary_key=True)
    protocol: Mapped[str] = mapped_column(primary_key=True)
    other_model: Mapped[str]
    is_newest: Mapped[bool]


class Number(Base):
    """One value. The table has no rowid, so that its rows, and those of a run, are in the order of the primary key."""

    __tablename__ = "records"
    __table_args__ = (
        ForeignKeyConstraint(
            ["run_id", "metric_id", "protocol"], ["recorded.run_id", "recorded.metric_id", "recorded.protocol"]
        ),
        {"sqlite_with_rowid": False},
    )

    run_id: Mapped[int] = mapped_column(primary_key=True)
    metric_id: Mapped[int] = mapped_column(primary_key=True)
    protocol: Mapped[str] = mapped_column(primary_key=True)
    layer: Mapped[int] = mapped_column(primary_key=True)
    head: Mapped[int] = mapped_column(primary_key=True)
    other_model: Mapped[str] = mapped_column(primary_key=True)
    other_layer: Mapped[int] = mapped_column(primary_key=True)
    category: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[float]
    std: Mapped[float | None]
    n: Mapped[Count | None]


class UnitList(Base):
    """The names along an axis ``unit`` as a JSON list; one row serves all layers, metrics and models of a data set."""

    __tablename__ = "unit_lists"

    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(unique=True)
    units: Mapped[str]


class Array(Base):
    """One array of one layer; ``data`` is an ``.npy``, ``axes`` and ``shape`` are comma-separated."""

    __tablename__ = "map_arrays"

    run_id: Mapped[int] = mapped_column(ForeignKey("run_facts.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    layer: Mapped[int] = mapped_column(primary_key=True)
    axes: Mapped[str]
    shape: Mapped[str]
    dtype: Mapped[str]
    unit_list_id: Mapped[int | None] = mapped_column(ForeignKey("unit_lists.id"))
    data: Mapped[bytes]
