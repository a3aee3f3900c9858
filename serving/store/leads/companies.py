"""Companies in the store: the leads of an account with where they stand, and companies by their likeliest lead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, func, select

from data.companies import MOST
from serving.store.database.connection import Database
from serving.store.database.cursor import KeysetOrder
from serving.store.database.presence import is_present
from serving.store.database.schema import events, leads, standings
from serving.store.leads.worklist_entry import WorklistEntry, entries_of

LOOKED = 30
"""Leads that a page of companies looks at."""
ORDER = KeysetOrder("companies", [standings.c.probability, standings.c.lead_id], [float, str], descending=True)


@dataclass(frozen=True, slots=True)
class Member:
    """A scored lead of a company: its stage, probability now and a week earlier; active_at: as in `WorklistRow`."""

    lead_id: str
    stage: str
    probability: float | None
    before: float | None
    active_at: int | None


NAMED, COLLEAGUE = leads.alias("named"), leads.alias("colleague")
OF_ACCOUNT = (
    select(COLLEAGUE.c.lead_id)
    .where(COLLEAGUE.c.account_id == NAMED.c.account_id, is_present(COLLEAGUE))
    .correlate(NAMED)
    .limit(1)
)
LAST = OF_ACCOUNT.order_by(COLLEAGUE.c.lead_id).offset(bindparam("last")).scalar_subquery()
NEWEST = OF_ACCOUNT.order_by(COLLEAGUE.c.lead_id.desc()).scalar_subquery()
ACCOUNTS = (
    select(NAMED.c.account_id, func.coalesce(LAST, NEWEST).label("last"), NEWEST.label("newest"))
    .where(NAMED.c.lead_id.in_(bindparam("some", expanding=True)), NAMED.c.account_id.is_not(None))
    .group_by(NAMED.c.account_id)
    .cte("accounts")
)
MEMBERS = (
    select(
        leads.c.account_id,
        (ACCOUNTS.c.last == ACCOUNTS.c.newest).label("is_all"),
        leads.c.lead_id.label("known"),
        *(standings.c[name] for name in Member.__slots__),
    )
    .join(ACCOUNTS, and_(leads.c.account_id == ACCOUNTS.c.account_id, leads.c.lead_id <= ACCOUNTS.c.last))
    .outerjoin(standings, and_(standings.c.lead_id == leads.c.lead_id, standings.c.target == bindparam("target")))
    .where(is_present())
    .order_by(leads.c.account_id)
)
"""The first MOST leads of each account that one of `some` leads names. Where it has more, they are not even read: the
last that counts is found by its place in the index."""


@dataclass(frozen=True, slots=True)
class Company:
    """The leads of an account that object to nothing and are there, at most data.companies.MOST of them.

    members: those that were scored, the likeliest first, customers last. shown: the first of them as lists show them,
    as many as were asked for. unscored: how many never were. is_all: whether the account has no more. deals: by event
    type, how many leads have such an event, of the types that were asked for.
    """

    account_id: str
    members: Sequence[Member]
    unscored: int
    is_all: bool
    shown: Sequence[WorklistEntry] = ()
    deals: Mapping[str, int] = field(default_factory=dict)

    @property
    def stages(self) -> dict[str, int]:
        """How many leads are in each stage."""
        return dict(Counter(member.stage for member in self.members))

    @property
    def active_at(self) -> int | None:
        """When any of them did something last (µs UTC), as of their newest scores."""
        return max((member.active_at for member in self.members if member.active_at is not None), default=None)

    @property
    def expected(self) -> float:
        """How many of them will convert within the horizon, on average."""
        return sum(member.probability or 0.0 for member in self.members)

    @property
    def expected_before(self) -> float | None:
        """The same a week earlier, of those that had been scored then; None where none had."""
        before = [member.before for member in self.members if member.before is not None]
        return sum(before) if before else None


@dataclass(frozen=True, slots=True)
class CompanyPage:
    """Companies, and the cursor of the next page, None for the last one."""

    companies: Sequence[Company]
    next: str | None


class CompanyReader:
    """Reads companies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, target: str, account_id: str, deals: Collection[str] = (), shown: int = 0) -> Company | None:
        """An account's leads as they stand for a target; None where it has none. deals: event types of outcomes."""
        anyone = select(leads.c.lead_id).where(leads.c.account_id == account_id, is_present()).limit(1)
        with self._database.read() as connection:
            lead_id = connection.scalar(anyone)
            if lead_id is None:
                return None
            [company] = _companies(connection, target, [lead_id])
            entries = entries_of(connection, target, [member.lead_id for member in company.members[:shown]])
            return replace(company, shown=[*entries.values()], deals=_deals(connection, lead_id, sorted(deals)))

    def page(self, target: str, cursor: str | None = None) -> CompanyPage:
        """Companies after a cursor, each where its likeliest lead stands, which is shown. A page looks at LOOKED leads.

        Raises UsageError for a cursor that is none.
        """
        query = select(standings.c.lead_id, standings.c.probability).where(standings.c.target == target, is_present())
        query = query.join(leads, leads.c.lead_id == standings.c.lead_id)
        if cursor is None:
            query = query.where(standings.c.probability.is_not(None))
        with self._database.read() as connection:
            rows = connection.execute(ORDER.sorted(query, cursor).limit(LOOKED)).all()
            place = {row.lead_id: number for number, row in enumerate(rows)}
            best = {
                company.members[0].lead_id: company
                for company in _companies(connection, target, [*place])
                if company.members and company.members[0].lead_id in place
            }
            entries = entries_of(connection, target, sorted(best, key=place.__getitem__))
        shown = [replace(best[lead_id], shown=[entry]) for lead_id, entry in entries.items()]
        more = len(rows) == LOOKED
        return CompanyPage(shown, ORDER.cursor([rows[-1].probability, rows[-1].lead_id]) if more else None)


def _companies(connection: Connection, target: str, some: Sequence[str]) -> list[Company]:
    """The companies of some leads, each once, without what is shown."""
    rows = connection.execute(MEMBERS, {"target": target, "some": some, "last": MOST - 1}).all()
    return [_company(account_id, [*members]) for account_id, members in groupby(rows, lambda row: row.account_id)]


def _company(account_id: str, rows: Sequence[Row[Any]]) -> Company:
    members = [
        Member(row.lead_id, row.stage, row.probability, row.before, row.active_at)
        for row in rows
        if row.lead_id is not None
    ]
    members.sort(key=lambda member: (-1.0 if member.probability is None else member.probability, member.lead_id))
    return Company(account_id, members[::-1], len(rows) - len(members), rows[0].is_all)


def _deals(connection: Connection, lead_id: str, types: Sequence[str]) -> dict[str, int]:
    """How many members of a lead's company have an event of each type."""
    members = MEMBERS.with_only_columns(leads.c.lead_id).order_by(None).subquery()
    query = select(events.c.event_type, func.count(events.c.lead_id.distinct())).group_by(events.c.event_type)
    query = query.where(events.c.lead_id.in_(members.select()), events.c.event_type.in_(types))
    counts: dict[str, int] = dict(connection.execute(query, {"target": "", "some": [lead_id], "last": MOST - 1}).all())
    return {name: counts.get(name, 0) for name in types}
