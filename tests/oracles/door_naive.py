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


@dataclass
class Door:
    """What is in the log, and what became of the rows that came. now_us: the clock, µs UTC."""

    now_us: int
    zone: str | None = None
    known: dict[tuple[str, object], tuple[tuple[object, ...], int]] = field(default_factory=dict)
    received: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: set[tuple[str, int]] = field(default_factory=set)

    def take(self, source: str, number: int, row: Row | None) -> None:
        """One row of a source; None for one that cannot be split into columns."""
        self.received += 1
        judged = None if row is None else self._event(row)
        if judged is None:
            self.rejected.add((source, number))
            return
        key, body, known_at = judged
        if key not in self.known:
            self.accepted += 1
            self.known[key] = (body, known_at)
        elif self.known[key][0] != body:
            self.rejected.add((source, number))
        else:
            self.duplicate += 1
            self.known[key] = (body, min(known_at, self.known[key][1]))

    def fits(self, row: Row) -> bool:
        """Whether a row keeps the contract."""
        return self._event(row) is not None

    @property
    def events(self) -> list[tuple[object, ...]]:
        """lead, type, occurred_at, known_at, channel, value, source of all events in the log, in any order."""
        rows = [(*body[:3], known_at, *body[3:], key[0]) for key, (body, known_at) in self.known.items()]
        return sorted(rows, key=repr)

    def _event(self, row: Row) -> tuple[tuple[str, object], tuple[object, ...], int] | None:
        names = {name: row[name].strip(" ") for name in row}
        if any(len(text) > 200 or re.search(r"[\x00-\x1f\x7f]", text) for text in names.values()):
            return None
        occurred, received = self._time(names["at"]), self._time(names["received"])
        value, wrong_value = _value(names["value"])
        missing = not names["lead"] or not names["type"] or occurred is None
        if missing or wrong_value or (names["received"] and received is None) or occurred is None:
            return None
        body = (names["lead"], names["type"], occurred, names["channel"] or None, value)
        return (names["origin"], names["id"] or body), body, max(occurred, received or occurred)

    def _time(self, text: str) -> int | None:
        begun = written_time(text, self.zone, "00:00")
        return written_time(text, self.zone) if begun is not None and begun <= self.now_us + 300_000_000 else None


def written_time(text: str, zone: str | None, clock: str = "23:59:59.999999") -> int | None:
    """µs UTC of an ISO 8601 time; without a zone of its own it is in `zone`; in a repeated hour the second pass.

    clock: the time of day that a date alone means.
    """
    found = TIME.fullmatch(text.upper())
    if found is None:
        return None
    try:
        whole = found[1] if ":" in found[1] else f"{found[1]}T{clock}"
        naive = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", whole))
    except ValueError:
        return None
    if found[2] is not None:
        offset = _offset(found[2])
        return None if offset is None or len(found[1]) == len("2024-01-05") else _us(naive.replace(tzinfo=UTC) - offset)
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
