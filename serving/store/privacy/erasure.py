"""Erases a lead from the store so that no byte of it is left, and blocks its return."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, Table, delete, or_, select, text

from data.contract import UsageError
from data.ids import NoId, id_from_text, mentions, required_id
from serving.store.database.connection import BUSY_S, Database, chunks
from serving.store.database.failures import StoreAway
from serving.store.database.hmac_signer import Seal
from serving.store.database.presence import hold
from serving.store.database.schema import (
    answers,
    attributes,
    events,
    explanations,
    leads,
    profiles,
    rejected,
    scores,
    stage_changes,
    standings,
)
from serving.store.privacy.audit_trail import Audit
from serving.store.privacy.blocked import Blocked
from serving.store.privacy.receipts import Receipt, is_genuine, sign

OF_LEAD = (events, attributes, profiles, scores, standings, explanations, stage_changes, rejected, leads)
A_FEW = {"yield_per": 1_000}
"""Rows that are in memory at once."""
POSTGRESQL_LIMIT = (
    "PostgreSQL keeps removed rows in its write-ahead log, backups and the free space of its files until it reuses them"
)


def _nothing(_: str) -> Mapping[str, int]:
    return {}


class Erasure:
    """Erases leads."""

    def __init__(self, database: Database, blocked: Blocked, audit: Audit, seal: Seal) -> None:
        self._database = database
        self._blocked = blocked
        self._audit = audit
        self._seal = seal

    def forget(
        self, lead_id: str, who: str, now: int, elsewhere: Callable[[str], Mapping[str, int]] = _nothing
    ) -> Receipt:
        """Removes all that the store holds of a lead, blocks it, and returns a signed receipt.

        elsewhere: takes the lead out of other places then, e.g. the event log, and says how many rows from where. Also
        for a lead that the store does not know: it is blocked all the same. Raises UsageError for what is no id,
        StoreAway when a reader keeps the write-ahead log from being emptied, and what `elsewhere` raises: the rows of
        the store are gone then, there is no receipt, and it is to be repeated.
        """
        try:
            lead_id = required_id(lead_id)
        except NoId as error:
            raise UsageError(f"lead_id {error}") from None
        with self._database.write() as connection:
            self._blocked.add(connection, lead_id, now)
            hold(connection, lead_id)
            removed = _delete(connection, lead_id)
            self._audit.note(connection, who, "forget", now, lead_id)
        _scrub(self._database)
        limits = () if self._database.is_sqlite else (POSTGRESQL_LIMIT,)
        return sign(self._seal, self._blocked.subject(lead_id), now, {**removed, **elsewhere(lead_id)}, limits)

    def verify(self, receipt: Receipt, lead_id: str | None = None) -> bool:
        """Whether this store has signed the receipt, and, when an id is given, that it is about that lead."""
        about = lead_id is None or self._blocked.subject(lead_id) == receipt.subject
        return about and is_genuine(self._seal, receipt)


def _delete(connection: Connection, lead_id: str) -> dict[str, int]:
    removed = {}
    # What a request that is being worked on answers is not kept: it may speak of the lead when all else is gone.
    connection.execute(delete(answers).where(answers.c.status.is_(None)))
    for table in OF_LEAD:
        removed[table.name] = connection.execute(delete(table).where(table.c.lead_id == lead_id)).rowcount
    for table, key, theirs in ((rejected, rejected.c.id, _of_nobody_else), (answers, answers.c.key, _mentioned)):
        keys = [row[key.name] for row in _candidates(connection, table, lead_id) if theirs(row, lead_id)]
        removed.setdefault(table.name, 0)
        for chunk in chunks(keys):
            removed[table.name] += connection.execute(delete(table).where(key.in_(chunk))).rowcount
    return removed


def _candidates(connection: Connection, table: Table, lead_id: str) -> Iterator[RowMapping]:
    """Rows of which a text holds the id, in any way in which JSON may write it."""
    written = {lead_id, *(json.dumps(lead_id, ensure_ascii=ascii)[1:-1] for ascii in (True, False))}
    columns = [column for column in table.c if column.name in ("event", "reason", "answer")]
    holds = or_(*(column.contains(text, autoescape=True) for column in columns for text in written))
    yield from connection.execute(select(table).where(holds), execution_options=A_FEW).mappings()


def _of_nobody_else(row: RowMapping, lead_id: str) -> bool:
    """Whether a rejected event mentions a lead and names no other that it could be about."""
    event = json.loads(row["event"])
    texts = [row["reason"], *_strings(event)]
    return not _is_id(event.get("lead_id")) and any(mentions(text, lead_id) for text in texts)


def _is_id(given: Any) -> bool:
    try:
        return isinstance(given, str) and id_from_text(given) is not None
    except NoId:
        return False


def _mentioned(row: RowMapping, lead_id: str) -> bool:
    """Whether an answer mentions a lead. To remove one too many does no harm: a repeated request is worked on again."""
    return any(mentions(text, lead_id) for text in _strings(json.loads(row["answer"])))


def _strings(value: Any) -> Iterator[str]:
    """All texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)


def _scrub(database: Database) -> None:
    """Overwrites what deleting has left behind: SQLite has zeroed the pages, but its write-ahead log has old ones."""
    if database.is_sqlite:
        _empty_log(database)
        return
    with database.maintain() as connection:
        for table in (*OF_LEAD, answers):
            connection.execute(text(f"VACUUM {table.name}"))


def _empty_log(database: Database) -> None:
    until = time.monotonic() + BUSY_S
    while True:
        with database.maintain() as connection:
            busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
        if not busy:
            return
        if time.monotonic() > until:
            raise StoreAway("a reader keeps the write-ahead log of the store from being emptied; forget the lead again")
