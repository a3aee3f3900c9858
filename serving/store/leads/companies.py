"""Companies in the store: the leads of an account with where they stand, and companies by their likeliest lead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, func, select

from data.companies import MOST
from serving.store.database.connection import Database
from serving.store.database.cursor import KeysetOrder
from serving.store.database.presence import is_present
from serving.store.database.schema import events, leads, standings
from serving.store.leads.worklist import WorklistEntry

LOOKED = 60
"""Leads that a page of companies looks at."""
ORDER = KeysetOrder("companies", [standings.c.probability, standings.c.lead_id], [float, str], descending=True)
IN_ACCOUNT = (
    select(leads.c.lead_id.label("known"), *(standings.c[name] for name in WorklistEntry.__slots__))
    .outerjoin(standings, and_(standings.c.lead_id == leads.c.lead_id, standings.c.target == bindparam("target")))
    .where(leads.c.account_id == bindparam("account_id"), is_present())
    .order_by(leads.c.lead_id)
    .limit(MOST + 1)
)


@dataclass(frozen=True, slots=True)
class Company:
    """The leads of an account that object to nothing and are there, at most data.companies.MOST of them.

    entries: those that were scored, the likeliest first, customers last. unscored: how many never were. is_all: whether
    the account has no more. deals: by event type, how many leads have such an event, of the types that were asked for.
    """

    account_id: str
    entries: Sequence[WorklistEntry]
    unscored: int
    is_all: bool
    deals: Mapping[str, int]

    @property
    def stages(self) -> dict[str, int]:
        """How many leads are in each stage."""
        return dict(Counter(entry.stage for entry in self.entries))

    @property
    def active_at(self) -> int | None:
        """When any of them did something last (µs UTC), as of their newest scores."""
        return max((entry.active_at for entry in self.entries if entry.active_at is not None), default=None)

    @property
    def expected(self) -> float:
        """How many of them will convert within the horizon, on average."""
        return sum(entry.probability or 0.0 for entry in self.entries)

    @property
    def expected_before(self) -> float | None:
        """The same a week earlier, of those that had been scored then; None where none had."""
        before = [entry.before for entry in self.entries if entry.before is not None]
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

    def of(self, target: str, account_id: str, deals: Collection[str] = ()) -> Company | None:
        """An account's leads as they stand for a target; None where it has none. deals: event types of outcomes."""
        with self._database.read() as connection:
            company = _company(connection, target, account_id)
            return company and Company(*_rest(company), _deals(connection, target, account_id, sorted(deals)))

    def page(self, target: str, cursor: str | None = None) -> CompanyPage:
        """Companies after a cursor, each where its likeliest lead stands. A page looks at LOOKED leads.

        Raises UsageError for a cursor that is none.
        """
        columns = standings.c.lead_id, standings.c.probability, leads.c.account_id
        query = select(*columns).join(leads, leads.c.lead_id == standings.c.lead_id)
        query = query.where(standings.c.target == target, is_present())
        if cursor is None:
            query = query.where(standings.c.probability.is_not(None))
        with self._database.read() as connection:
            rows = connection.execute(ORDER.sorted(query, cursor).limit(LOOKED)).all()
            companies = {
                row.account_id: _company(connection, target, row.account_id)
                for row in rows
                if row.account_id is not None
            }
        best = {row.lead_id for row in rows}
        shown = [
            company
            for company in companies.values()
            if company and company.entries and company.entries[0].lead_id in best
        ]
        more = len(rows) == LOOKED
        return CompanyPage(shown, ORDER.cursor([rows[-1].probability, rows[-1].lead_id]) if more else None)


def _company(connection: Connection, target: str, account_id: str) -> Company | None:
    rows = connection.execute(IN_ACCOUNT, {"target": target, "account_id": account_id}).all()
    if not rows:
        return None
    scored = [WorklistEntry(*row[1:]) for row in rows[:MOST] if row.lead_id is not None]
    scored.sort(
        key=lambda entry: (-1.0 if entry.probability is None else entry.probability, entry.lead_id), reverse=True
    )
    return Company(account_id, scored, len(rows[:MOST]) - len(scored), len(rows) <= MOST, {})


def _rest(company: Company) -> tuple[str, Sequence[WorklistEntry], int, bool]:
    return company.account_id, company.entries, company.unscored, company.is_all


def _deals(connection: Connection, target: str, account_id: str, types: Sequence[str]) -> dict[str, int]:
    """How many of the same leads have an event of each type."""
    some = IN_ACCOUNT.with_only_columns(leads.c.lead_id).limit(None).limit(MOST)
    query = select(events.c.event_type, func.count(events.c.lead_id.distinct()))
    query = query.where(events.c.lead_id.in_(some.subquery().select()), events.c.event_type.in_(types))
    counted = connection.execute(query.group_by(events.c.event_type), {"target": target, "account_id": account_id})
    counts: dict[str, int] = dict(counted.all())
    return {name: counts.get(name, 0) for name in types}
