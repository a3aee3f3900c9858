"""Who was erased stays erased: whatever a backup still holds of them is taken out before anybody can see it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from data.log.exported_tables import erase_from_files
from sqlalchemy import delete, select
from sqlalchemy.exc import DBAPIError

from data.contract import DataError, UsageError
from data.erasure.seal import Seal
from data.log.eventlog import EventLog
from data.log.identities import Identities
from data.log.manifest import NAME
from serving.store.database.connection import Database, connect, insert
from serving.store.database.hmac_signer import SEAL, seal_of
from serving.store.database.schema import answers, attempts, blocked, secrets, sessions
from serving.store.privacy.blocked import Blocked
from serving.store.privacy.erasure import OF_LEAD
from serving.store.store import Store

SHORT_LIVED = (answers, sessions, attempts)
"""What was said, and who was signed in, is of no use later, and may name somebody who was erased since."""


def erase_again(store: Store | None, root: Path, replaced: Database | None, who: str, now: int) -> int:
    """Erases from a restored store and workspace all whom their ledger, or that of the store they replace, has.

    Says how many there were. The ledger of the replaced store becomes part of the restored one. Raises DataError when
    it was kept under another key. now: µs UTC.
    """
    if store is not None:
        with store.database.write() as connection:
            for table in SHORT_LIVED:
                connection.execute(delete(table))
    if store is not None and replaced is not None:
        _take_over(store.database, replaced)
    lead_ids = {*_in_log(root / "log"), *(_in_store(store.database) if store else ())}
    again = {lead for ledger in (store and store.database, replaced) if ledger for lead in _erased(ledger, lead_ids)}
    for lead_id in sorted(again):
        if store is None:
            erase_from_files(root, root / "log", lead_id)
        else:
            store.erasure.forget(lead_id, who, now, lambda lead: erase_from_files(root, root / "log", lead))
    return len(again)


@contextmanager
def ledger_of(url: str) -> Iterator[Database]:
    """A store that is read for its ledger alone. Raises UsageError when there is none, DataError when it is damaged."""
    replaced = connect(url)
    try:
        file = replaced.engine.url.database
        if replaced.is_sqlite and not Path(str(file)).is_file():
            raise UsageError(f"there is no store at {file} whose ledger could be read; leave --ledger out")
        yield replaced
    except DBAPIError as error:
        raise DataError(
            f"the ledger cannot be read ({error.orig}); restore without --ledger, and forget anew whom receipts tell of"
        ) from None
    finally:
        replaced.close()


def _take_over(database: Database, replaced: Database) -> None:
    if seal_of(database) != _seal(replaced):
        raise DataError("the ledger is that of another installation (it has another key); name the store of this one")
    with replaced.read() as connection:
        rows = [dict(row) for row in connection.execute(select(blocked)).mappings()]
    with database.write() as connection:
        for row in rows:
            connection.execute(insert(connection, blocked).values(row).on_conflict_do_nothing())


def _erased(ledger: Database, lead_ids: Collection[str]) -> set[str]:
    with ledger.read() as connection:
        return Blocked(_seal(ledger)).among(connection, lead_ids)


def _seal(database: Database) -> Seal:
    """The key of a store that is not to be changed."""
    with database.read() as connection:
        return Seal(bytes(connection.execute(select(secrets.c.value).where(secrets.c.name == SEAL)).scalar_one()))


def _in_store(database: Database) -> Iterator[str]:
    with database.read() as connection:
        for table in OF_LEAD:
            query = select(table.c.lead_id).where(table.c.lead_id.is_not(None)).distinct()
            yield from connection.scalars(query)


def _in_log(log_path: Path) -> Iterator[str]:
    """Leads and aliases of an event log, also of parts that were corrected since."""
    if not (log_path / NAME).exists():
        return
    log = EventLog.open(log_path)
    for bucket in range(log.n_buckets):
        for run in log.runs(bucket, ["known_at"]):
            yield from run.leads.to_pylist()
    for table in Identities.open(log.folders).tables:
        yield from (name for column in ("alias", "lead_id") for name in table.column(column).to_pylist())
