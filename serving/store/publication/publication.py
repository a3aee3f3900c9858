"""Takes leads, profiles and histories of the event log over into the store, so that it says what the log says now.

Each lead carries a hash of what the log said of it when it was taken over: only those that say something else are read
and written again, in transactions of some thousand rows. One that is cut off goes on where it stopped, and what is done
twice has no effect. What services have sent since stays; so does all that people have decided. Whoever was erased or
objects is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import Connection, bindparam, delete, exists, select, update

from data.log.content import lead_hashes
from data.log.eventlog import EventLog
from serving.store.database.changes import mark_changed
from serving.store.database.connection import AT_ONCE, Database, chunks
from serving.store.database.schema import events, leads, profiles
from serving.store.leads.profile_versions import note_newest
from serving.store.privacy.blocked import Blocked
from serving.store.publication.log_state import EVENTS_AT_ONCE, LeadsState, state_of, takes_back
from serving.store.publication.merges import NO_MERGES, Merges, scored
from serving.store.publication.published_events import (
    EventChanges,
    LogEvent,
    event_changes,
    hand_over,
    put_events,
    remove_events,
)
from serving.store.publication.published_profiles import ProfileChanges, ProfileColumns, profile_changes, write_versions

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Published:
    """What a publication has done. leads: that count now; changed: whose state was not that of the store.

    events, profiles: rows put in or replaced; removed: rows of events taken out. kept: rows that services sent and
    that say something else; the log has not taken them in yet. withheld: leads that were erased, or object.
    refused: column of the log -> why the store keeps no such attribute. unknown: column -> values that it keeps not.
    """

    leads: int = 0
    changed: int = 0
    events: int = 0
    profiles: int = 0
    removed: int = 0
    kept: int = 0
    withheld: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)

    def and_also(self, **counts: int) -> Published:
        """With so many more of each."""
        return replace(self, **{name: getattr(self, name) + more for name, more in counts.items()})


class Publication:
    """Publishes event logs."""

    def __init__(self, database: Database, blocked: Blocked) -> None:
        self._database = database
        self._blocked = blocked

    def run(self, log: EventLog, now: int, progress: Progress = lambda done, of: None) -> Published:
        """Brings the store to what the log says at `now`, the clock in µs UTC. Memory: a bucket of the log at a time.

        What becomes known later, like what is dated today without a time, comes with a later publication. Raises
        DataError where the store could not tell two profile columns apart, StoreFull, StoreAway.
        """
        columns, n = ProfileColumns.of(log.profile_columns), log.n_buckets
        done = Published(refused=dict(columns.refused), unknown=columns.unknown)
        for bucket in range(n):
            if takes_back(log, bucket):
                for part in state_of(log, bucket, now).parts():
                    self._hand_over(part)
            progress(bucket + 1, 5 * n)
        hashes = [np.empty(0, np.uint64)]
        for bucket in range(n):
            state = state_of(log, bucket, now)
            for part in state.parts():
                done = self._publish(part, columns, now, done)
            hashes.append(lead_hashes(pa.array(state.lead_ids, pa.string())))
            progress(n + 4 * (bucket + 1), 5 * n)
        return done.and_also(removed=self._retire(np.concatenate(hashes), now))

    def _hand_over(self, part: LeadsState) -> None:
        with self._database.read() as connection:
            said = _said(connection, part.lead_ids)
        changed = [lead_id for lead_id, digest in zip(part.lead_ids, part.digests, strict=True)
                   if said.get(lead_id) != digest]  # fmt: skip
        table = _of(part.events, changed)
        if pc.any(table.column("wrong")).as_py():
            with self._database.write() as connection:
                hand_over(connection, table)

    def _publish(self, part: LeadsState, columns: ProfileColumns, now: int, done: Published) -> Published:
        there = _counting(part)
        with self._database.read() as connection:
            withheld, said = self._withheld(connection, part.lead_ids), _said(connection, part.lead_ids)
            concerned = there | said.keys() | scored(connection, part.merged.keys() - said.keys())
            digests = {lead_id: digest for lead_id, digest in zip(part.lead_ids, part.digests, strict=True)
                       if lead_id in concerned - withheld and said.get(lead_id) != digest}  # fmt: skip
            known = digests.keys() & said.keys()
            of_events = event_changes(connection, _of(part.events, digests), known)
            versions = columns.versions(_of(part.versions, digests))
            of_profiles = profile_changes(connection, versions, known)
        done = done.and_also(leads=len(there - withheld), changed=len(digests), withheld=len(withheld))
        if not digests:
            return done
        away = dict(zip(part.lead_ids, part.away_since, strict=True))
        standings = {lead_id: (digest, away[lead_id]) for lead_id, digest in digests.items()}
        merges = Merges.of(part, digests.keys())
        return self._write(standings, of_events, of_profiles, merges, now, done)

    def _write(
        self,
        standings: dict[str, tuple[str, int | None]],
        of_events: EventChanges,
        of_profiles: ProfileChanges,
        merges: Merges,
        now: int,
        done: Published,
    ) -> Published:
        """All of it in one transaction, unless it is much: then what is last says that nothing is missing."""
        if of_events.removed:
            with self._database.write() as connection:
                done = done.and_also(removed=remove_events(connection, of_events.removed))
        *before, last = _slices(of_events.put)
        for some in before:
            with self._database.write() as connection:
                written, kept = put_events(connection, self._allowed(connection, some))
            done = done.and_also(events=written, kept=kept)
        with self._database.write() as connection:
            withheld = self._withheld(connection, standings)
            allowed = {lead_id: state for lead_id, state in standings.items() if lead_id not in withheld}
            written, kept = put_events(connection, [event for event in last if event.lead_id in allowed])
            put = [version for version in of_profiles.put if version.lead_id in allowed]
            versions = write_versions(connection, put, of_profiles.removed)
            _note(connection, allowed, merges, now)
        return done.and_also(events=written, profiles=versions, kept=kept + of_profiles.kept)

    def _allowed(self, connection: Connection, put: Sequence[LogEvent]) -> list[LogEvent]:
        withheld = self._withheld(connection, {event.lead_id for event in put})
        return [event for event in put if event.lead_id not in withheld]

    def _withheld(self, connection: Connection, lead_ids: Collection[str]) -> set[str]:
        """Who of them was erased, or objects."""
        withheld = self._blocked.among(connection, lead_ids)
        query = select(leads.c.lead_id).where(leads.c.objection)
        for chunk in chunks(sorted(lead_ids)):
            withheld |= set(connection.scalars(query.where(leads.c.lead_id.in_(chunk))))
        return withheld

    def _retire(self, hashes: NDArray[np.uint64], now: int) -> int:
        """Takes out what was published of leads that the log does not have any more; says how many events."""
        removed = 0
        for page in self._pages():
            of_page = lead_hashes(pa.array(page, pa.string()))
            for lead_id in np.array(page, object)[~np.isin(of_page, hashes)]:
                with self._database.write() as connection:
                    removed += _withdraw(connection, str(lead_id), now)
        return removed

    def _pages(self) -> Iterator[list[str]]:
        """All leads of which something was published, some at a time."""
        query = select(leads.c.lead_id).where(leads.c.published.is_not(None), ~leads.c.objection)
        query, page = query.order_by(leads.c.lead_id).limit(AT_ONCE), [""]
        while page:
            with self._database.read() as connection:
                page = list(connection.scalars(query.where(leads.c.lead_id > page[-1])))
            yield page


def _of(table: pa.Table, lead_ids: Collection[str]) -> pa.Table:
    """Rows of these leads."""
    return table.filter(pc.is_in(table.column("lead_id"), value_set=pa.array(list(lead_ids), pa.string())))


def _counting(part: LeadsState) -> set[str]:
    """Leads of which something counts, and that are not away."""
    current = part.events.filter(pc.invert(part.events.column("wrong")))
    lead_ids = {*current.column("lead_id").to_pylist(), *part.versions.column("lead_id").to_pylist()}
    away = {lead_id for lead_id, since in zip(part.lead_ids, part.away_since, strict=True) if since is not None}
    return lead_ids - away


def _said(connection: Connection, lead_ids: Sequence[str]) -> dict[str, str | None]:
    """For each of these leads that the store knows what the log had said of it when it was published, as a hash."""
    said: dict[str, str | None] = {}
    for chunk in chunks(lead_ids):
        said |= dict(
            connection.execute(select(leads.c.lead_id, leads.c.published).where(leads.c.lead_id.in_(chunk))).all()
        )
    return said


def _slices(put: list[LogEvent]) -> list[list[LogEvent]]:
    """Events in lists that one transaction may write; at least one, which may be empty."""
    return [put[start : start + EVENTS_AT_ONCE] for start in range(0, max(len(put), 1), EVENTS_AT_ONCE)]


def _note(connection: Connection, standings: dict[str, tuple[str, int | None]], merges: Merges, now: int) -> None:
    """Notes what the log says of leads; forgets those of which nothing is left."""
    mark_changed(connection, standings.keys(), now)
    merged = merges.keep(connection, standings.keys())
    values = [{"lead": lead_id, "said": digest, "since": away, "merged": merged.get(lead_id)}
              for lead_id, (digest, away) in sorted(standings.items())]  # fmt: skip
    statement = update(leads).where(leads.c.lead_id == bindparam("lead"))
    statement = statement.values(
        published=bindparam("said"), away_since=bindparam("since"), merged_since=bindparam("merged")
    )
    connection.execute(statement, values)
    note_newest(connection, standings, now)
    _drop_empty(connection, standings)


def _drop_empty(connection: Connection, lead_ids: Collection[str]) -> None:
    """A lead without an event or a profile is none; its scores and what people have decided wait for its return.

    One with scores that was merged stays: until when it was observed says what came of them.
    """
    empty = [~exists().where(table.c.lead_id == leads.c.lead_id) for table in (events, profiles)]
    for chunk in chunks(sorted(lead_ids)):
        connection.execute(
            delete(leads).where(leads.c.lead_id.in_(chunk), ~leads.c.objection, leads.c.merged_since.is_(None), *empty)
        )


def _withdraw(connection: Connection, lead_id: str, now: int) -> int:
    """Takes out all that was published of a lead."""
    removed = connection.execute(delete(events).where(events.c.lead_id == lead_id, events.c.published)).rowcount
    query = select(profiles.c.valid_from).where(profiles.c.lead_id == lead_id, profiles.c.published)
    write_versions(connection, [], [(lead_id, at) for at in connection.scalars(query).all()])
    mark_changed(connection, [lead_id], now)
    NO_MERGES.keep(connection, [lead_id])
    forgotten = {"published": None, "away_since": None, "merged_since": None}
    connection.execute(update(leads).where(leads.c.lead_id == lead_id).values(forgotten))
    note_newest(connection, [lead_id], now)
    _drop_empty(connection, [lead_id])
    return removed
