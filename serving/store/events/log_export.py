"""Brings what services have sent into the event log: what they send today is in tomorrow's training set."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, exists, func, select

from data.contract import ColumnKind, DataError
from data.intake.ingest import ingest
from data.intake.next_part import IngestReport
from data.intake.staged_export import Progress
from data.log.eventlog import EventLog
from data.sources.mapping import EventsPart, LeadsPart, Mapping
from serving.store.database.connection import AT_ONCE, Database
from serving.store.database.schema import attributes, events, profiles, work
from serving.store.events.histories import VERSIONS, versions_of
from serving.store.events.sales_events import GROUP, WORDS, event_of

SENT_EVENTS = (
    "SELECT lead_id, event_type, occurred_at, received_at, channel, value, source, event_id, "
    "campaign, asset FROM {events} "
    "WHERE NOT published"
)
EVENTS = EventsPart(
    time_format="epoch_us",
    query=SENT_EVENTS,
    **{name: name for name in ("lead_id", "event_type", "occurred_at", "received_at", "channel", "value")},
    **{name: name for name in ("source", "event_id", "campaign", "asset")},
    earliest="0001-01-01",
    as_is=("lead_id", "event_id", "channel", "campaign", "asset"),
)
EVER = 2**63 - 1
SENT = VERSIONS.where(~profiles.c.published)
"""What was published came from a log; the log has it."""


def ingest_store(
    log_path: Path,
    database: Database,
    base: Mapping | None = None,
    progress: Progress = lambda done: None,
    clock: Callable[[], float] = time.time,
) -> IngestReport:
    """Adds the store's events and profiles to the event log in a folder; what is in the log already adds nothing.

    base: whose event types, groups, words and bot rules to use; by default the log's own, and for a new log all event
    types that the store has seen. Raises DataError when the store is empty, and what `ingest` raises.
    """
    log = EventLog.open(log_path) if (log_path / "log.json").exists() else None
    mapping = mapping_of(database, log, base)
    url = database.engine.url.render_as_string(hide_password=False)
    with database.read() as connection:
        some_events, some_profiles = (
            connection.scalar(select(exists(table).where(~table.c.published))) for table in (events, profiles)
        )
    if not some_events and not some_profiles:
        raise DataError("the store holds no events and no profiles yet that a service has sent; send some first")
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=log_path.parent, prefix="store-export-") as folder:
        leads = Path(folder) / "profiles.parquet"
        if some_profiles:
            _write_profiles(database, mapping, leads)
        return ingest(
            log_path,
            mapping,
            [url] if some_events else [],
            [str(leads)] if some_profiles else [],
            progress=progress,
            clock=clock,
        )


def mapping_of(database: Database, log: EventLog | None, base: Mapping | None) -> Mapping:
    """How the store becomes the contract; profile columns are all attributes that it has seen."""
    known: dict[str, str] = {
        **(log.profile_columns if log else {}),
        **(base.profile if base else {}),
    }
    with database.read() as connection:
        kinds = _kinds(connection, known)
        seen = (
            ()
            if base or log
            else tuple(connection.scalars(select(events.c.event_type).distinct().order_by("event_type")))
        )
        done = tuple(connection.scalars(select(work.c.action).distinct().order_by(work.c.action)))
    leads = LeadsPart(
        lead_id="lead_id",
        valid_from="valid_from",
        account_id="account_id",
        time_format="epoch_us",
        earliest="0001-01-01",
        as_is=("lead_id", "account_id", *kinds),
        categories=tuple(name for name, kind in kinds.items() if kind == "category"),
        numbers=tuple(name for name, kind in kinds.items() if kind == "number"),
    )
    sent = EVENTS.model_copy(update={"query": SENT_EVENTS.format(events=database.table_name(events))})
    if base is not None:
        update = {"name": "store", "null_words": (), "events": (sent,), "leads": (leads,)}
        return with_sales(base.model_copy(update=update), done)
    if log is None:
        mapping = Mapping(name="store", null_words=(), event_types=seen or ("none",), events=sent, leads=leads)
        return with_sales(mapping, done)
    mapping = Mapping(
        name="store",
        null_words=(),
        event_types=log.vocabulary.types,
        groups=log.vocabulary.groups,
        words=log.words,
        bots=log.bots,
        events=sent,
        leads=leads,
    )
    return with_sales(mapping, done)


def with_sales(mapping: Mapping, actions: Sequence[str]) -> Mapping:
    """A mapping that knows the events of what sales has done; one that lists no types learns them by itself."""
    kinds = tuple(event_of(action) for action in actions)
    if not kinds or not mapping.event_types:
        return mapping
    groups = {**mapping.groups, GROUP: tuple(dict.fromkeys((*mapping.groups.get(GROUP, ()), *kinds)))}
    words = {kind: WORDS[kind] for kind in kinds} | mapping.words
    types = tuple(dict.fromkeys((*mapping.event_types, *kinds)))
    return mapping.model_copy(update={"event_types": types, "groups": groups, "words": words})


def _kinds(connection: Connection, known: dict[str, str]) -> dict[str, str]:
    """Columns and their kind: as known, else a category as soon as one value is text. Names as they are known."""
    spelled = {name.lower(): name for name in known}
    query = select(attributes.c.name, func.count(attributes.c.text)).group_by(attributes.c.name)
    return {
        spelled.get(name, name): known.get(spelled.get(name, name), "category" if texts else "number")
        for name, texts in connection.execute(query.order_by(attributes.c.name))
    }


def _write_profiles(database: Database, mapping: Mapping, path: Path) -> None:
    writer: pq.ParquetWriter | None = None
    try:
        for table in _profiles(database, mapping.profile):
            writer = writer or pq.ParquetWriter(path, table.schema, compression="lz4")
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _profiles(database: Database, columns: dict[str, ColumnKind]) -> Iterator[pa.Table]:
    """All profile versions, some hundred leads at a time."""
    after: str | None = None
    while True:
        query = select(profiles.c.lead_id).where(~profiles.c.published).distinct()
        query = query.order_by(profiles.c.lead_id).limit(AT_ONCE)
        with database.read() as connection:
            wanted = query if after is None else query.where(profiles.c.lead_id > after)
            lead_ids = list(connection.scalars(wanted))
            if not lead_ids:
                return
            yield versions_of(connection, lead_ids, EVER, columns, SENT)
        after = lead_ids[-1]
