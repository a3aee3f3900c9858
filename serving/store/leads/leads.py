"""Leads of the store: versions of their profile, what is known of them, objections."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select, update

from data.contract import DataError
from data.masking import E_MAIL
from data.sources.tables import RESERVED
from serving.store.database.changes import touch
from serving.store.database.connection import Database, insert
from serving.store.database.schema import attributes, events, leads, profiles
from serving.store.events.event_validation import InvalidInput, moment, name, number, required
from serving.store.privacy.blocked import Blocked

MOST = 200
"""Attributes of a profile."""
NEWEST = 5
"""Profiles of a lead that are shown."""
PERSONAL = re.compile(
    r"(?!has_)((e_?)?mail(_?addr.*)?|(.*_)?(phone|mobile|fax|telefon|tel)(_?number)?|name|vorname|nachname"
    r"|(first|last|full|sur|family|nick)_?name|street|stra(ß|ss)e|address|adresse|birth.*|geburt.*|iban)",
    re.IGNORECASE,
)
"""Names of attributes that would hold personal data."""
Attributes = Mapping[str, str | float | None]


class Conflict(DataError):
    """Something else stands under that id already; what stands is kept."""


class Erased(DataError):
    """The lead was erased: nothing more about it is taken in."""


@dataclass(frozen=True, slots=True)
class Version:
    """A profile as of a time (µs UTC)."""

    valid_from: int
    account_id: str | None
    attributes: dict[str, str | float]


@dataclass(frozen=True, slots=True)
class Lead:
    """What the store knows of a lead. Times are µs UTC; newest_event: latest `known_at` of its events, None for none.

    created_at: when the store first heard of it. changed_at: when its events, profile, score or stage last changed.
    objection: it must not be scored. versions: profiles in order of time, the last one holds.
    """

    lead_id: str
    account_id: str | None
    created_at: int
    changed_at: int
    objection: bool
    events: int
    newest_event: int | None
    versions: list[Version] = field(default_factory=list)


class Leads:
    """Puts and gets leads."""

    def __init__(self, database: Database, blocked: Blocked) -> None:
        self._database = database
        self._blocked = blocked

    def put(self, lead_id: str, valid_from: int | str, account_id: str | None, values: Attributes, now: int) -> bool:
        """Adds a version of a lead's profile, on disk when this returns; False when it stands there already.

        valid_from: int µs UTC or ISO 8601 text with a zone. An attribute that is None is unknown. Names
        of attributes are kept in lower case.
        Raises Refused for what breaks the contract, Conflict when another version begins at the same time, Erased.
        """
        lead_id, at = required("lead_id", lead_id), moment("valid_from", valid_from, now)
        account, admitted = name("account_id", account_id), _admitted(values)
        row = {"lead_id": lead_id, "valid_from": at, "account_id": account, "body": _body(account, admitted)}
        with self._database.write() as connection:
            if self._blocked.among(connection, [lead_id]):
                raise Erased("this lead was erased; nothing more is taken in about it")
            if not _insert(connection, row, admitted):
                return False
            touch(connection, [lead_id], now)
            newest = leads.c.profile_from.is_(None) | (leads.c.profile_from <= at)
            statement = update(leads).where(leads.c.lead_id == lead_id, newest)
            connection.execute(statement.values(profile_from=at, account_id=account))
        return True

    def get(self, lead_id: str) -> Lead | None:
        """What the store knows of a lead, None when it does not know it."""
        with self._database.read() as connection:
            row = connection.execute(select(leads).where(leads.c.lead_id == lead_id)).one_or_none()
            if row is None:
                return None
            of_lead = select(func.count(), func.max(events.c.known_at)).where(events.c.lead_id == lead_id)
            count, newest = connection.execute(of_lead).one()
            versions = _versions(connection, lead_id)
        return Lead(lead_id, row.account_id, row.created_at, row.changed_at, row.objection, count, newest, versions)

    def shown(self, lead_id: str) -> list[Version] | None:
        """The newest profiles of a lead, the one that holds first; None for a lead that is unknown or objects."""
        with self._database.read() as connection:
            known = select(leads.c.lead_id).where(leads.c.lead_id == lead_id, ~leads.c.objection)
            if connection.execute(known).first() is None:
                return None
            return _versions(connection, lead_id, NEWEST)[::-1]

    def object(self, lead_id: str, objects: bool, now: int) -> None:
        """Notes that a lead objects to being scored, or no longer does. Raises DataError for an unknown lead."""
        with self._database.write() as connection:
            statement = update(leads).where(leads.c.lead_id == lead_id).values(objection=objects, changed_at=now)
            if not connection.execute(statement).rowcount:
                raise DataError("there is no such lead in the store; put it first")


def _insert(connection: Connection, row: Mapping[str, Any], values: Mapping[str, str | float]) -> bool:
    """Whether the version is new. Raises Conflict."""
    statement = insert(connection, profiles).values(row).on_conflict_do_nothing().returning(profiles.c.body)
    if connection.execute(statement).first() is None:
        its_key = (profiles.c.lead_id == row["lead_id"], profiles.c.valid_from == row["valid_from"])
        if connection.execute(select(profiles.c.body).where(*its_key)).scalar_one() != row["body"]:
            raise Conflict("another profile version of this lead begins at the same time; choose another valid_from")
        return False
    key = {"lead_id": row["lead_id"], "valid_from": row["valid_from"]}
    texts = [{**key, "name": label, "text": v, "number": None} for label, v in values.items() if isinstance(v, str)]
    numbers = [{**key, "name": label, "text": None, "number": v} for label, v in values.items() if isinstance(v, float)]
    if texts or numbers:
        connection.execute(attributes.insert(), [*texts, *numbers])
    return True


def _versions(connection: Connection, lead_id: str, limit: int | None = None) -> list[Version]:
    """In order of time; with a limit only so many, the newest."""
    query = select(profiles).where(profiles.c.lead_id == lead_id).order_by(profiles.c.valid_from.desc()).limit(limit)
    rows = connection.execute(query).all()[::-1]
    versions = {row.valid_from: Version(row.valid_from, row.account_id, {}) for row in rows}
    query = select(attributes).where(attributes.c.lead_id == lead_id).order_by(attributes.c.name)
    query = query.where(attributes.c.valid_from >= rows[0].valid_from) if rows else query.limit(0)
    for row in connection.execute(query):
        versions[row.valid_from].attributes[row.name] = row.number if row.text is None else row.text
    return list(versions.values())


def _admitted(values: Attributes) -> dict[str, str | float]:
    """Attributes under the contract, without those that are unknown."""
    if len(values) > MOST:
        raise InvalidInput(f"the profile has {len(values)} attributes, {MOST} are allowed")
    admitted: dict[str, str | float] = {}
    for given, value in values.items():
        label = required("the name of an attribute", given).lower()
        if label in RESERVED or label in admitted:
            raise InvalidInput(f"attribute {label!r} has a name that is taken; choose another")
        if PERSONAL.fullmatch(label):
            raise InvalidInput(f"attribute {label!r} is personal data; leave it out, or send has_{label} = yes")
        if isinstance(value, str):
            text = name(f"attribute {label!r}", value)
            if text is not None and re.search(E_MAIL, text):
                raise InvalidInput(f"attribute {label!r} holds an e-mail address; leave it out")
            if text is not None:
                admitted[label] = text
        elif value is not None:
            admitted[label] = number(f"attribute {label!r}", value)
    return admitted


def _body(account_id: str | None, values: Mapping[str, str | float]) -> str:
    return hashlib.sha256(json.dumps([account_id, sorted(values.items())]).encode()).hexdigest()
