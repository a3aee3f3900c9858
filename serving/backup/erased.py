"""Who was erased stays erased: whatever a backup still holds of them is taken out before anybody can see it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.exc import DBAPIError

from data.contract import DataError, UsageError
from data.erasure.lead_ids import ErasedIds
from data.erasure.seal import Seal
from serving.store.database.connection import Database, connect
from serving.store.database.failures import StoreError
from serving.store.database.schema import answers, attempts, secrets, sessions
from serving.store.database.store_seal import SEAL, seal_of
from serving.store.privacy.blocked import Blocked
from serving.store.privacy.erasure import all_ids
from serving.store.privacy.workspace_files import WorkspaceFiles
from serving.store.store import Store

SHORT_LIVED = (answers, sessions, attempts)
"""What was said, and who was signed in, is of no use later, and may name somebody who was erased since."""


def erase_again(store: Store | None, root: Path, replaced: Database | None, who: str, now: int) -> int:
    """Erases from a restored store and workspace all whom their ledgers, or that of the store they replace, know.

    Says how many there were. The ledger of the replaced store becomes part of the restored ones. Raises DataError when
    it was kept under another key. now: µs UTC.
    """
    files = WorkspaceFiles(root, root / "log")
    if replaced is not None:
        _take_over(files, store, replaced)
    if store is None:
        return _erase_from_files(files)
    with store.database.write() as connection:
        for table in SHORT_LIVED:
            connection.execute(delete(table))
    returned = store.erasure.returned(files)
    store.erasure.forget_returned(who, now, files)
    return len(returned)


def _erase_from_files(files: WorkspaceFiles) -> int:
    known = files.ledger.known()
    returned = sorted(known.erased(set(all_ids(files.log_path))))
    for lead_id in returned:
        files.clean([lead_id])
    files.clean_files(ErasedIds(known))
    return len(returned)


@contextmanager
def ledger_of(url: str) -> Iterator[Database]:
    """A store that is read for its ledger alone. Raises UsageError when there is none, DataError when it is damaged."""
    replaced = connect(url)
    try:
        file = replaced.engine.url.database
        if replaced.is_sqlite and not Path(str(file)).is_file():
            raise UsageError(f"there is no store at {file} whose ledger could be read; leave --ledger out")
        try:
            _seal(replaced)
        except (StoreError, DBAPIError) as error:
            raise DataError(
                f"the ledger cannot be read ({error.__cause__ or error}); restore without --ledger, and forget anew "
                "whom receipts tell of"
            ) from None
        yield replaced
    finally:
        replaced.close()


def _take_over(files: WorkspaceFiles, store: Store | None, replaced: Database) -> None:
    """What is known of erased leads by a key of the ledger's goes to the files, and from there to the store."""
    if store is not None and seal_of(store.database) != _seal(replaced):
        raise DataError("the ledger is that of another installation (it has another key); name the store of this one")
    with replaced.read() as connection:
        files.ledger.take_over(Blocked(_seal(replaced)).known(connection))


def _seal(database: Database) -> Seal:
    """The key of a store that is not to be changed."""
    with database.read() as connection:
        return Seal(bytes(connection.execute(select(secrets.c.value).where(secrets.c.name == SEAL)).scalar_one()))
