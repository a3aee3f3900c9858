"""The list that people work through: where leads stand and what was known when they were scored, page by page.

What is listed is noted at each scoring, so that a list of a million leads is filtered and ordered by indices alone.
A lead that objects is never listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from typing import get_args

from sqlalchemy import BindParameter, Connection, TextClause, and_, bindparam, func, select, text, update

from serving.store.database.connection import Database, chunks
from serving.store.database.presence import hold_present
from serving.store.database.schema import attributes, leads, scores, standings
from serving.store.leads.worklist_entry import WorklistEntry, entries_of
from serving.store.leads.worklist_query import (
    LABELS,
    LOOKED,
    IndexWalk,
    Searched,
    WantedLeads,
    cursor_after,
    find_way,
    keys_of,
    page_query,
)
from serving.store.scores.scores import WEEK_AGO
from serving.store.scores.sections import placed, worker_of
from serving.store.scores.standing_row import StandingRow
from serving.store.scores.standings import standings_of

RISEN = 1.25
"""A lead rises when its probability is at least so many times that of a week ago."""
PRESSED = 5
"""A lead is pressed too hard when it has left so many contacts of the last 30 days unanswered, one after the other."""
MOST = 200
STRIDE = 1_000
"""Leads that are read at once when all of a list are wanted."""
CHOICES = 50
FILTERED = ("stage", "channel", *LABELS)
"""Columns of which lists offer the values."""


@dataclass(frozen=True, slots=True)
class WorklistRow:
    """What was known of a lead when it was scored.

    fit, engagement: log-odds that profile and behaviour add. reason: the feature that speaks most for it, None for
    none; reason_value: its value, as JSON. active_at: µs UTC of the latest thing that it did itself. contacts: by us,
    within 30 days; ignored: those among them that came after its last answer. channel: through which it came. latest:
    when things of each kind last happened, as JSON (`serving/scoring/latest_events.py`); None where nobody has looked.
    chain: probabilities of the steps of a chain, as JSON; None where there is none.
    """

    lead_id: str
    fit: float
    engagement: float
    reason: str | None
    reason_value: str | None
    active_at: int | None
    contacts: int
    ignored: int
    channel: str | None
    latest: str | None = None
    chain: str | None = None


NOTED = tuple(field.name for field in fields(WorklistRow) if field.name != "lead_id")
LISTED = (*NOTED, *LABELS, "before", "rising", "untouched", "pressed", "worker", "section")
"""Columns of a standing that are noted for lists."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Leads, and the cursor of the next page; None when this is the last.

    looked: how many leads a page has looked at that did not become full, and goes on with the next; else None.
    """

    entries: list[WorklistEntry]
    next: str | None
    looked: int | None = None


class Worklist:
    """Notes and lists."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, target: str, as_of: int, worklist_rows: Sequence[WorklistRow]) -> None:
        """Notes what was known of leads that have just been scored as of a moment (µs UTC), in one transaction."""
        if not worklist_rows:
            return
        with self._database.write() as connection:
            present = hold_present(connection, [row.lead_id for row in worklist_rows])
            names = sorted(present)
            if not names:
                return
            before, labels = _before(connection, target, as_of, names), _labels(connection, names)
            there = standings_of(connection, target, names)
            rows = [
                _listed(row, before.get(row.lead_id), there[row.lead_id], labels)
                for row in worklist_rows
                if row.lead_id in there
            ]
            if not rows:
                return
            key = and_(standings.c.target == target, standings.c.lead_id == bindparam("lead"))
            values: dict[str, BindParameter[str]] = {name: bindparam(f"new_{name}") for name in LISTED}
            new = [{"lead": row.lead_id, **{f"new_{name}": getattr(row, name) for name in LISTED}} for row in rows]
            connection.execute(update(standings).where(key).values(values), new)

    def page(self, wanted: WantedLeads, cursor: str | None = None, limit: int = 50) -> Sheet:
        """The leads after a cursor (None: from the beginning), at most `limit` (up to 200).

        Raises UsageError for a cursor that was not made by a list in the same order.
        """
        return self._page(wanted, cursor, max(1, min(limit, MOST)))

    def walk(self, wanted: WantedLeads, stride: int = STRIDE) -> Iterator[list[WorklistEntry]]:
        """All leads of a list in its order, some at a time, so that memory does not grow with the list.

        Each step is a read of its own, so that a slow reader holds nothing up; a lead that is scored meanwhile may
        change its place. By id every lead has one place.
        """
        cursor: str | None = None
        while True:
            sheet = self._page(wanted, cursor, stride)
            yield sheet.entries
            cursor = sheet.next
            if cursor is None:
                return

    def meant(self, wanted: WantedLeads) -> WantedLeads:
        """What a search means: ids that begin with it, else companies that do, else ids that hold it somewhere."""
        if not wanted.search:
            return wanted
        ways = [replace(wanted, searched=way) for way in get_args(Searched)]
        return next((way for way in ways if self._is_there(way)), wanted)

    def has_more_than(self, wanted: WantedLeads, most: int) -> bool:
        """Whether a list has more leads than so many."""
        all_of_it = page_query(wanted, None, IndexWalk(next(iter(wanted.filters), None), None), ("lead_id",))
        limited = all_of_it.order_by(None).limit(most + 1).subquery()
        with self._database.read() as connection:
            return int(connection.scalar(select(func.count()).select_from(limited)) or 0) > most

    def entry(self, target: str, lead_id: str) -> WorklistEntry | None:
        """One lead of the list; None for a lead that was never scored for the target, is unknown or objects."""
        with self._database.read() as connection:
            return entries_of(connection, target, [lead_id]).get(lead_id)

    def choices(self, target: str, names: Sequence[str] = FILTERED) -> dict[str, list[str]]:
        """The values by which a list may be filtered, sorted, at most fifty of each kind."""
        values = dict[str, list[str]]((name, []) for name in names)
        with self._database.read() as connection:
            for name, value in connection.execute(_distinct(tuple(names)), {"target": target}):
                values[name].append(value)
        return values

    def _is_there(self, wanted: WantedLeads) -> bool:
        """Whether a search finds anybody, whatever the filters say."""
        alone = WantedLeads(wanted.target, search=wanted.search, searched=wanted.searched)
        query = page_query(alone, None, IndexWalk(None, None), ("lead_id",)).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def _page(self, wanted: WantedLeads, cursor: str | None, limit: int) -> Sheet:
        with self._database.read() as connection:
            way = find_way(connection, wanted, cursor)
            rows = connection.execute(page_query(wanted, cursor, way, WorklistEntry.__slots__).limit(limit + 1)).all()
        entries = [WorklistEntry(*row) for row in rows[:limit]]
        if len(rows) > limit:
            return Sheet(entries, cursor_after(wanted, keys_of(wanted, rows[limit - 1])))
        return Sheet(entries, None) if way.end is None else Sheet(entries, cursor_after(wanted, way.end), LOOKED)


def _before(connection: Connection, target: str, as_of: int, names: Sequence[str]) -> dict[str, float]:
    """Probabilities of a week ago."""
    newest, oldest = (as_of - age for age in WEEK_AGO)
    probabilities: dict[str, float] = {}
    for chunk in chunks(names):
        query = select(scores.c.lead_id, scores.c.probability).order_by(scores.c.as_of, scores.c.id)
        query = query.where(scores.c.lead_id.in_(chunk), scores.c.target == target)
        probabilities |= dict(connection.execute(query.where(scores.c.as_of.between(oldest, newest))).all())
    return probabilities


def _labels(connection: Connection, names: Sequence[str]) -> dict[tuple[str, str], str]:
    """Attributes of the profile that holds now, by lead and name."""
    labels: dict[tuple[str, str], str] = {}
    for chunk in chunks(names):
        query = select(attributes.c.lead_id, attributes.c.name, attributes.c.text).join(
            leads, and_(leads.c.lead_id == attributes.c.lead_id, leads.c.profile_from == attributes.c.valid_from)
        )
        query = query.where(attributes.c.lead_id.in_(chunk), attributes.c.name.in_(LABELS))
        labels |= {(lead, name): value for lead, name, value in connection.execute(query) if value is not None}
    return labels


def _listed(
    listed: WorklistRow, before: float | None, there: StandingRow, labels: Mapping[tuple[str, str], str]
) -> StandingRow:
    """A standing as it is listed; a mark that does not hold is NULL, and so not in its index."""
    now, owner = there.probability, labels.get((listed.lead_id, "owner"))
    row = replace(
        there,
        **asdict(listed),
        before=before,
        country=labels.get((listed.lead_id, "country")),
        owner=owner,
        rising=(before is not None and now is not None and now >= RISEN * before) or None,
        untouched=listed.contacts == 0 or None,
        pressed=listed.ignored >= PRESSED or None,
        worker=worker_of(there.work_state, there.worker, owner),
    )
    return placed(row, there.scored_at or 0)


@cache
def _distinct(columns: tuple[str, ...]) -> TextClause:
    """The values of some columns, each found by one step in its index: rows of column and value."""
    walks, values = list[str](), list[str]()
    for column in columns:
        least = f"SELECT min({column}) FROM standings WHERE target = :target AND {column}"
        walks.append(
            f"of_{column}(value) AS ({least} IS NOT NULL UNION ALL "
            f"SELECT ({least} > of_{column}.value) FROM of_{column} WHERE of_{column}.value IS NOT NULL)"
        )
        some = f"SELECT value FROM of_{column} WHERE value IS NOT NULL LIMIT {CHOICES}"
        values.append(f"SELECT '{column}', value FROM ({some}) AS some_{column}")
    return text(f"WITH RECURSIVE {', '.join(walks)} {' UNION ALL '.join(values)}")
