"""Parts of the log on disk: a base of one file per bucket and kind, and deltas of one file per kind.

Every part holds events, leads, profiles and patches by bucket, its rejected rows, and two runs of the version index.
A small delta has a batch for each bucket in one file. A base, and a delta of many rows, has files for each bucket,
written one after the other, so that memory holds one bucket at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.log.content import lead_hashes
from data.log.runs import CODED, NO_PATCHES, TIME, Run
from data.log.version_index import Records

KINDS = ("events", "leads", "profiles")
LAYOUT = {"compression": "lz4", "use_dictionary": ["lead", *CODED]}
"""How files of events are written."""
EVENT_INDEX, PROFILE_INDEX, LEAD_INDEX = "events.index", "profiles.index", "leads.index"
"""Runs of the version index, and hashes (uint64, ascending) of the leads that no older part has."""
REJECTED, EARLIER = "rejected.parquet", "rejected_before.parquet"
"""Rejected rows of the ingest that made a part, and of those that made the deltas that it has taken in."""
REASONS = pa.schema([("source", pa.string()), ("row", pa.int64()), ("reason", pa.string())])
BASE, DELTA = "generation", "delta"


NO_PROFILES = pa.Table.from_batches([], pa.schema([("valid_from", TIME)]))


@dataclass(frozen=True)
class Written:
    """What runs hold that were written. leads: uint64, the hashes of their leads, ascending."""

    leads: NDArray[np.uint64]
    events: int
    versions: int


def written(runs: Iterable[Run]) -> Written:
    """What runs hold, each of which is asked for when the one before is done with."""
    leads, events, versions = [np.empty(0, np.uint64)], 0, 0
    for run in runs:
        leads.append(lead_hashes(run.leads))
        events, versions = events + len(run.events), versions + len(run.profiles)
    return Written(np.sort(np.concatenate(leads)), events, versions)


def is_by_bucket(part: Path) -> bool:
    """Whether a part has files for each bucket."""
    return part.name.startswith(BASE) or not (part / "leads.arrow").exists()


def bucket_file(part: Path, kind: str, bucket: int) -> Path:
    """A file of a part that has files for each bucket."""
    return part / f"{kind}-{bucket:02d}.parquet"


def read_run(part: Path, bucket: int, columns: Sequence[str]) -> Run:
    """A bucket of a part, with these columns of events. Raises OSError or ArrowInvalid where it is damaged."""
    if not is_by_bucket(part):
        return _batches(part, bucket, columns)
    leads = pq.read_table(bucket_file(part, "leads", bucket))
    file = bucket_file(part, "events", bucket)
    present = pq.read_schema(file).names
    wanted = [name for name in columns if name in present]
    events = pq.read_table(file, columns=wanted, read_dictionary=[name for name in CODED if name in wanted])
    profiles = pq.read_table(bucket_file(part, "profiles", bucket))
    file = bucket_file(part, "patches", bucket)
    patches = _as_records(pq.read_table(file)) if file.exists() else NO_PATCHES
    return _run(leads, events, profiles.drop_columns(["lead"]), patches)


def read_lead_ids(part: Path, bucket: int) -> pa.Array:
    """The ids of the leads in a bucket of a part. Raises as `read_run` does."""
    table = (
        pq.read_table(bucket_file(part, "leads", bucket), columns=["lead_id"])
        if is_by_bucket(part)
        else _batch(part / "leads.arrow", bucket)
    )
    return table.column("lead_id").combine_chunks()


def _run(leads: pa.Table, events: pa.Table, profiles: pa.Table, patches: Records) -> Run:
    counts = [leads.column(name).to_numpy().astype(np.int64) for name in ("events", "versions")]
    return Run(leads.column("lead_id").combine_chunks(), events, counts[0], profiles, counts[1], patches)


def rejected_files(folders: Sequence[Path]) -> list[Path]:
    """The files of rejected rows in parts."""
    return [folder / name for folder in folders for name in (EARLIER, REJECTED) if (folder / name).exists()]


def join_rejected(folders: Sequence[Path], out: Path) -> None:
    """Writes the rejected rows of parts into one file, a batch at a time: they may be more than the events.

    Whether a file says that nothing is null differs by its rows.
    """
    with pq.ParquetWriter(out, REASONS) as writer:
        for path in rejected_files(folders):
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches():
                    writer.write_batch(batch.cast(REASONS))


def write_bucket(part: Path, bucket: int, run: Run) -> None:
    """Writes a bucket of a part that has files for each; a base has no patches."""
    n = np.arange(len(run.leads), dtype=np.int32)
    events = run.events.add_column(0, "lead", pa.array(np.repeat(n, run.event_counts)))
    profiles = run.profiles.add_column(0, "lead", pa.array(np.repeat(n, run.version_counts)))
    pq.write_table(_leads(run), bucket_file(part, "leads", bucket))
    pq.write_table(events, bucket_file(part, "events", bucket), **LAYOUT)
    pq.write_table(profiles, bucket_file(part, "profiles", bucket))
    if not part.name.startswith(BASE):
        pq.write_table(_as_table(run.patches), bucket_file(part, "patches", bucket))


def _leads(run: Run) -> pa.Table:
    counts = [pa.array(count.astype(np.int32)) for count in (run.event_counts, run.version_counts)]
    return pa.table([run.leads, *counts], names=["lead_id", "events", "versions"])


def write_delta(part: Path, runs: Sequence[Run]) -> None:
    """Writes the runs of all buckets as a small delta."""
    _write_batches(part / "leads.arrow", [_leads(run) for run in runs])
    _write_batches(part / "events.arrow", [run.events for run in runs])
    _write_batches(part / "profiles.arrow", [run.profiles for run in runs])
    _write_batches(part / "patches.arrow", [_as_table(run.patches) for run in runs])


def _write_batches(path: Path, tables: Sequence[pa.Table]) -> None:
    table = pa.concat_tables(tables, promote_options="default").unify_dictionaries().combine_chunks()
    whole = table.to_batches()[0] if len(table) else pa.RecordBatch.from_pylist([], table.schema)
    ends = np.cumsum([len(rows) for rows in tables]).tolist()
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        for rows, end in zip(tables, ends, strict=True):
            writer.write_batch(whole.slice(end - len(rows), len(rows)))


def _batches(part: Path, bucket: int, columns: Sequence[str]) -> Run:
    events, leads, patches = (_batch(part / f"{kind}.arrow", bucket) for kind in ("events", "leads", "patches"))
    events = events.select([name for name in columns if name in events.column_names])
    has_profiles = pc.any(pc.greater(leads.column("versions"), 0)).as_py()
    profiles = _batch(part / "profiles.arrow", bucket) if has_profiles else NO_PROFILES
    return _run(leads, events, profiles, _as_records(patches))


def _batch(path: Path, bucket: int) -> pa.Table:
    """One batch, read and not mapped: the pages of many small files cost more than their bytes."""
    with pa.OSFile(str(path)) as file:
        return pa.Table.from_batches([pa.ipc.open_file(file).get_batch(bucket)])


def _as_table(patches: Records) -> pa.Table:
    return pa.table([pa.array(row) for row in patches], names=[f"c{place}" for place in range(len(patches))])


def _as_records(table: pa.Table) -> Records:
    return np.stack([column.to_numpy() for column in table.columns]) if len(table) else NO_PATCHES
