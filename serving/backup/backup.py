"""Takes a backup: event log, workspace and store as of one moment, while events arrive and models are trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import inspect

from data.contract import DataError, UsageError
from serving.backup.contents import LOG, SETTINGS, STORES, WORKSPACE, Contents, sha256_of, write_contents
from serving.backup.databases import copy_sqlite, dump, is_beside, is_sqlite, size_of
from serving.backup.drafts import MARK, appear, check_free, check_room, draft_of
from serving.backup.living_files import content, copy_living, links, listing, write_private
from serving.store.database.connection import Database, connect
from serving.store.database.migrate import revision_of
from serving.store.database.schema import secrets
from serving.store.database.wholeness import check_whole
from training.registry.tracking import Tracking

REMADE = {
    "training_set": "training sets: `leadscore features` makes them again",
    "backtest": "backtests: `leadscore backtest` makes them again",
    "serving": "the server's copies of models: it makes them again",
    "cache": "copies of a tracking server's artifacts: they are fetched again",
    "numba": "compiled code: it is made again",
}
"""Folders of a workspace that others make again, and by what."""
ENDS, BEGINS = (".lock", ".draft"), ("staging", "draft-", "store-export-", MARK)
"""Of names of files and folders that are there for the moment only."""
OUTSIDE = "mappings, and the settings of programs around it: keep them where your code is"


@dataclass(frozen=True)
class Installation:
    """What is backed up. root: the workspace. log: its event log. store: URL. settings: their file, if there is one."""

    root: Path
    log: Path
    store: str
    settings: Path | None = None


def make_backup(of: Installation, place: Path, now: int) -> Contents:
    """Writes a backup into a new folder, which appears when it is whole. now: µs UTC, its moment.

    Raises UsageError for a place that is taken, or lies in the workspace, DataError when something cannot be copied as
    of one moment, OSError when the disk is full: there is no backup then.
    """
    check_free(place)
    for folder in (of.root, of.log):
        if place.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"{place} lies in {folder}, which it is a backup of; name a folder elsewhere")
    if not of.root.is_dir():
        raise DataError(f"there is no workspace at {of.root}; name one with --var")
    store = connect(of.store)
    try:
        with draft_of(place) as draft:
            contents = _fill(draft, of, store, now)
            write_contents(draft, contents)
            appear(draft, place)
    finally:
        store.close()
    return contents


def _fill(draft: Path, of: Installation, store: Database, now: int) -> Contents:
    sizes = [signature.size for folder in (of.root, of.log) for signature in listing(folder, _lasts).values()]
    check_room(draft, sum(sizes) + (0 if store.is_sqlite else size_of(store)))
    # What MLflow has noted first, then the artifacts that it names: nothing of them is removed meanwhile.
    files, lacks = _copy_databases(draft, of, store), [OUTSIDE, *_remade(of), *_elsewhere(of), *_unused(of, store)]
    copies, restless = copy_living(of.root, draft / WORKSPACE, _as_it_is(of))
    files |= {f"{WORKSPACE}/{name}": digest for name, digest in copies.items()}
    lacks += [f"{name}: it changed all the time" for name in restless]
    lacks += [f"{name}: links are not followed" for name in links(of.root, _as_it_is(of))]
    files |= _copy_log(draft, of.log)
    if of.settings is not None:
        files[SETTINGS] = write_private(draft / SETTINGS, content(of.settings))
    # The store last: whoever is erased meanwhile is erased in it, and when it is restored, from the rest too.
    kind = _kind(store)
    if kind == "none":
        return Contents(now, kind, "", (*lacks, f"a store: there is none at {of.store}"), files)
    check_whole(store)
    file = draft / STORES[kind]
    copy_sqlite(_path(store), file) if store.is_sqlite else dump(store, file)
    with store.read() as connection:
        revision = revision_of(connection) or ""
    return Contents(now, kind, revision, tuple(lacks), files | {STORES[kind]: sha256_of(file)})


def _kind(store: Database) -> Literal["sqlite", "postgresql", "none"]:
    if store.is_sqlite:
        return "sqlite" if _path(store).exists() else "none"
    with store.read() as connection:
        return "postgresql" if inspect(connection).has_table(secrets.name) else "none"


def _path(store: Database) -> Path:
    return Path(str(store.engine.url.database))


def _lasts(path: Path) -> bool:
    return not path.name.endswith(ENDS) and not path.name.startswith(BEGINS)


def _belongs(of: Installation) -> Callable[[Path], bool]:
    """Whether a file or folder is the workspace's own, and not made again."""
    elsewhere = {of.root / name for name in (*REMADE, "log", STORES["sqlite"])} | {of.log}
    return lambda path: path not in elsewhere and _lasts(path)


def _as_it_is(of: Installation) -> Callable[[Path], bool]:
    belongs = _belongs(of)
    return lambda path: belongs(path) and not is_sqlite(path)


def _remade(of: Installation) -> list[str]:
    return [said for name, said in REMADE.items() if (of.root / name).exists()]


def _unused(of: Installation, store: Database) -> list[str]:
    """A store in the workspace that is not the one in use would take its place when both are restored."""
    there = of.root / STORES["sqlite"]
    is_used = store.is_sqlite and there.exists() and _path(store).exists() and there.samefile(_path(store))
    return [f"{there.name} of the workspace: the store in use is another one"] if there.exists() and not is_used else []


def _elsewhere(of: Installation) -> list[str]:
    """What lies on other machines, and is backed up there."""
    tracking = Tracking.of(of.root)
    return [f"registered models: {tracking.address} keeps them; back that up too"] if tracking.is_shared else []


def _copy_databases(draft: Path, of: Installation, store: Database) -> dict[str, str]:
    """Copies the databases of SQLite's in the workspace but the store: MLflow's."""
    belongs, digests = _belongs(of), {}
    for name in listing(of.root, lambda path: belongs(path) and (path.is_dir() or is_sqlite(path))):
        path, copy = of.root / name, draft / WORKSPACE / name
        if not is_beside(path) and not (_kind(store) == "sqlite" and path.samefile(_path(store))):
            copy_sqlite(path, copy)
            digests[f"{WORKSPACE}/{name}"] = sha256_of(copy)
    return digests


def _copy_log(draft: Path, log: Path) -> dict[str, str]:
    copies, restless = copy_living(log, draft / LOG, _lasts)
    if restless:
        raise DataError(f"{log} changes faster than it can be copied ({restless[0]}); try again between two ingests")
    return {f"{LOG}/{name}": digest for name, digest in copies.items()}
