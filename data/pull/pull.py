"""Pulls from a vendor what has changed: resource after resource, page after page, going on where it was cut short."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
from requests import RequestException

from data.contract import US_PER_SECOND, DataError, UsageError
from data.pull.connection import PatientSession, RefusedByVendor
from data.pull.connector import Auth, Connector, Resource, require_safe
from data.pull.landing import Landing, Position, PullState, no_room
from data.pull.pages import Page, client_of, pages
from data.pull.placeholders import environment, filled
from data.pull.record_columns import Row, at, kept_rows
from data.times import NoTime, time_from_text

GONE = (400, 404, 410)
"""What vendors answer to a place in a list that they have forgotten."""


@dataclass(frozen=True)
class World:
    """What a pull needs from outside: variables with secrets, and how time passes (seconds since 1970)."""

    environ: Mapping[str, str]
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time


@dataclass(frozen=True)
class Pulled:
    """What a pull brought: files by table, rows by table, and the times between which it was made (µs UTC): began_us by
    the vendor's clock, ended_us by ours. account: whose it is, "" where that is not asked. requests: how many this run
    sent."""

    account: str
    files: Mapping[str, list[str]]
    rows: Mapping[str, int]
    began_us: int
    ended_us: int
    requests: int
    went_on: bool

    @property
    def is_empty(self) -> bool:
        """Whether nothing has changed."""
        return not any(self.rows.values())


class Pull:
    """A pull of a vendor into a folder.

    since_us: from when on changes are asked for (µs UTC), None for everything. account: whose the log is, "" where that
    is not known.
    """

    def __init__(
        self, connector: Connector, folder: Path, since_us: int | None, world: World, account: str = ""
    ) -> None:
        self.connector, self.world, self.account = connector, world, account
        overlap = connector.client.overlap_minutes * 60 * US_PER_SECOND
        self.landing = Landing.open(folder, connector.digest, None if since_us is None else since_us - overlap)
        known = environment(world.environ)
        self.values = known | _values(connector, self.landing.state.since_us, world.clock())
        base_url = filled(connector.client.base_url, known)
        require_safe(base_url)
        secrets = _secrets(connector.client.auth, known)
        self.session = PatientSession(connector.name, base_url, secrets, world.sleep, world.clock)
        self.client = client_of(connector.client, self.session, self.values)

    def run(self, begin: Callable[[str], None] = lambda name: None) -> Pulled:
        """Pulls all that is missing; `begin` is told the name of each resource. Raises DataError, UsageError: what has
        landed stays, and the next run goes on there."""
        try:
            self.landing = self.landing.of_account(self._account())
            went_on = bool(self.landing.state.positions)
            if self.landing.state.finished_us is None:
                self._check()
                for resource in self.connector.resources:
                    begin(resource.name)
                    self._resource(resource)
                self.landing.note(replace(self.landing.state, finished_us=int(self.world.clock() * US_PER_SECOND)))
            return self._pulled(self.landing.state, went_on)
        except RequestException as error:
            raise DataError(f"{self.connector.name}: {self.session.shown(str(error))}; run the command again") from None
        except (OSError, duckdb.Error) as error:
            raise no_room(self.landing.folder, error) from None

    def _account(self) -> str:
        """Whose the token is. Raises DataError where the log is another account's."""
        account = self.connector.account
        if account is None:
            return self.account
        records = [
            record for page in pages(self.client, account.endpoint, self.values, None) for record in page.records
        ]
        seen = [at(record, account.field) if account.field else record for record in records]
        if len(seen) != 1 or not isinstance(seen[0], str | int):
            raise DataError(
                f"{account.endpoint.path}: the answer does not say which account this is; correct [account]"
            )
        if self.account not in ("", str(seen[0])):
            raise DataError(
                f"{self.connector.name}: the token is of account {seen[0]}, the log was pulled from account "
                f"{self.account}; give the token of that one, or pull into a log of its own (--var)"
            )
        return str(seen[0])

    def _pulled(self, state: PullState, went_on: bool) -> Pulled:
        ended = state.finished_us or 0
        began = ended if state.started_us is None else state.started_us
        files = self.landing.write_files(self.connector.tables)
        return Pulled(state.account, files, dict(state.rows), began, ended, self.session.requests, went_on)

    def _check(self) -> None:
        """Names that the account does not have would be columns of nothing, without a word."""
        for check in self.connector.checks:
            answers = pages(self.client, check.endpoint, self.values, None)
            known = {str(at(record, check.field)) for page in answers for record in page.records}
            _require_names(check.what, self.connector.lists[check.list], known)

    def _resource(self, resource: Resource) -> None:
        if resource.once_known and self.landing.state.since_us is None:
            return
        batches = self._batches(resource)
        position = self.landing.position(resource.name)
        while not position.done:
            values = self.values | {"columns": _columns(resource)}
            if batches is not None:
                if position.batch >= len(batches):
                    self.landing.land(resource.name, {}, Position(position.batch, None, True))
                    return
                values |= _ids(batches[position.batch])
            position = self._pages(resource, values, position, batches is None)

    def _pages(self, resource: Resource, values: Mapping[str, Any], position: Position, is_only: bool) -> Position:
        """Lands what is left of a batch, and says where the next one begins."""
        for page in self._asked(resource, values, position):
            rows = self._rows(resource, page, values)
            following = (
                Position(position.batch, page.next)
                if page.next is not None
                else Position(position.batch + 1, None, is_only)
            )
            self._note_begin()
            self.landing.land(resource.name, rows, following)
        return self.landing.position(resource.name)

    def _asked(self, resource: Resource, values: Mapping[str, Any], position: Position) -> Iterator[Page]:
        """Pages from a position on; from the first one where the vendor has forgotten the place. Rows that come twice
        are one in the files."""
        answers = pages(self.client, resource.endpoint, values, position.next)
        try:
            first = next(answers)
        except RefusedByVendor as error:
            if error.status in resource.gone:
                yield Page([], None)
                return
            if position.next is None or error.status not in GONE:
                raise
            answers = pages(self.client, resource.endpoint, values, None)
            first = next(answers)
        yield first
        yield from answers

    def _rows(self, resource: Resource, page: Page, values: Mapping[str, Any]) -> dict[str, list[Row]]:
        since = self.landing.state.since_us
        records = [record for record in page.records if since is None or _is_newer(record, resource.newer, since)]
        asked = {"@id": values["id"]} if "id" in values else {}
        completed = [record | asked if isinstance(record, dict) else record for record in records]
        return {
            table.name: [row for record in completed for row in kept_rows(record, table)] for table in resource.tables
        }

    def _batches(self, resource: Resource) -> list[list[str]] | None:
        """The ids of `for_each`, cut into requests; None where there is none."""
        if resource.for_each is None:
            return None
        ids, at_once = self.landing.ids(resource.for_each.tables, resource.for_each.column), resource.for_each.at_once
        return [ids[begin : begin + at_once] for begin in range(0, len(ids), at_once)]

    def _note_begin(self) -> None:
        """The time of the first answer: whatever changes later belongs to the next pull."""
        seen = self.session.first_seen
        if self.landing.state.started_us is None and seen is not None:
            self.landing.state = replace(self.landing.state, started_us=int(seen.timestamp() * US_PER_SECOND))


def _values(connector: Connector, since_us: int | None, now: float) -> dict[str, Any]:
    since, until = (datetime.fromtimestamp(at, UTC) for at in ((since_us or 0) // US_PER_SECOND, int(now)))
    lists = {f"lists.{name}": list(names) for name, names in connector.lists.items()}
    written = {"since": f"{since:%Y-%m-%dT%H:%M:%SZ}", "until": f"{until:%Y-%m-%dT%H:%M:%SZ}"}
    return {**written, "since_ms": str((since_us or 0) // 1000), **lists}


def _ids(ids: Sequence[str]) -> dict[str, Any]:
    """The ids of a batch, in all forms in which requests have them."""
    quoted = ["'" + one.replace("\\", "\\\\").replace("'", "\\'") + "'" for one in ids]
    objects = [{"id": one} for one in ids]
    return {
        "id": quote(ids[0], safe=""),
        "ids": ids,
        "id_list": ",".join(ids),
        "quoted_ids": ",".join(quoted),
        "id_objects": objects,
    }


def _columns(resource: Resource) -> list[str]:
    paths = [path for table in resource.tables for path in table.columns.values()]
    return list(dict.fromkeys(path for path in paths if path[0] not in "$*@"))


def _secrets(auth: Auth, known: Mapping[str, str]) -> list[str]:
    """What no message may show. Raises UsageError for one that is missing."""
    return [filled(secret, known) for secret in (auth.token, auth.client_id, auth.client_secret) if secret]


def _require_names(what: str, wanted: Sequence[str], known: set[str]) -> None:
    for name in wanted:
        if name not in known:
            close = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f"did you mean {close[0]}?" if close else "take it out, or make it there"
            raise UsageError(f"this account has no {what} {name!r}; {hint}")


def _is_newer(record: Any, path: str, since_us: int) -> bool:
    """Whether a record is from after the last pull; one without a time that can be read is."""
    try:
        return not path or time_from_text(str(at(record, path)), day_zone=UTC) >= since_us
    except NoTime:
        return True
