"""A log that version 0.1 made has no index of versions: it is made from its rows, once, at the next ingest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np

from data.intake.fresh import days_of, observed, silences
from data.log.content import BETWEEN, content_sql, high, low, profile_sql
from data.log.eventlog import EventLog
from data.log.manifest import Manifest
from data.log.version_index import added, digest_of, merge_runs, write_run
from data.quoting import named, quoted

KEYS = ("high", "low", "content", "lead", "known")


def indexed(con: duckdb.DuckDBPyConnection, log: EventLog, out: Path) -> tuple[Manifest, dict[str, list[Path]]]:
    """What the log's manifest would say today, and runs of the index of its events and profile versions."""
    runs, digests = {}, {}
    for kind in ("events", "leads"):
        parts, digest = [], 0
        for bucket in range(log.n_buckets):
            rows = con.execute(_versions_sql(log, kind, bucket)).fetchnumpy()
            records = np.stack([np.asarray(rows[name]).astype(np.int64).view(np.uint64) if name == "known"
                                else np.asarray(rows[name], np.uint64) for name in KEYS])  # fmt: skip
            parts.append(out / f"old-{kind}-{bucket}.index")
            write_run(parts[-1], records)
            digest = added(digest, digest_of(records))
        merge_runs(parts, out / f"old-{kind}.index")
        runs[kind], digests[kind] = [out / f"old-{kind}.index"], digest
    files = quoted(str(log.folders[0] / "events-*.parquet"))
    from_clause = f"FROM (SELECT source, event_type, epoch_us(known_at) AS known_at FROM read_parquet({files}))"
    days = days_of(con, log.observed_until_us, from_clause)
    watermarks = log.watermarks.and_more(observed(days), {}, silences(days))
    manifest = replace(log.manifest, events=digests["events"], profiles=digests["leads"], watermarks=watermarks)
    return manifest, runs


def _versions_sql(log: EventLog, kind: str, bucket: int) -> str:
    leads = f"""(SELECT lead_id, file_row_number::INTEGER AS lead
        FROM read_parquet({quoted(str(log.file("leads", bucket)))}, file_row_number = true))"""
    file = quoted(str(log.file("events" if kind == "events" else "profiles", bucket)))
    if kind == "events":
        key = f"concat_ws('{BETWEEN}', source, event_id)"
        keys = f"{high(key)} AS high, {low(key)} AS low, {content_sql('epoch_us(occurred_at)')} AS content"
        time = "known_at"
    else:
        content = profile_sql((name, named(name)) for name in ("account_id", *log.profile_columns))
        keys = f"{high('lead_id')} AS high, {low('lead_id')} AS low, {content} AS content"
        time = "valid_from"
    return f"""SELECT {keys}, {high("lead_id")} AS lead, epoch_us({time}) AS known
        FROM read_parquet({file}) JOIN {leads} USING (lead)"""
