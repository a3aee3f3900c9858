"""Profile versions of the log in the store: put in, replaced, taken out. What a service sent stays as it is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from sqlalchemy import Connection, and_, bindparam, delete, select

from data.contract import DataError
from serving.store.database.connection import chunks
from serving.store.database.schema import attributes, profiles
from serving.store.events.event_validation import InvalidInput
from serving.store.leads.profile_validation import ValidProfile, attribute_name, attribute_value
from serving.store.leads.profile_versions import Key, add_versions


@dataclass(frozen=True)
class ProfileChanges:
    """What makes the store hold what the log says. kept: versions of services that say otherwise."""

    put: list[ValidProfile] = field(default_factory=list)
    removed: list[Key] = field(default_factory=list)
    kept: int = 0


@dataclass(frozen=True)
class ProfileColumns:
    """Which columns of the log the store takes. names: column -> name of the attribute. refused: column -> why not.

    unknown: column -> how many values were refused; it is counted while versions are read.
    """

    names: Mapping[str, str]
    refused: Mapping[str, str]
    unknown: dict[str, int] = field(default_factory=dict)

    @staticmethod
    def of(columns: Iterable[str]) -> ProfileColumns:
        """Raises DataError where the store could not tell two columns apart."""
        names: dict[str, str] = {}
        refused: dict[str, str] = {}
        for column in columns:
            try:
                label = attribute_name(column)
            except InvalidInput as reason:
                refused[column] = str(reason)
                continue
            if label in names.values():
                raise DataError(f"profile column {column!r} differs from another one in case alone; rename one of them")
            names[column] = label
        return ProfileColumns(names, refused)

    def versions(self, table: pa.Table) -> list[ValidProfile]:
        """Versions of the log, as in `LeadsState`, as the store keeps them; what it refuses of them is unknown."""
        rows = table.to_pylist()
        return [
            ValidProfile.of(row["lead_id"], row["valid_from"], row["account_id"], self._values(row)) for row in rows
        ]

    def _values(self, row: Mapping[str, str | float | None]) -> dict[str, str | float]:
        values: dict[str, str | float] = {}
        for column, label in self.names.items():
            given = row.get(column)
            if given is None:
                continue
            try:
                value = attribute_value(label, given)
            except InvalidInput:
                self.unknown[column] = self.unknown.get(column, 0) + 1
                continue
            if value is not None:
                values[label] = value
        return values


def profile_changes(connection: Connection, said: Sequence[ValidProfile], known: Collection[str]) -> ProfileChanges:
    """What has changed of leads; `said`: all versions that the log has of them; `known`: leads of the store."""
    there = _stored(connection, known)
    current = {(version.lead_id, version.valid_from): version for version in said}
    differing = {key for key, (body, _) in there.items() if key in current and current[key].body != body}
    ours = {key for key, (_, published) in there.items() if published}
    put = [version for key, version in current.items() if key not in there or key in differing & ours]
    return ProfileChanges(put, sorted((ours - current.keys()) | (ours & differing)), len(differing - ours))


def write_versions(connection: Connection, put: Sequence[ValidProfile], removed: Sequence[Key]) -> int:
    """Takes versions out and puts others in; says how many were put."""
    if removed:
        gone = [{"lead": lead_id, "since": valid_from} for lead_id, valid_from in removed]
        for table in (attributes, profiles):
            is_it = and_(table.c.lead_id == bindparam("lead"), table.c.valid_from == bindparam("since"))
            connection.execute(delete(table).where(is_it), gone)
    return len(add_versions(connection, put, published=True))


def _stored(connection: Connection, lead_ids: Collection[str]) -> dict[Key, tuple[str, bool]]:
    """Body, and whether it was published, of all versions of leads."""
    query = select(profiles.c.lead_id, profiles.c.valid_from, profiles.c.body, profiles.c.published)
    there: dict[Key, tuple[str, bool]] = {}
    for chunk in chunks(sorted(lead_ids)):
        for lead_id, valid_from, body, published in connection.execute(query.where(profiles.c.lead_id.in_(chunk))):
            there[lead_id, valid_from] = body, published
    return there
