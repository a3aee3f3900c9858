"""A log of any size for benchmarks: like the simulated funnel in shape, made in seconds, ingested as any export is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.contract import US_PER_DAY
from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.sources.mapping import read_mapping

START = 19_000 * US_PER_DAY
DAYS = 540
EVENTS_PER_LEAD = 20
CHUNK = 1_000_000
RARE = {
    "deal_won": 0.002,
    "deal_lost": 0.004,
    "purchase": 0.002,
    "email_sent": 4.0,
    "email_open": 2.0,
    "page_view": 4.0,
}
"""How often an event type occurs, beside 1 for the others."""


def log_of(events: int, folder: Path) -> EventLog:
    """The event log of about so many events in a folder, made when it is not there yet."""
    log = folder / f"log-{events}"
    if not (log / "log.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        events_file, leads_file = folder / "events.parquet", folder / "leads.parquet"
        write_export(events, events_file, leads_file)
        ingest(log, read_mapping("simulated"), [str(events_file)], [str(leads_file)])
        events_file.unlink()
        leads_file.unlink()
        _write_people(EventLog.open(log))
    return EventLog.open(log)


def people_file(log: EventLog, bucket: int) -> Path:
    """A bucket's events without those of bots, for engines that know no rules for them."""
    return log.path.with_name(f"{log.path.name}-people") / f"{bucket}.parquet"


def _write_people(log: EventLog) -> None:
    people_file(log, 0).parent.mkdir(exist_ok=True)
    for bucket in range(log.n_buckets):
        by_people = ~log.bucket(bucket).bot
        pq.write_table(pq.read_table(log.file("events", bucket)).filter(pa.array(by_people)), people_file(log, bucket))


def write_export(events: int, events_file: Path, leads_file: Path) -> None:
    """Two Parquet files as the mapping `simulated` wants them: histories of heavy-tailed length, some events late."""
    draw = np.random.default_rng(events)
    leads = events // EVENTS_PER_LEAD
    created = START + draw.integers(0, DAYS * 2 // 3 * 86_400, leads) * 1_000_000
    counts = 1 + draw.geometric(1 / draw.gamma(2.0, (EVENTS_PER_LEAD - 1) / 2, leads).clip(1.0))
    lead = np.repeat(np.arange(leads), counts)[:events]
    with pq.ParquetWriter(events_file, _event_schema()) as writer:
        for start in range(0, events, CHUNK):
            writer.write_table(_events(draw, created, lead[start : start + CHUNK], start))
    pq.write_table(_profiles(draw, created), leads_file)


def _event_schema() -> pa.Schema:
    texts = {name: pa.string() for name in ("lead_id", "event_type", "channel", "source", "event_id")}
    instants = {name: pa.timestamp("us", "UTC") for name in ("occurred_at", "received_at")}
    return pa.schema({**texts, **instants, "value": pa.float64()})


def _events(
    draw: np.random.Generator,
    created: np.ndarray[tuple[int], np.dtype[np.int64]],
    lead: np.ndarray[tuple[int], np.dtype[np.int64]],
    start: int,
) -> pa.Table:
    n = len(lead)
    mapping = read_mapping("simulated")
    chance = np.array([RARE.get(name, 1.0) for name in mapping.event_types])
    kind = draw.choice(len(chance), n, p=chance / chance.sum())
    after = (draw.exponential(30 * 86_400, n).clip(max=170 * 86_400) * 1_000_000).astype(np.int64)
    occurred = created[lead] + after
    received = occurred + np.where(draw.random(n) < 0.05, draw.integers(1, 6, n) * US_PER_DAY, 0)
    has_value = np.array([name in ("offer_sent", "deal_won", "purchase") for name in mapping.event_types])
    columns = {
        "lead_id": _names("L", lead),
        "event_type": pa.array(list(mapping.event_types)).take(pa.array(kind)),
        "channel": pa.array(["search", "social", "e-mail", "phone", "event", None]).take(
            pa.array(draw.integers(0, 6, n))
        ),
        "source": pa.array(["funnel"] * n),
        "event_id": _names("E", np.arange(start, start + n)),
        "occurred_at": pa.array(occurred).cast(pa.timestamp("us", "UTC")),
        "received_at": pa.array(received).cast(pa.timestamp("us", "UTC")),
        "value": pa.array(np.rint(draw.lognormal(8, 1, n) * 100) / 100, mask=~has_value[kind]),
    }
    return pa.table(columns, schema=_event_schema())


def _profiles(draw: np.random.Generator, created: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Table:
    (leads,) = read_mapping("simulated").leads
    n = len(created)
    categories = {
        name: pa.array([f"{name} {i}" for i in range(8)]).take(pa.array(draw.integers(0, 8, n)))
        for name in leads.categories
    }
    return pa.table(
        {
            "lead_id": _names("L", np.arange(n)),
            "valid_from": pa.array(created).cast(pa.timestamp("us", "UTC")),
            "account_id": pa.nulls(n, pa.string()),
            **categories,
            **{name: draw.integers(1, 5_000, n).astype(np.float64) for name in leads.numbers},
        }
    )


def _names(letter: str, numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Array:
    return pa.array(np.char.add(letter, np.char.zfill(numbers.astype(np.str_), 8)))
