"""SQL for the rows of a bucket: those staged, and those that the log holds already."""

from __future__ import annotations

from pathlib import Path

from data.log.eventlog import EventLog
from data.quoting import quoted

EVENT_ROWS = "lead_id, event_type, occurred_at, received_at, channel, value, source, event_id, body"


def body_sql(occurred_at: str) -> str:
    """The md5 of an event's content: what makes two events with the same id one event, or a conflict.

    occurred_at: SQL of its µs UTC. The store's `body_of` (event_validation.py) is the same; a test says so.
    """
    return f"""md5(concat_ws('\x1f', lead_id, event_type, {occurred_at}, coalesce(channel, '\x1e'),
        coalesce(value::VARCHAR, '\x1e')))"""


def staged_rows(staging: Path, kind: str, bucket: int | None = None) -> str:
    """The good rows of a kind (events, leads), of one bucket or of all."""
    folder = "bucket=[0-9]*" if bucket is None else f"bucket={bucket}"
    return f"read_parquet({quoted(str(staging / kind / folder / '*.parquet'))}, hive_partitioning = true)"


def has_staged(staging: Path, kind: str, bucket: int | None = None) -> bool:
    """Whether there are any."""
    return any((staging / kind).glob("bucket=[0-9]*" if bucket is None else f"bucket={bucket}"))


def logged_leads(log: EventLog, bucket: int) -> str:
    """lead_id and its dense number in a bucket of the log."""
    file = quoted(str(log.file("leads", bucket)))
    return f"(SELECT lead_id, file_row_number::INTEGER AS lead FROM read_parquet({file}, file_row_number = true))"


def logged_events(log: EventLog, bucket: int) -> str:
    """EVENT_ROWS of a bucket of the log; what was known at a time counts as received then."""
    body = body_sql("epoch_us(occurred_at)")
    return f"""(SELECT lead_id, event_type, epoch_us(occurred_at) AS occurred_at, epoch_us(known_at) AS received_at,
        channel, value, source, event_id, {body} AS body FROM read_parquet({quoted(str(log.file("events", bucket)))})
        JOIN {logged_leads(log, bucket)} USING (lead))"""
