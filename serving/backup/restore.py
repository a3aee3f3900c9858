"""Makes an installation of a backup, in an empty place: checked first, then whole at once, without who was erased."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from data.contract import UsageError
from serving.backup.contents import STORES, WORKSPACE, Contents, checked
from serving.backup.databases import undump
from serving.backup.drafts import appear, check_free, check_room, draft_of
from serving.backup.erased import erase_again, ledger_of
from serving.backup.living_files import content, write_private
from serving.store.database.connection import connect
from serving.store.database.wholeness import begin, end
from serving.store.store import Store, open_unfinished

STORE = STORES["sqlite"]
WHO = "restore"


@dataclass(frozen=True)
class Restored:
    """What was restored. erased: leads that the backup held and that were taken out again. store: its URL, "" for none.

    lacks: what the backup did not hold, a sentence for each.
    """

    made_at: int
    files: int
    erased: int
    store: str
    lacks: tuple[str, ...]


def restore(backup: Path, root: Path, url: str | None, ledger: str | None, now: int) -> Restored:
    """Makes the workspace `root` of a backup, with its store in it or, of a dump, in the empty database `url`.

    ledger: URL of the store that is replaced, whose erased leads stay erased too. now: µs UTC. Raises UsageError for a
    place that is taken, DataError for a damaged backup, or for a ledger of another installation. Nothing is there then,
    but for a database of PostgreSQL's that was filled: it opens for nobody.
    """
    contents = checked(backup)
    _check_place(contents, root, url)
    check_room(root, sum((backup / name).stat().st_size for name in contents.files))
    with ExitStack() as stack:
        draft = stack.enter_context(draft_of(root))
        _copy_files(backup, draft, contents)
        replaced = None if ledger is None else stack.enter_context(ledger_of(ledger))
        store = _open(backup, draft, contents, url)
        if store is not None:
            stack.enter_context(store)
        erased = erase_again(store, draft, replaced, WHO, now)
        if store is None:
            appear(draft, root)
            return Restored(contents.made_at, len(contents.files), erased, "", contents.lacks)
        store.audit.add(WHO, "restore a backup", now)
        if url is None:
            store.close()  # what its write-ahead log holds goes into the file
        appear(draft, root)
        if url is not None:
            end(store.database)
    return Restored(contents.made_at, len(contents.files), erased, url or f"sqlite:///{root / STORE}", contents.lacks)


def _check_place(contents: Contents, root: Path, url: str | None) -> None:
    check_free(root)
    if contents.store == "postgresql" and url is None:
        raise UsageError("the backup is of a store on PostgreSQL; name an empty database: --store postgresql://…")
    if contents.store != "postgresql" and url is not None:
        raise UsageError(f"the backup's store becomes {root / STORE}; leave --store out")


def _copy_files(backup: Path, draft: Path, contents: Contents) -> None:
    # Earlier backups hold a store of the workspace that was not in use, too: it would take the place of the other one.
    left_out = {STORES["postgresql"], *([f"{WORKSPACE}/{STORE}"] if contents.store != "none" else [])}
    for name in contents.files:
        if name not in left_out:
            write_private(draft / name.removeprefix(f"{WORKSPACE}/"), content(backup / name))


def _open(backup: Path, draft: Path, contents: Contents, url: str | None) -> Store | None:
    """The restored store; None for a backup without one."""
    if contents.store == "none":
        return None
    if url is None:
        return open_unfinished(f"sqlite:///{draft / STORE}")
    with closing(connect(url)) as database:
        undump(database, backup / STORES["postgresql"])
        begin(database, contents.revision)
    return open_unfinished(url)
