"""Companies as the store knows them: the colleagues of some leads, read when a model looks at them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, bindparam, select

from data.companies import MOST, Companies, companies_of
from data.histories import Histories
from serving.store.database.connection import AT_ONCE, Database, chunks
from serving.store.database.presence import is_present
from serving.store.database.schema import leads, profiles

NAMED = (
    select(profiles.c.lead_id)
    .join(leads, leads.c.lead_id == profiles.c.lead_id)
    .where(
        profiles.c.account_id == bindparam("account_id"),
        profiles.c.valid_from <= bindparam("as_of"),
        ~leads.c.objection,
    )
    .distinct()
    .limit(MOST + 1)
)
"""Leads that have named an account, one more than a company may have."""


class PlainReader(Protocol):
    """Reads histories of leads by sorted ids, without their companies."""

    def __call__(self, lead_ids: Sequence[str]) -> Histories: ...


@dataclass(frozen=True)
class StoredCompanies:
    """What the store knows of companies before `as_of`, µs UTC. Who objects, or is away, is nobody's colleague.

    Reads, for the accounts of the leads that it is asked about, the histories of all that have named one of them: at
    most data.companies.MOST for each account.
    """

    database: Database
    as_of: int
    read: PlainReader

    def around(self, histories: Histories) -> Companies:
        """The companies of leads. Raises StoreAway."""
        named = histories.profiles.accounts
        wanted = [] if named is None else sorted(set(named.to_pylist()) - {None})
        with self.database.read_in_turn() as connection:
            leads_of = {account: self._named(connection, account) for account in wanted}
            small = [account for account in wanted if len(leads_of[account]) <= MOST]
            near = _present(connection, sorted({lead for account in small for lead in leads_of[account]}))
        return companies_of(self._histories(near)).of_accounts(small)

    def _named(self, connection: Connection, account: str) -> list[str]:
        return list(connection.scalars(NAMED, {"account_id": account, "as_of": self.as_of}))

    def _histories(self, lead_ids: Sequence[str]) -> Iterator[Histories]:
        return (self.read(lead_ids[start : start + AT_ONCE]) for start in range(0, len(lead_ids), AT_ONCE))


def _present(connection: Connection, lead_ids: Sequence[str]) -> list[str]:
    """Those that are present, sorted byte by byte."""
    present: Collection[str] = {
        lead_id
        for chunk in chunks(lead_ids)
        for lead_id in connection.scalars(select(leads.c.lead_id).where(leads.c.lead_id.in_(chunk), is_present()))
    }
    return sorted(present)
