"""Who was erased and who objects, known by keyed hashes alone: the ledger that every door of an event log asks.

It lies beside the log and not in it, so that a log that is made anew keeps it, and works where there is no store. A
store has its own (serving/store/privacy/blocked.py), in the transactions of its rows; where both are at hand, each
takes over what the other knows. Several keys may be in use, since ledgers of several workspaces may meet in a store.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from data.contract import DataError
from data.erasure.seal import BYTES, Seal
from data.ids import spelled
from data.log.manifest import sync

Right = Literal["erased", "objects"]
NAME = "erased.db"
WAITS_FOR_OTHERS_S = 30.0
"""So long one waits for others: who writes a list holds the ledger for as long as that takes."""
TABLES = (
    "CREATE TABLE keys (value BLOB PRIMARY KEY, own INTEGER NOT NULL)",
    'CREATE TABLE subjects (subject TEXT, "right" TEXT, at INTEGER NOT NULL, PRIMARY KEY (subject, "right"))',
    "CREATE TABLE written (path TEXT PRIMARY KEY)",
)


@dataclass(frozen=True)
class ErasedAndObjecting:
    """What a ledger says. keys: the own one first. subjects: right -> keyed hash of a lead -> since when, µs UTC."""

    keys: tuple[bytes, ...] = ()
    subjects: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def erased(self, lead_ids: Collection[str]) -> set[str]:
        """Which of these leads were erased."""
        return self._among("erased", lead_ids)

    def and_erased(self, lead_ids: Collection[str], now: int) -> ErasedAndObjecting:
        """With these leads erased (µs UTC), too; where a ledger is there."""
        if not self.keys or not lead_ids:
            return self
        more = dict.fromkeys((subject_of(Seal(self.keys[0]), lead_id) for lead_id in lead_ids), now)
        return ErasedAndObjecting(self.keys, {**self.subjects, "erased": {**more, **self.subjects.get("erased", {})}})

    def withheld(self, lead_ids: Collection[str]) -> set[str]:
        """Which of them must not be scored: they were erased, or object."""
        return self._among("erased", lead_ids) | self._among("objects", lead_ids)

    def _among(self, right: Right, lead_ids: Collection[str]) -> set[str]:
        there = self.subjects.get(right)
        if not there:
            return set()
        seals = [Seal(key) for key in self.keys]
        return {lead_id for lead_id in lead_ids if any(subject_of(seal, lead_id) in there for seal in seals)}


def subject_of(seal: Seal, lead_id: str) -> str:
    """What stands for a lead once it is erased: 64 hexadecimal digits."""
    return seal.of("lead", spelled(lead_id))


@dataclass(frozen=True)
class Ledger:
    """The ledger in a file, which nobody but its owner may read: it holds the key.

    Every method raises DataError where the file is there and cannot be used: without it erased leads would return.
    """

    path: Path

    @staticmethod
    def beside(log_path: Path) -> Ledger:
        """The ledger of an event log, whether it is there yet or not."""
        return Ledger(log_path.parent / NAME)

    def known(self) -> ErasedAndObjecting:
        """What it says now."""
        if not self.path.exists():
            return ErasedAndObjecting()
        with self._transaction("BEGIN") as connection:
            return _read(connection)

    @contextmanager
    def held(self) -> Iterator[ErasedAndObjecting]:
        """What it says, and nobody is added until this ends: what is written meanwhile is found by the next erasure.

        Nothing is known, nor held, where no ledger can be: in a folder that is not there or not to be written to.
        """
        if not self.path.exists() and not os.access(self.path.parent, os.W_OK):
            yield ErasedAndObjecting()
            return
        with self._transaction("BEGIN") as connection:
            yield _read(connection)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody holds it until this ends: drafts of lists that lie about are nobody's any more."""
        with self._transaction("BEGIN EXCLUSIVE"):
            yield

    def add(self, right: Right, lead_ids: Collection[str], now: int) -> None:
        """From now on (µs UTC) these leads are erased, or object; on disk when this returns."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            seal = Seal(_read(connection).keys[0])
            rows = [(subject_of(seal, lead_id), right, now) for lead_id in lead_ids]
            connection.executemany("INSERT OR IGNORE INTO subjects VALUES (?, ?, ?)", rows)

    def withdraw(self, lead_ids: Collection[str]) -> None:
        """These leads do not object any more."""
        if not self.path.exists():
            return
        with self._transaction("BEGIN IMMEDIATE") as connection:
            seals = [Seal(key) for key in _read(connection).keys]
            rows = [(subject_of(seal, lead_id),) for seal in seals for lead_id in lead_ids]
            connection.executemany("DELETE FROM subjects WHERE subject = ? AND \"right\" = 'objects'", rows)

    def take_over(self, other: ErasedAndObjecting) -> None:
        """Adds what another ledger says, with its keys."""
        mine = self.known()
        new = [(subject, right, at) for right, subjects in other.subjects.items() for subject, at in subjects.items()
               if subject not in mine.subjects.get(right, {})]  # fmt: skip
        if not new and set(other.keys) <= set(mine.keys):
            return
        with self._transaction("BEGIN IMMEDIATE") as connection:
            connection.executemany("INSERT OR IGNORE INTO keys VALUES (?, 0)", [(key,) for key in other.keys])
            connection.executemany("INSERT OR IGNORE INTO subjects VALUES (?, ?, ?)", new)

    def note_written(self, path: Path) -> None:
        """Notes that a list was written to a place outside the folder of the ledger: an erasure looks there too."""
        if path.resolve().is_relative_to(self.path.parent.resolve()) or not os.access(self.path.parent, os.W_OK):
            return
        with self._transaction("BEGIN IMMEDIATE") as connection:
            connection.execute("INSERT OR IGNORE INTO written VALUES (?)", (str(path.resolve()),))

    def written(self) -> list[Path]:
        """The places that were noted."""
        if not self.path.exists():
            return []
        with self._transaction("BEGIN") as connection:
            return [Path(path) for (path,) in connection.execute("SELECT path FROM written ORDER BY path")]

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._open()) as connection:
                connection.execute(begin)
                _read(connection)  # takes the lock: SQLite's BEGIN alone does not
                yield connection
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise DataError(f"{self.path} cannot be used ({error}); {_remedy(error)}") from None

    def _open(self) -> sqlite3.Connection:
        if not self.path.exists():
            try:
                self._make()
            except OSError as error:
                raise DataError(f"{self.path} cannot be made ({error.strerror}); make room for it") from None
        return _connected(self.path)

    def _make(self) -> None:
        """It is there as a whole or not at all: an empty file is a damaged one, and whoever comes first makes it."""
        draft = self.path.with_name(f".{NAME}.{secrets.token_hex(4)}.draft")
        try:
            # Private from the first byte on: SQLite gives its journal the same rights.
            os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            with closing(_connected(draft)) as connection:
                for table in TABLES:
                    connection.execute(table)
                connection.execute("INSERT INTO keys VALUES (?, 1)", (secrets.token_bytes(BYTES),))
            with suppress(FileExistsError):
                os.link(draft, self.path)
            sync(self.path.parent)
        finally:
            draft.unlink(missing_ok=True)


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw", uri=True, timeout=WAITS_FOR_OTHERS_S, isolation_level=None
    )
    connection.execute("PRAGMA synchronous = EXTRA")
    return connection


def _remedy(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "another command is writing, try again"
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return "make room on the disk and try again"
    return "it says who was erased, and nothing is taken in without it: restore it from a backup"


def _read(connection: sqlite3.Connection) -> ErasedAndObjecting:
    keys = tuple(value for (value,) in connection.execute("SELECT value FROM keys ORDER BY own DESC, value"))
    subjects: dict[str, dict[str, int]] = {}
    for subject, right, at in connection.execute('SELECT subject, "right", at FROM subjects'):
        subjects.setdefault(right, {})[subject] = at
    return ErasedAndObjecting(keys, subjects)
