"""Erases a lead from the store so that no byte of it is left, and blocks its return."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, RowMapping, Table, delete, func, or_, select, update

from data.contract import UsageError
from data.erasure.lead_ids import ErasedIds
from data.erasure.ledger import Ledger
from data.erasure.seal import Seal
from data.ids import NoId, id_from_text, mentions, required_id, spelled
from data.log.eventlog import EventLog
from data.log.manifest import NAME
from data.log.parts import read_lead_ids
from serving.store.database.connection import BUSY_S, Database, chunks
from serving.store.database.failures import StoreAway
from serving.store.database.presence import hold
from serving.store.database.schema import answers, leads, rejected, rescorings
from serving.store.privacy.audit_trail import Audit
from serving.store.privacy.blocked import Blocked
from serving.store.privacy.places import TABLES, Cleaning
from serving.store.privacy.receipts import Receipt, is_genuine, sign
from serving.store.privacy.residue import is_left
from serving.store.privacy.workspace_files import Removal, WorkspaceFiles

OF_LEAD = tuple(table for table, how in TABLES.items() if how in (Cleaning.BY_LEAD, Cleaning.REJECTED))
A_FEW = {"yield_per": 1_000}
"""Rows that are in memory at once."""
POSTGRESQL_LIMIT = (
    "PostgreSQL shows removed rows to nobody; their bytes stay in its files until its vacuum has come by and the space "
    "is used again, and in its write-ahead log, standbys and backups for as long as these are kept"
)


class Elsewhere(Protocol):
    """What lies beside the store: files of a workspace."""

    def ids(self, lead_id: str) -> list[str]:
        """A lead, and all ids that are its."""

    def block(self, lead_ids: Collection[str], now: int) -> None:
        """Keeps these leads from coming back."""

    def clean(self, lead_ids: Sequence[str]) -> Removal:
        """Takes them out."""


class Nowhere:
    """A store that has nothing beside it."""

    def ids(self, lead_id: str) -> list[str]:
        """The lead."""
        return [lead_id]

    def block(self, lead_ids: Collection[str], now: int) -> None:
        """Nothing is to be done."""

    def clean(self, lead_ids: Sequence[str]) -> Removal:
        """Nothing is gone."""
        return Removal()


NOWHERE = Nowhere()


class Erasure:
    """Erases leads."""

    def __init__(self, database: Database, blocked: Blocked, audit: Audit, seal: Seal) -> None:
        self._database = database
        self._blocked = blocked
        self._audit = audit
        self._seal = seal

    def forget(self, lead_id: str, who: str, now: int, elsewhere: Elsewhere = NOWHERE) -> Receipt:
        """Removes all that is held of a lead, blocks it, and returns a signed receipt.

        Also for a lead that nobody knows: it is blocked all the same. It is blocked first, then removed from the store,
        then from what lies beside it, so that one that was cut off can be repeated. The receipt says what could not be
        searched. Raises UsageError for what is no id, StoreAway when a reader keeps the write-ahead log from being
        emptied, and Unfinished when a place is in use: there is no receipt then, and it is to be repeated.
        """
        try:
            lead_id = required_id(lead_id)
        except NoId as error:
            raise UsageError(f"lead_id {error}") from None
        lead_ids = elsewhere.ids(lead_id)
        elsewhere.block(lead_ids, now)
        with self._database.write() as connection:
            theirs = [*lead_ids, *_other_spellings(connection, lead_ids)]
            for name in sorted(theirs):
                self._blocked.add(connection, name, now)
                hold(connection, name)
            removed = _delete(connection, theirs)
            self._audit.note(connection, who, "forget", now, lead_id)
        _scrub(self._database, theirs)
        rest = elsewhere.clean(lead_ids)
        limits = (*rest.limits, *(() if self._database.is_sqlite else (POSTGRESQL_LIMIT,)))
        return sign(self._seal, self._blocked.subject(lead_id), now, {**removed, **rest.counts}, limits)

    def returned(self, files: WorkspaceFiles) -> set[str]:
        """Leads that are there although a ledger of store or files knows them as erased, as after a restore."""
        with self._database.read() as connection:
            there = set(connection.scalars(select(leads.c.lead_id)))
            there |= set(connection.scalars(select(rejected.c.lead_id).where(rejected.c.lead_id.is_not(None))))
            there |= set(all_ids(files.log_path))
            return files.ledger.known().erased(there) | self._blocked.among(connection, there)

    def forget_returned(self, who: str, now: int, files: WorkspaceFiles) -> Removal:
        """Erases again whoever has returned. Raises as `forget` does; repeatable."""
        self.join(files.ledger, now)
        counts, limits = Counter[str](), list[str]()
        for lead_id in sorted(self.returned(files)):
            receipt = self.forget(lead_id, who, now, files)
            counts.update(receipt.removed)
            limits += receipt.limits
        rest = files.clean_files(ErasedIds(files.ledger.known()))
        counts.update(rest.counts)
        return Removal(dict(counts), tuple(dict.fromkeys([*limits, *rest.limits])))

    def join(self, ledger: Ledger, now: int) -> None:
        """What the store knows of who was erased or objects the ledger of files knows too from now on, and back."""
        with self._database.read() as connection:
            ledger.take_over(self._blocked.known(connection))
            objecting = list(connection.scalars(select(leads.c.lead_id).where(leads.c.objection)))
        if objecting:
            ledger.add("objects", objecting, now)
        with self._database.write() as connection:
            self._blocked.take_over(connection, ledger.known())

    def verify(self, receipt: Receipt, lead_id: str | None = None) -> bool:
        """Whether this store has signed the receipt, and, when an id is given, that it is about that lead."""
        about = lead_id is None or self._blocked.subject(lead_id) == receipt.subject
        return about and is_genuine(self._seal, receipt)


def _other_spellings(connection: Connection, lead_ids: Collection[str]) -> list[str]:
    """Ids of the store that earlier versions have written otherwise, and that are the same."""
    pattern = ("GLOB", "*[^ -~]*") if connection.dialect.name == "sqlite" else ("~", "[^ -~]")
    odd = connection.scalars(select(leads.c.lead_id).where(leads.c.lead_id.op(pattern[0])(pattern[1])))
    return [name for name in odd if name not in lead_ids and spelled(name) in lead_ids]


def _delete(connection: Connection, lead_ids: Sequence[str]) -> dict[str, int]:
    removed = Counter[str]({table.name: 0 for table in (*OF_LEAD, answers)})
    # What a request that is being worked on answers is not kept: it may speak of the lead when all else is gone.
    connection.execute(delete(answers).where(answers.c.status.is_(None)))
    for table in OF_LEAD:
        removed[table.name] += connection.execute(delete(table).where(table.c.lead_id.in_(lead_ids))).rowcount
    for lead_id in lead_ids:
        for table, key, theirs in ((rejected, rejected.c.id, _of_nobody_else), (answers, answers.c.key, _mentioned)):
            keys = [row[key.name] for row in _candidates(connection, table, lead_id) if theirs(row, lead_id)]
            for chunk in chunks(keys):
                removed[table.name] += connection.execute(delete(table).where(key.in_(chunk))).rowcount
    _step_back(connection, lead_ids)
    return dict(removed)


def _step_back(connection: Connection, lead_ids: Sequence[str]) -> None:
    """A scoring that was cut off goes on behind the last lead that it had done; now behind the one before that."""
    before = select(func.max(leads.c.lead_id)).where(leads.c.lead_id < rescorings.c.after).scalar_subquery()
    connection.execute(update(rescorings).where(rescorings.c.after.in_(lead_ids)).values(after=before))


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


def all_ids(log_path: Path) -> Iterator[str]:
    """All ids in an event log; none where there is no log."""
    if not (log_path / NAME).exists():
        return
    log = EventLog.open(log_path)
    for bucket in range(log.n_buckets):
        for folder in log.folders:
            yield from read_lead_ids(folder, bucket).to_pylist()


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


def _scrub(database: Database, lead_ids: Sequence[str]) -> None:
    """Overwrites what deleting has left behind: SQLite has zeroed what was deleted, but its write-ahead log has old
    pages, and a page that was split may keep copies of what was moved. Only a file that is written anew has none then.

    What PostgreSQL keeps, and for how long, is its operator's; the receipt says so.
    """
    if database.file is None:
        return
    _empty_log(database)
    if is_left(database.file, lead_ids):
        _write_anew(database)
        _empty_log(database)


def _write_anew(database: Database) -> None:
    """Through a temporary file: a large store would not fit into memory."""
    with database.alone() as connection:
        connection.exec_driver_sql("PRAGMA temp_store = FILE")
        try:
            connection.exec_driver_sql("VACUUM")
        finally:
            connection.exec_driver_sql("PRAGMA temp_store = MEMORY")


def _empty_log(database: Database) -> None:
    until = time.monotonic() + BUSY_S
    while True:
        with database.maintain() as connection:
            busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
        if not busy:
            return
        if time.monotonic() > until:
            raise StoreAway("a reader keeps the write-ahead log of the store from being emptied; forget the lead again")
