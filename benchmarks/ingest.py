"""Ingest of a CSV export: ours, beside DuckDB reading and sorting it without any check (the floor), and pandas."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.harness import OUT, Row, measure

SMALL, LARGE = 1_000_000, 10_000_000
CHUNK = 250_000
TYPES = (
    "['page_view', 'email_sent', 'email_open', 'email_click', 'pricing_view', 'form_submit', 'meeting', 'deal_lost']"
)


def run(arguments: Sequence[str]) -> list[Row]:
    """`[SIZE …]`, by default 1M and 10M events; pandas only up to 1M."""
    sizes = [int(argument) for argument in arguments] or [SMALL, LARGE]
    OUT.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=OUT) as folder:
        for size in sizes:
            export = Path(folder) / "events.csv"
            write_export(export, size)
            jobs = {"leadscore": ours, "duckdb, no checks": floor} | ({"pandas": pandas} if size <= SMALL else {})
            made = [measure(name, size, job, str(export), f"{folder}/{job.__name__}") for name, job in jobs.items()]
            base = next(row for row in made if row["contender"] == "duckdb, no checks")
            rows += [
                row | {"rows_s": round(size / row["wall_s"]), "cpu_ratio": round(row["cpu_s"] / base["cpu_s"], 2)}
                for row in made
            ]
            for job in jobs.values():
                shutil.rmtree(f"{folder}/{job.__name__}", ignore_errors=True)
    return rows


def write_export(path: Path, size: int, rows: range | None = None) -> None:
    """A CSV like the simulated funnel's, in order of receipt: 1 in 100 rows repeats an id, 1 in 10,000 is broken.

    size: rows of the whole; rows: those of them that are written.
    """
    rows = rows or range(size)
    step = min(3_000_000, 60_000_000_000_000 // size)  # less than two years, which lie behind us
    time = f"strftime(make_timestamp({{}} + k * {step}), '%Y-%m-%dT%H:%M:%S.%fZ')"
    with duckdb.connect() as con:
        con.execute(
            f"""COPY (SELECT 'e' || k AS event_id,
                'L' || lpad((hash(k, 1) % {size // 50})::VARCHAR, 8, '0') AS lead_id,
                {TYPES}[1 + (hash(k, 2) % 8)::INTEGER] AS event_type,
                CASE i % 10000 WHEN 5000 THEN 'never' ELSE {time.format(1_700_000_000_000_000)} END AS occurred_at,
                ['web', 'email', 'phone', ''][1 + (hash(k, 3) % 4)::INTEGER] AS channel,
                CASE WHEN k % 10 = 0 THEN (hash(k, 4) % 100000)::BIGINT / 100 END AS value,
                CASE WHEN k % 20 = 0 THEN {time.format(1_700_003_600_000_000)} END AS received_at, 'site' AS source
            FROM (SELECT i, CASE WHEN i % 100 = 99 THEN i - 1 ELSE i END AS k
                FROM range({rows.start}, {rows.stop}) AS r(i)))
            TO '{path}' (FORMAT csv, HEADER)"""
        )


def ours(export: str, out: str) -> Mapping[str, Any]:
    """The event log, everything checked, each event once, by lead and time."""
    from data.intake.ingest import ingest
    from data.sources.mapping import read_mapping

    report = ingest(Path(out), read_mapping("simulated"), [export])
    return {"accepted": report.events.accepted}


def _imports(*_: str) -> None:
    """Imports, and what is compiled once, are not what is measured."""
    import data.intake.ingest
    import data.log.bots
    import data.sources.mapping
    import data.sources.textfiles  # noqa: F401


ours.prepare = _imports  # type: ignore[attr-defined]


def floor(export: str, out: str) -> Mapping[str, Any]:
    """Reading, sorting, writing: no checks, no duplicates found, no buckets."""
    Path(out).mkdir()
    with duckdb.connect() as con:
        con.execute(f"SET memory_limit = '900MB'; SET threads = 2; SET temp_directory = '{out}/spill'")
        con.execute(
            f"""COPY (SELECT * FROM read_csv('{export}', all_varchar = true) ORDER BY lead_id, occurred_at)
            TO '{out}/sorted.parquet' (COMPRESSION lz4)"""
        )
    return {}


def pandas(export: str, out: str) -> Mapping[str, Any]:
    """What one would write in a notebook: chunks, checks, duplicates, sort."""
    import pandas as pd

    Path(out).mkdir()
    good = []
    for chunk in pd.read_csv(export, chunksize=CHUNK, dtype=str):
        for column in ("occurred_at", "received_at"):
            chunk[column] = pd.to_datetime(chunk[column], format="ISO8601", utc=True, errors="coerce")
        chunk["value"] = pd.to_numeric(chunk["value"], errors="coerce")
        fits = chunk["occurred_at"].notna() & chunk["lead_id"].notna() & (chunk["event_type"].str.len() <= 200)
        good.append(chunk[fits])
    events = pd.concat(good).drop_duplicates(["source", "event_id"])
    events.sort_values(["lead_id", "occurred_at"]).to_parquet(f"{out}/sorted.parquet")
    return {"accepted": len(events)}
