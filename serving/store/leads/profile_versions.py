"""Versions of profiles in the tables: written many at a time, and read again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from serving.store.database.connection import chunks
from serving.store.database.many import Cell, insert_many
from serving.store.database.schema import attributes, leads, profiles
from serving.store.leads.profile_validation import ValidProfile

Key = tuple[str, int]
"""lead_id and valid_from."""


def add_versions(connection: Connection, versions: Sequence[ValidProfile], published: bool = False) -> set[Key]:
    """Writes versions, of which no two have the same key; says which are new. What stands there already stays."""
    if not versions:
        return set()
    rows = [{**_key(version), "account_id": version.account_id, "body": version.body, "published": published}
            for version in sorted(versions, key=lambda version: (version.lead_id, version.valid_from))]  # fmt: skip
    fresh: set[Key] = {(row[0], row[1]) for row in insert_many(connection, profiles, rows, _once)}
    values = [row for version in versions if (version.lead_id, version.valid_from) in fresh for row in _rows(version)]
    if values:
        insert_many(connection, attributes, values, lambda statement: statement.returning(attributes.c.name))
    return fresh


def _once(statement: Any) -> Any:
    return statement.on_conflict_do_nothing().returning(profiles.c.lead_id, profiles.c.valid_from)


def bodies_of(connection: Connection, keys: Iterable[Key]) -> dict[Key, str]:
    """What stands under these keys, as bodies; nothing where nothing does."""
    wanted = set(keys)
    bodies: dict[Key, str] = {}
    for chunk in chunks(sorted({lead_id for lead_id, _ in wanted})):
        query = select(profiles.c.lead_id, profiles.c.valid_from, profiles.c.body).where(profiles.c.lead_id.in_(chunk))
        bodies |= {(lead, at): body for lead, at, body in connection.execute(query) if (lead, at) in wanted}
    return bodies


def note_newest(connection: Connection, lead_ids: Iterable[str], now: int) -> None:
    """Notes with leads since when their newest version holds, and its account; one that begins after `now` waits."""
    theirs = (profiles.c.lead_id == leads.c.lead_id) & (profiles.c.valid_from <= now)
    newest = select(profiles.c.valid_from).where(theirs).order_by(profiles.c.valid_from.desc()).limit(1)
    account = select(profiles.c.account_id).where(theirs).order_by(profiles.c.valid_from.desc()).limit(1)
    values = {"profile_from": newest.scalar_subquery(), "account_id": account.scalar_subquery()}
    for chunk in chunks(sorted(lead_ids)):
        connection.execute(update(leads).where(leads.c.lead_id.in_(chunk)).values(values))


def _key(version: ValidProfile) -> dict[str, Cell]:
    return {"lead_id": version.lead_id, "valid_from": version.valid_from}


def _rows(version: ValidProfile) -> list[dict[str, Cell]]:
    return [
        {**_key(version), "name": name, **({"text": value, "number": None} if isinstance(value, str) else
                                           {"text": None, "number": value})}
        for name, value in version.attributes.items()
    ]  # fmt: skip
