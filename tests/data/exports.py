"""Small exports, the mapping they follow, and what an event log made of them holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.intake.ingest import ingest
from data.intake.next_part import IngestReport
from data.log.eventlog import EventLog
from data.sources.mapping import EventsPart, LeadsPart, Mapping

NOW = 1_735_689_600.0
"""2025-01-01 00:00 UTC: the clock of all tests."""
HEADER = "lead,type,at,received,channel,value,origin,id"
EVENTS = EventsPart(
    lead_id="lead",
    event_type="type",
    occurred_at="at",
    received_at="received",
    channel="channel",
    value="value",
    source="origin",
    event_id="id",
)
PLAIN = Mapping(
    name="plain",
    event_types=("page_view", "email_sent", "email_click"),
    events=EVENTS,
    leads=LeadsPart(lead_id="lead", valid_from="since", categories=("industry",), numbers=("employees",)),
)
EVENT_FIELDS = ("lead_id", "event_type", "occurred_at", "known_at", "channel", "value", "source", "event_id")


def write_csv(path: Path, lines: Sequence[str], header: str = HEADER) -> str:
    """A CSV file; returns its path as the command line gives it."""
    path.write_text("".join(f"{line}\n" for line in (header, *lines)), encoding="utf-8")
    return str(path)


def into(
    log: Path, *events: str, leads: Sequence[str] = (), mapping: Mapping = PLAIN, buckets: int = 2,
    replacing: Sequence[str] = (),
) -> IngestReport:  # fmt: skip
    """Ingests at NOW, into few buckets, which is quicker."""
    return ingest(log, mapping, events, leads, clock=lambda: NOW, buckets=buckets, replacing=replacing)


def logged(path: Path) -> list[dict[str, Any]]:
    """All events of a log in its order, also those that were corrected later; times in µs UTC, None for never; bot."""
    log = EventLog.open(path)
    rows: list[dict[str, Any]] = []
    for bucket in range(log.n_buckets):
        run, bot = log.run(bucket), log.bucket(bucket).bot
        events = run.events
        for name in set(events.column_names) & {"occurred_at", "known_at", "superseded_at"}:
            place = events.schema.get_field_index(name)
            events = events.set_column(place, name, events.column(name).cast(pa.int64()))
        leads = np.repeat(run.leads.to_numpy(zero_copy_only=False), run.event_counts)
        for lead, is_bot, row in zip(leads, bot, events.to_pylist(), strict=True):
            rows.append({"superseded_at": None, **row, "lead_id": lead, "bot": bool(is_bot)})
    return rows


def event_set(path: Path) -> set[tuple[Any, ...]]:
    """The events of a log without their order."""
    return {tuple(row[name] for name in EVENT_FIELDS) for row in logged(path)}


def rejected(report: IngestReport) -> list[tuple[str, int, str]]:
    """(source, row, reason) of the quarantine."""
    rows = pq.read_table(report.rejected_path).to_pylist()
    return [(row["source"], row["row"], row["reason"]) for row in rows]


def adds_up(report: IngestReport) -> bool:
    """Whether no row was dropped: the sum, and a row of the quarantine for each that is rejected."""
    kinds = (report.events, report.leads)
    sums = all(kind.accepted + kind.duplicate + kind.rejected == kind.received for kind in kinds)
    return sums and sum(report.reasons.values()) == sum(kind.rejected for kind in kinds)
