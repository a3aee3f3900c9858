"""The chain of the audit trail: each entry is sealed together with the one before it, so that what is changed,
removed or put in between is found.

The seal's key lies in the store. Whoever has all of the database could forge all of it: a head (the newest number and
its seal) that is kept elsewhere shows that too. Entries hold no ids in clear, so an erasure changes none of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select

from data.erasure.seal import Seal
from serving.store.database.schema import audit, changes, trail_head

A_FEW = {"yield_per": 1_000}
"""Entries that are in memory at once."""
MOST = 10
"""Faults that are told one by one."""


class Head(NamedTuple):
    """An entry of the chain. number: how many there had ever been with it. seal: 64 hexadecimal digits."""

    number: int
    seal: str


class NewEntry(NamedTuple):
    """What an entry says: see `AuditEntry`."""

    at: int
    who: str
    action: str
    subject: str | None


class StoredEntry(NamedTuple):
    """An entry as it stands in the trail; of a version that did not seal without number and seal."""

    number: int | None
    seal: str | None
    said: NewEntry


NOTHING = Head(0, "")
"""What stands before the first entry."""


@dataclass(frozen=True)
class Checked:
    """What a check has found. head: the newest entry. older: entries of versions that did not seal, which come first.

    faults: what does not fit, a sentence each; empty when nothing was changed.
    """

    head: Head
    entries: int
    older: int
    faults: tuple[str, ...]


@dataclass(frozen=True)
class TrailChain:
    """Seals entries, and finds what does not fit."""

    _seal: Seal

    def append(self, connection: Connection, entry: NewEntry) -> None:
        """Adds an entry, as the last of a transaction: nothing else is waited for under the lock that this takes."""
        connection.execute(select(changes.c.number).with_for_update())
        floor, head = self._ends(connection) or (NOTHING, NOTHING)
        number = head.number + 1
        seal = self._of(head.seal, number, entry)
        connection.execute(insert(audit).values(**entry._asdict(), number=number, seal=seal))
        self._keep(connection, floor, Head(number, seal))

    def shorten(self, connection: Connection, last: int) -> int:
        """Removes entries up to the one with the id `last`; the chain goes on from there; how many there were."""
        connection.execute(select(changes.c.number).with_for_update())
        sealed = select(audit.c.number, audit.c.seal).where(audit.c.id <= last, audit.c.number.is_not(None))
        newest = connection.execute(sealed.order_by(audit.c.id.desc()).limit(1)).one_or_none()
        ends = self._ends(connection)
        if newest is not None and ends is not None:
            self._keep(connection, Head(*newest), ends[1])
        return connection.execute(delete(audit).where(audit.c.id <= last)).rowcount

    def check(self, connection: Connection, known: Head | None = None) -> Checked:
        """Walks the whole trail. known: a head that was kept elsewhere, and must be an entry of it still."""
        floor, head = self._ends(connection) or (NOTHING, NOTHING)
        walk = _Walk(self, floor, known)
        columns = select(audit.c.number, audit.c.seal, *(audit.c[name] for name in NewEntry._fields))
        for number, seal, *said in connection.execute(columns.order_by(audit.c.id), execution_options=A_FEW):
            walk.take(StoredEntry(number, seal, NewEntry(*said)))
        faults = [*walk.faults]
        if walk.last != head:
            faults.append(f"the newest entry is number {walk.last.number}, number {head.number} was the newest")
        if head != NOTHING and not self._is_own(connection, floor, head):
            faults.append("what is kept of the trail's beginning and end was changed")
        if known is not None and not walk.is_known and known.number > floor.number:
            faults.append(f"entry {known.number} is not the one that was kept elsewhere")
        return Checked(head, walk.entries, walk.older, tuple(faults[:MOST]))

    def fits(self, before: str, entry: StoredEntry) -> bool:
        """Whether an entry is sealed together with this one before it."""
        return self._of(before, entry.number, entry.said) == entry.seal

    def _of(self, before: str, number: int | None, said: NewEntry) -> str:
        return self._seal.of("trail", json.dumps([before, number, *said]))

    def _ends(self, connection: Connection) -> tuple[Head, Head] | None:
        """What was removed last from the beginning, and the newest entry; None where nothing was sealed yet."""
        row = connection.execute(select(trail_head)).one_or_none()
        return None if row is None else (Head(row.floor, row.floor_seal), Head(row.number, row.seal))

    def _is_own(self, connection: Connection, floor: Head, head: Head) -> bool:
        own_seal: str | None = connection.scalar(select(trail_head.c.own_seal))
        return own_seal == self._of_ends(floor, head)

    def _keep(self, connection: Connection, floor: Head, head: Head) -> None:
        connection.execute(delete(trail_head))
        ends = {"floor": floor.number, "floor_seal": floor.seal, "number": head.number, "seal": head.seal}
        connection.execute(insert(trail_head).values(**ends, own_seal=self._of_ends(floor, head)))

    def _of_ends(self, floor: Head, head: Head) -> str:
        return self._seal.of("ends of the trail", json.dumps([*floor, *head]))


class _Walk:
    """Goes from entry to entry. last: the newest one that was seen."""

    def __init__(self, chain: TrailChain, floor: Head, known: Head | None) -> None:
        self._chain, self._known = chain, known
        self.last, self.entries, self.older = floor, 0, 0
        self.is_known, self.faults = known == floor, list[str]()

    def take(self, entry: StoredEntry) -> None:
        """The next entry: a hole is told by the number behind it, a change by the seal."""
        self.entries += 1
        number = entry.number
        if number is None:
            self.older += 1
            if self.last.number:
                self.faults.append(f"an entry that is not sealed stands behind number {self.last.number}")
            return
        if number != self.last.number + 1:
            self.faults.append(f"entries between number {self.last.number} and {number} are missing")
        elif not self._chain.fits(self.last.seal, entry):
            self.faults.append(f"entry {number} was changed")
        self.last = Head(number, entry.seal or "")
        self.is_known |= self.last == self._known
