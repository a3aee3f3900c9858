"""Leads of the store: versions of their profile, what is known of them, objections."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import BindParameter, Connection, bindparam, func, select, update

from data.contract import AHEAD, DataError
from data.times import EARLIEST
from serving.store.database.changes import mark_changed
from serving.store.database.connection import Database
from serving.store.database.presence import is_present
from serving.store.database.schema import attributes, events, leads, profiles
from serving.store.events.event_validation import InvalidInput
from serving.store.events.vocabularies import Vocabularies, names_of_profile
from serving.store.leads.profile_validation import Attributes, ProfileIn, ValidProfile, admit_profile
from serving.store.leads.profile_versions import Key, add_versions, bodies_of, note_newest
from serving.store.privacy.blocked import Blocked
from serving.store.scores.episodes import begin_after_objection, end_for_objection

NEWEST = 5
"""Profiles of a lead that are shown."""
ERASED = "this lead was erased; nothing more is taken in about it"
# Queries that are put together once: to do so costs more than to ask them.
MINE: BindParameter[str] = bindparam("lead_id")
LEAD = select(leads).where(leads.c.lead_id == MINE)
COUNTED = select(func.count(), func.max(events.c.known_at)).where(events.c.lead_id == MINE)
VERSIONS = select(profiles).where(profiles.c.lead_id == MINE).order_by(profiles.c.valid_from.desc())
ATTRIBUTES = (
    select(attributes)
    .where(attributes.c.lead_id == MINE, attributes.c.valid_from >= bindparam("since"))
    .order_by(attributes.c.name)
)
TAKEN = "another profile version of this lead begins at the same time; choose another valid_from"


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
    objection: it must not be scored. away_since: since when the event log says that it is merged into another one, or
    deleted; None for one that is there. versions: profiles in order of time, the last one holds.
    """

    lead_id: str
    account_id: str | None
    created_at: int
    changed_at: int
    objection: bool
    away_since: int | None
    events: int
    newest_event: int | None
    versions: list[Version] = field(default_factory=list)


class Leads:
    """Puts and gets leads."""

    def __init__(
        self, database: Database, blocked: Blocked, vocabularies: Vocabularies, personal_ids: bool = False
    ) -> None:
        self._database = database
        self._blocked = blocked
        self._vocabularies = vocabularies
        self._personal_ids = personal_ids

    def put(
        self,
        lead_id: str,
        valid_from: int | str,
        account_id: str | None,
        values: Attributes,
        now: int,
        earliest: int = EARLIEST,
        key: str = "",
    ) -> bool:
        """Adds a version of a lead's profile, on disk when this returns; False when it stands there already.

        valid_from: int µs UTC or ISO 8601 text with a zone. An attribute that is None is unknown. Names
        of attributes are kept in lower case. earliest: µs UTC of the first time that is a date at all.
        key: whose names are counted, "" for nobody's.
        Raises InvalidInput for what breaks the contract, Conflict when another version begins at the same time, Erased.
        """
        [judged] = self.put_many([ProfileIn(lead_id, valid_from, account_id, values, earliest)], now, key)
        if isinstance(judged, DataError):
            raise judged
        return judged

    def put_many(self, sent: Sequence[ProfileIn], now: int, key: str = "") -> list[bool | DataError]:
        """The same for many in one transaction, each judged on its own: True, False, or what `put` would raise."""
        judged = [_judge(profile, now, self._personal_ids) for profile in sent]
        with self._database.write() as connection:
            return self._write(connection, self._with_known_names(connection, judged, key), now)

    def _with_known_names(
        self, connection: Connection, judged: Sequence[ValidProfile | InvalidInput], key: str
    ) -> list[ValidProfile | InvalidInput]:
        """The same, where a version is refused that brings one name too many for its key."""
        names = [names_of_profile(one.attributes) if isinstance(one, ValidProfile) else [] for one in judged]
        beyond = self._vocabularies.beyond(connection, key, {name for brought in names for name in brought})
        return [
            next((beyond[name] for name in brought if name in beyond), one)
            for one, brought in zip(judged, names, strict=True)
        ]

    def _write(
        self, connection: Connection, judged: Sequence[ValidProfile | InvalidInput], now: int
    ) -> list[bool | DataError]:
        good = [version for version in judged if isinstance(version, ValidProfile)]
        erased = self._blocked.among(connection, {version.lead_id for version in good})
        first: dict[Key, ValidProfile] = {}
        for version in good:
            if version.lead_id not in erased:
                first.setdefault((version.lead_id, version.valid_from), version)
        fresh = add_versions(connection, list(first.values()))
        bodies = {key: first[key].body for key in fresh} | bodies_of(connection, first.keys() - fresh)
        changed = {lead_id for lead_id, _ in fresh}
        mark_changed(connection, changed, now)
        note_newest(connection, changed, now + AHEAD)
        new = {id(first[key]) for key in fresh}
        return [_result(version, id(version) in new, erased, bodies) for version in judged]

    def get(self, lead_id: str) -> Lead | None:
        """What the store knows of a lead, None when it does not know it."""
        with self._database.read() as connection:
            row = connection.execute(LEAD, {"lead_id": lead_id}).one_or_none()
            if row is None:
                return None
            count, newest = connection.execute(COUNTED, {"lead_id": lead_id}).one()
            versions = _versions(connection, lead_id)
        known = (row.account_id, row.created_at, row.changed_at, row.objection, row.away_since)
        return Lead(lead_id, *known, count, newest, versions)

    def shown(self, lead_id: str) -> list[Version] | None:
        """The newest profiles of a lead, the one that holds first; None for a lead that is unknown or objects."""
        with self._database.read() as connection:
            known = select(leads.c.lead_id).where(leads.c.lead_id == lead_id, is_present())
            if connection.execute(known).first() is None:
                return None
            return _versions(connection, lead_id, NEWEST)[::-1]

    def object(self, lead_id: str, objects: bool, now: int) -> None:
        """Notes that a lead objects to being scored, or no longer does. Raises DataError for an unknown lead."""
        with self._database.write() as connection:
            mine = leads.c.lead_id == lead_id
            before = connection.scalar(select(leads.c.objection).where(mine).with_for_update())
            if before is None:
                raise DataError("there is no such lead in the store; put it first")
            connection.execute(update(leads).where(mine).values(objection=objects))
            if before != objects:
                change = end_for_objection if objects else begin_after_objection
                change(connection, lead_id, now)
            mark_changed(connection, [lead_id], now)


def _judge(profile: ProfileIn, now: int, personal_ids: bool) -> ValidProfile | InvalidInput:
    try:
        return admit_profile(profile, now, personal_ids)
    except InvalidInput as refused:
        return refused


def _result(
    version: ValidProfile | InvalidInput, is_new: bool, erased: Collection[str], bodies: Mapping[Key, str]
) -> bool | DataError:
    if isinstance(version, InvalidInput):
        return version
    if version.lead_id in erased:
        return Erased(ERASED)
    if bodies[version.lead_id, version.valid_from] != version.body:
        return Conflict(TAKEN)
    return is_new


def _versions(connection: Connection, lead_id: str, limit: int | None = None) -> list[Version]:
    """In order of time; with a limit only so many, the newest."""
    query = VERSIONS if limit is None else VERSIONS.limit(limit)
    rows = connection.execute(query, {"lead_id": lead_id}).all()[::-1]
    if not rows:
        return []
    versions = {row.valid_from: Version(row.valid_from, row.account_id, {}) for row in rows}
    for row in connection.execute(ATTRIBUTES, {"lead_id": lead_id, "since": rows[0].valid_from}):
        versions[row.valid_from].attributes[row.name] = row.number if row.text is None else row.text
    return list(versions.values())
