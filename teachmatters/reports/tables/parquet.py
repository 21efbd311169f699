"""Rows as a Parquet file, in bounded memory. Needs the extra ``parquet``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

from teachmatters.errors import TeachMattersError
from teachmatters.reports.tables.columns import Kind, kinds
from teachmatters.reports.tables.data_formats import exact, unique

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 50_000
# A row group ends when either limit is reached; the array of one map may have millions of bytes.
BYTES = 16_000_000


def check_installed() -> None:
    """Check that Parquet can be written, before anything is read.

    Raises:
        TeachMattersError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise TeachMattersError(
            "a .parquet file needs pyarrow; pip install 'teachmatters[parquet]', or name a .csv or .json file"
        ) from error


def write(
    file: BinaryIO, columns: Sequence[str], rows: Iterable[Sequence[object]], again: Iterable[Sequence[object]]
) -> None:
    """Write a file in which each column has the type that fits all rows.

    Args:
        file: the file to write.
        columns: names; a repeated one is numbered, as in JSON.
        rows: the rows, read to learn their types.
        again: the same rows again, to write them.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    every = kinds(columns, rows)
    schema = pa.schema(list(zip(unique(columns), map(_type, every), strict=True)))
    with pq.ParquetWriter(file, schema) as writer:
        for group in _groups(again):
            arrays = [_array(values, kind) for values, kind in zip(zip(*group, strict=True), every, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _groups(rows: Iterable[Sequence[object]]) -> Iterator[list[Sequence[object]]]:
    group: list[Sequence[object]] = []
    size = 0
    for row in rows:
        group.append(row)
        size += sum(len(value) for value in row if isinstance(value, bytes | str))
        if len(group) >= ROWS or size >= BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _type(kind: Kind) -> pa.DataType:
    import pyarrow as pa

    return {
        "integer": pa.int64(),
        "real": pa.float64(),
        "bytes": pa.large_binary(),
        "nothing": pa.null(),
    }.get(kind, pa.large_string())


def _array(values: Sequence[object], kind: Kind) -> pa.Array:
    import pyarrow as pa

    if kind == "mixed":
        values = [None if value is None else str(exact(value)) for value in values]
    if kind == "real":
        values = [float(value) if isinstance(value, int) else value for value in values]
    return pa.array(values, type=_type(kind))
