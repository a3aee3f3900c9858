"""The door of the event log in plain Python, one row after the other, written from the contract: slow and obvious."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

Row = Mapping[str, str]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?)(?: ?(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?"
)
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


Body = tuple[object, ...]
"""Lead, type, occurred_at, channel and value of an event, and its deal where rows name one; of a retraction nothing."""
RETRACTED: Body = (None,)


@dataclass
class Version:
    """What was said of an event; batch: the ingest that brought it."""

    body: Body
    lead: str
    known_at: int
    batch: int


@dataclass
class Door:
    """What is in the log, and what became of the rows that came. now_us: the clock and the time of exports, µs UTC.

    is_dated: whether the time of the export was stated.
    """

    now_us: int
    zone: str | None = None
    batch: int = 0
    is_dated: bool = False
    versions: dict[tuple[str, object], list[Version]] = field(default_factory=dict)
    received: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: set[tuple[str, int]] = field(default_factory=set)

    def take(self, source: str, number: int, row: Row | None) -> None:
        """One row of a source; None for one that cannot be split into columns."""
        self.received += 1
        judged = None if row is None else self._event(row)
        if row is None or judged is None:
            self.rejected.add((source, number))
            return
        key, body, known_at, has_date = judged
        versions = self.versions.setdefault(key, [])
        verdict, time = self._verdict(versions, body, row["lead"].strip(), known_at, has_date)
        if verdict == "accepted":
            self.accepted += 1
            versions.append(Version(body, row["lead"].strip(), time, self.batch))
        elif verdict == "duplicate":
            self.duplicate += 1
        else:
            self.rejected.add((source, number))

    def _verdict(
        self, versions: list[Version], body: Body, lead: str, known_at: int, has_date: bool
    ) -> tuple[str, int]:
        """What becomes of a row, by the rules of docs/mappings.md, one sentence after the other."""
        if not versions:
            return ("rejected" if body == RETRACTED else "accepted"), known_at
        newest = max(versions, key=lambda version: version.known_at)
        is_taken = any(version.known_at == known_at for version in versions)
        time = known_at if has_date and not is_taken else max(self.now_us, known_at)
        for version in versions:
            if version.body == body:
                has_newer = has_date or (self.is_dated and newest.batch != self.batch)
                if has_newer and newest.body != body and time > newest.known_at:
                    return "accepted", time
                if version.batch == self.batch and len(versions) == 1:
                    version.known_at = min(version.known_at, known_at)
                return "duplicate", time
        for version in versions:
            if version.batch == self.batch and (not has_date or version.lead != lead or is_taken):
                return "rejected", time
        return ("rejected" if any(version.known_at == time for version in versions) else "accepted"), time

    def fits(self, row: Row) -> bool:
        """Whether a row keeps the contract."""
        return self._event(row) is not None

    @property
    def events(self) -> list[tuple[object, ...]]:
        """lead, type, occurred_at, known_at, superseded_at, channel, value, (deal,) source of all, in any order."""
        rows: list[tuple[object, ...]] = []
        for (source, _), versions in self.versions.items():
            ordered = sorted(versions, key=lambda version: version.known_at)
            ends = [*(version.known_at for version in ordered[1:]), None][: len(ordered)]
            rows += [
                (*version.body[:3], version.known_at, end, *version.body[3:], source)
                for version, end in zip(ordered, ends, strict=True)
                if version.body != RETRACTED
            ]
        return sorted(rows, key=repr)

    def _event(self, row: Row) -> tuple[tuple[str, object], Body, int, bool] | None:
        names = {name: row[name].strip(" ") for name in row}
        broken = {name for name, text in names.items() if len(text) > 200 or re.search(r"[\x00-\x1f\x7f]", text)}
        if broken - {"channel", "value"}:
            return None
        occurred, received = self._time(names["at"]), self._time(names["received"])
        value, is_wrong = _value(names["value"])
        missing = not names["lead"] or not names["type"] or occurred is None
        if missing or (names["received"] and received is None) or occurred is None:
            return None
        # A bad cell of a channel or a value costs the cell.
        channel = None if "channel" in broken else names["channel"] or None
        body: Body = (names["lead"], names["type"], occurred, channel, None if is_wrong else value)
        if "deal" in names:
            body = (*body, names["deal"] or None)
        known_at = max(occurred, received or occurred)
        key = names["origin"], names["id"] or body
        return key, RETRACTED if names.get("retracted") else body, known_at, received is not None

    def _time(self, text: str) -> int | None:
        begun = written_time(text, self.zone, "00:00")
        return written_time(text, self.zone) if begun is not None and begun <= self.now_us + 300_000_000 else None


def written_time(text: str, zone: str | None, clock: str = "23:59:59.999999") -> int | None:
    """µs UTC of an ISO 8601 time; without a zone of its own it is in `zone`; in a repeated hour the second pass.

    clock: the time of day that a date alone means.
    """
    match = TIME.fullmatch(text.upper())
    if match is None:
        return None
    try:
        whole = match[1] if ":" in match[1] else f"{match[1]}T{clock}"
        naive = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", whole))
    except ValueError:
        return None
    if match[2] is not None:
        offset = _offset(match[2])
        return None if offset is None or len(match[1]) == len("2024-01-05") else _us(naive.replace(tzinfo=UTC) - offset)
    if zone is None:
        return None
    early, late = (naive.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1))
    repeated = (early.utcoffset() or timedelta()) > (late.utcoffset() or timedelta())
    return _us((late if repeated else early).astimezone(UTC))


def _us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _offset(zone: str) -> timedelta | None:
    if zone in ("Z", "UTC", "GMT"):
        return timedelta()
    digits = zone[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if hours > 23 or minutes > 59:
        return None
    return timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)


def _value(text: str) -> tuple[float | None, bool]:
    """The value to a ten-thousandth, and whether it is wrong."""
    if not text:
        return None, False
    if not NUMBER.fullmatch(text) or abs(float(text)) > 5e11:
        return None, True
    return round(float(text) * 10_000) / 10_000, False


def take_all(door: Door, source: str, rows: Sequence[Row | None]) -> None:
    """All rows of a source, numbered from 1."""
    for number, row in enumerate(rows, 1):
        door.take(source, number, row)
