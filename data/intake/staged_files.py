"""Staged rows on disk, by bucket: written from a stream, and read bucket by bucket, without a question in SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.log.runs import CODED
from data.quoting import quoted

REFUSED, LEFT_OUT, GONE = -1, -2, -3
"""Buckets of rows that are not accepted, that a mapping leaves out, and that say that a lead is gone."""
KEYS = """0 AS part, 0::BIGINT AS n, '' AS lead_id, 0::UBIGINT AS high, 0::UBIGINT AS low, 0::UBIGINT AS content,
    0::UBIGINT AS lead_hash, 0::TINYINT AS sort, 0::BIGINT AS bucket"""
NOTHING_STAGED = {
    "events": f"""{KEYS}, '' AS event_type, 0::BIGINT AS occurred_at, 0::BIGINT AS known_at, '' AS channel,
        0.0::DOUBLE AS value, '' AS source, '' AS event_id, 0::UBIGINT AS deal, '' AS campaign, '' AS asset,
        false AS retracted""",
    "held": """'' AS lead_id, 0::BIGINT AS known_at, 0::BIGINT AS occurred_at, '' AS event_type, '' AS channel,
        0.0::DOUBLE AS value, '' AS source, '' AS event_id, 0::UBIGINT AS deal, '' AS campaign, '' AS asset,
        0::BIGINT AS superseded, 0::BIGINT AS bucket""",
    "leads": f"{KEYS}, 0::BIGINT AS valid_from, '' AS p_account_id",
}
"""The columns of what is staged, where nothing is."""
ROWS_AT_ONCE = 250_000


def write_rows(asked: duckdb.DuckDBPyRelation, out: Path) -> None:
    """Writes rows into new files out/bucket=N/1.parquet and so on, by their column `bucket`, which they do not have
    then: at half of what it costs the engine. Raises duckdb.Error and OSError."""
    with ExitStack() as stack:
        files = dict[int, pq.ParquetWriter]()
        for batch in _streamed(asked.to_arrow_reader(ROWS_AT_ONCE)):
            for bucket, rows in _by_bucket(batch):
                if bucket not in files:
                    files[bucket] = stack.enter_context(_writer(out / f"bucket={bucket}", rows.schema))
                files[bucket].write_table(rows)


def staged_rows(staging: Path, kind: str, bucket: int | None = None) -> str:
    """SQL for the good rows of a kind (events, held, leads), of one bucket or of all."""
    folder = "bucket=[0-9]*" if bucket is None else f"bucket={bucket}"
    if not any((staging / kind).glob(folder)):
        return f"(SELECT {NOTHING_STAGED[kind]} WHERE false)"
    files = quoted(str(staging / kind / folder / "*.parquet"))
    return f"read_parquet({files}, hive_partitioning = true, union_by_name = true)"


def gone_rows(staging: Path) -> str:
    """SQL for the rows that say that a lead is gone: its hash, and since when."""
    if not any((staging / "leads").glob(f"bucket={GONE}")):
        return "(SELECT 0::UBIGINT AS lead_hash, 0::BIGINT AS valid_from WHERE false)"
    return f"read_parquet({quoted(str(staging / 'leads' / f'bucket={GONE}' / '*.parquet'))})"


def read_rows(
    con: duckdb.DuckDBPyConnection, staging: Path, kind: str, buckets: Sequence[int], columns: Sequence[str]
) -> pa.Table:
    """These columns of the good rows of a kind in some buckets, and `bucket`."""
    files = [file for bucket in buckets for file in sorted((staging / kind / f"bucket={bucket}").glob("*.parquet"))]
    if not files:
        nothing = f"(SELECT {NOTHING_STAGED[kind]} WHERE false)"
        return _coded(con.sql(f"SELECT {', '.join([*columns, 'bucket'])} FROM {nothing}").to_arrow_table())
    return pa.concat_tables([_read(file, columns) for file in files])


def _read(file: Path, columns: Sequence[str]) -> pa.Table:
    with pq.ParquetFile(file, read_dictionary=[*CODED]) as opened:
        rows = opened.read(columns, use_threads=False)
    return rows.append_column("bucket", pa.array(np.full(len(rows), int(file.parent.name.removeprefix("bucket=")))))


def _coded(rows: pa.Table) -> pa.Table:
    """With names as codes, which cost a tenth of texts to be moved."""
    for name in {*CODED} & {*rows.column_names}:
        rows = rows.set_column(rows.schema.get_field_index(name), name, rows.column(name).dictionary_encode())
    return rows


def _streamed(batches: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """What goes wrong in the engine arrives as OSError, as if the disk were to blame."""
    try:
        yield from batches
    except OSError as error:
        raise duckdb.Error(str(error)) from None


def _by_bucket(batch: pa.RecordBatch) -> Iterator[tuple[int, pa.Table]]:
    bucket = batch.column("bucket").to_numpy()
    order = np.argsort(bucket.astype(np.int16), kind="stable")  # so short numbers are sorted by their digits
    rows, bucket = _coded(pa.table(batch.drop_columns(["bucket"]))).take(pa.array(order)), bucket[order]
    for begin, end in pairwise([0, *(np.flatnonzero(np.diff(bucket)) + 1).tolist(), len(bucket)]):
        yield int(bucket[begin]), rows.slice(begin, end - begin)


def _writer(folder: Path, schema: pa.Schema) -> pq.ParquetWriter:
    folder.mkdir(parents=True, exist_ok=True)
    number = max((int(file.stem) for file in folder.iterdir()), default=0)
    how = {"compression": "lz4", "use_dictionary": [*CODED], "write_statistics": False}
    return pq.ParquetWriter(folder / f"{number + 1}.parquet", schema, **how)
