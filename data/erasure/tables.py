"""Takes leads out of a Parquet file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.contract import DataError
from data.erasure.lead_ids import LeadIds, is_heading


def without_rows(path: Path, draft: Path, ids: LeadIds) -> int:
    """Writes the rows of a table that are about nobody of these leads; the schema stays, with what is noted in it."""
    schema = pq.read_schema(path)
    names = [name for name in schema.names if is_heading(name)]
    if not names:
        return _none_elsewhere(path, schema, ids)
    columns = pq.read_table(path, columns=names).columns
    stays = [not any(map(ids.is_value, row)) for row in zip(*(column.to_pylist() for column in columns), strict=True)]
    gone = len(stays) - sum(stays)
    if gone:
        table = pq.read_table(path)
        # A dictionary would still hold what only the erased lead had.
        plain = [field.with_type(_plain(field.type)) for field in table.schema]
        rest = table.filter(pa.array(stays, pa.bool_())).cast(pa.schema(plain, table.schema.metadata))
        pq.write_table(rest.cast(table.schema), draft, compression="lz4")
    return gone


def _none_elsewhere(path: Path, schema: pa.Schema, ids: LeadIds) -> int:
    """0 where no text of a table without a column of ids is one. Raises DataError: in which column there is one."""
    for name in (field.name for field in schema if _plain(field.type) in (pa.string(), pa.large_string())):
        if any(map(ids.is_value, pc.unique(pq.read_table(path, columns=[name]).column(0)).to_pylist())):
            raise DataError(f"its column {name!r} has the id, and is not called lead_id")
    return 0


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
