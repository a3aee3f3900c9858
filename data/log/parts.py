"""Parts of the log on disk: a base of one file per bucket and kind, and deltas of one file per kind.

Every part holds events, leads, profiles and patches by bucket, its rejected rows, and two runs of the version index.
A base is read bucket by bucket; of a delta, which is small, a bucket is a slice of files that are mapped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.log.runs import CODED, NO_PATCHES, Run
from data.log.version_index import Records

KINDS = ("events", "leads", "profiles")
LAYOUT = {"compression": "lz4", "use_dictionary": ["lead", *CODED]}
"""How files of events are written."""
EVENT_INDEX, PROFILE_INDEX, LEAD_INDEX = "events.index", "profiles.index", "leads.index"
"""Runs of the version index, and hashes (uint64, ascending) of the leads that no older part has."""
REJECTED = "rejected.parquet"
BASE, DELTA = "generation", "delta"
BOUNDS = b"bounds"


def base_file(part: Path, kind: str, bucket: int) -> Path:
    """A file of a base."""
    return part / f"{kind}-{bucket:02d}.parquet"


def read_run(part: Path, bucket: int, columns: Sequence[str]) -> Run:
    """A bucket of a part, with these columns of events. Raises OSError or ArrowInvalid where it is damaged."""
    if not part.name.startswith(BASE):
        return _slice(part, bucket, columns)
    leads = pq.read_table(base_file(part, "leads", bucket))
    file = base_file(part, "events", bucket)
    present = pq.read_schema(file).names
    wanted = [name for name in columns if name in present]
    events = pq.read_table(file, columns=wanted, read_dictionary=[name for name in CODED if name in wanted])
    profiles = pq.read_table(base_file(part, "profiles", bucket))
    return _run(leads, events, profiles.drop_columns(["lead"]), NO_PATCHES)


def _run(leads: pa.Table, events: pa.Table, profiles: pa.Table, patches: Records) -> Run:
    counts = [leads.column(name).to_numpy().astype(np.int64) for name in ("events", "versions")]
    return Run(leads.column("lead_id").combine_chunks(), events, counts[0], profiles, counts[1], patches)


def write_base_bucket(part: Path, bucket: int, run: Run) -> None:
    """Writes a bucket of a base."""
    n = np.arange(len(run.leads), dtype=np.int32)
    events = run.events.add_column(0, "lead", pa.array(np.repeat(n, run.event_counts)))
    profiles = run.profiles.add_column(0, "lead", pa.array(np.repeat(n, run.version_counts)))
    pq.write_table(_leads(run), base_file(part, "leads", bucket))
    pq.write_table(events, base_file(part, "events", bucket), **LAYOUT)
    pq.write_table(profiles, base_file(part, "profiles", bucket))


def _leads(run: Run) -> pa.Table:
    counts = [pa.array(count.astype(np.int32)) for count in (run.event_counts, run.version_counts)]
    return pa.table([run.leads, *counts], names=["lead_id", "events", "versions"])


def write_delta(part: Path, runs: Sequence[Run]) -> None:
    """Writes the runs of all buckets as a delta."""
    _write_slices(part / "leads.arrow", [_leads(run) for run in runs])
    _write_slices(part / "events.arrow", [run.events for run in runs])
    _write_slices(part / "profiles.arrow", [run.profiles for run in runs])
    _write_slices(part / "patches.arrow", [_as_table(run.patches) for run in runs])


def _write_slices(path: Path, tables: Sequence[pa.Table]) -> None:
    bounds = np.cumsum([0, *(len(table) for table in tables)]).tolist()
    table = pa.concat_tables(tables, promote_options="default").unify_dictionaries().combine_chunks()
    schema = table.schema.with_metadata({BOUNDS: json.dumps(bounds).encode()})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        writer.write_table(table.replace_schema_metadata(schema.metadata))


def _slice(part: Path, bucket: int, columns: Sequence[str]) -> Run:
    events, leads, profiles, patches = (_mapped(part / f"{kind}.arrow", bucket) for kind in (*KINDS, "patches"))
    events = events.select([name for name in columns if name in events.column_names])
    return _run(leads, events, profiles, _as_records(patches))


def _mapped(path: Path, bucket: int) -> pa.Table:
    with pa.memory_map(str(path)) as file:
        table = pa.ipc.open_file(file).read_all()
    begin, end = json.loads(table.schema.metadata[BOUNDS])[bucket : bucket + 2]
    return table.slice(begin, end - begin).replace_schema_metadata(None)


def _as_table(patches: Records) -> pa.Table:
    return pa.table([pa.array(row) for row in patches], names=[f"c{place}" for place in range(len(patches))])


def _as_records(table: pa.Table) -> Records:
    return np.stack([column.to_numpy() for column in table.columns]) if len(table) else NO_PATCHES
