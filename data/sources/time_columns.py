"""How the times of a source become µs UTC, in SQL: as `data/times.py` reads them, by a format, or seconds since 1970.

ISO 8601 is read just as `time_from_text` does; `tests/data/test_time_from_text.py` proves it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from data.contract import AHEAD, US_PER_DAY
from data.engine import engine
from data.masking import masked_time_sql
from data.quoting import quoted
from data.times import (
    CLOCK,
    CLOCK_OF_DATES,
    DAY,
    EARLIEST,
    EPOCHS,
    FIRST,
    IN_FUTURE,
    LAST,
    NULL_DATE,
    UTC_WORDS,
    ZONE,
    DatesAre,
)

NAIVE = f"^{DAY}({CLOCK})?$"
AWARE = f"^{DAY}{CLOCK}{ZONE}$"
USUAL = f"^{DAY}{CLOCK.replace('[T ]', 'T')}Z$"
"""What most machines write, which needs no rewriting."""
ZONED = re.compile(f"%[zZ]|(?<!%)({'|'.join(UTC_WORDS)})$")
UNZONED = "has no time zone"


@dataclass(frozen=True)
class TimeColumn:
    """How a source writes times. zone: IANA name for those without a zone, also for a date alone. form: as in strptime,
    or epoch_s, epoch_ms, epoch_us; None is ISO 8601. dates_are: what a date alone means, also one that a form without
    hours reads. That, and repeated and skipped hours, mean what they do to `time_from_text`. earliest: µs UTC of the
    first time that is a date at all.
    """

    zone: str | None
    form: str | None
    dates_are: DatesAre = "end"
    earliest: int = EARLIEST

    @property
    def aware(self) -> bool:
        """Whether the format itself holds the zone, an offset or a word for UTC: that counts, not the mapping's."""
        return self.form in EPOCHS or bool(ZONED.search((self.form or "").replace("%%", "")))

    @property
    def holds_clock(self) -> bool:
        """Whether the format itself holds the time of day."""
        return self.form in EPOCHS or bool(re.search("%-?[HIXc]", (self.form or "").replace("%%", "")))

    def sql(self, text: str) -> str:
        """µs UTC of a text expression, null where it is no such time."""
        if self.form in EPOCHS:
            return f"try_cast(round(try_cast({text} AS DECIMAL(30, 6)) * {EPOCHS[self.form]}) AS BIGINT)"
        if self.form is not None:
            parsed = f"try_strptime({text}, {quoted(self.form)})"
            if self.dates_are == "end" and not self.holds_clock:
                parsed += f" + to_microseconds({US_PER_DAY - 1})"
            return f"epoch_us({parsed})" if self.aware else self._placed(parsed)
        upper = f"upper({text})"
        signed = f"regexp_replace(regexp_replace({upper}, ' ?(UTC|GMT)$', '+00'), ' ([+-][0-9:]+)$', '\\1')"
        zoned = f"CASE WHEN {upper} LIKE '%Z' THEN replace({upper}, ' Z', 'Z') ELSE {signed} END"
        aware = f"epoch_us(try_cast({zoned} AS TIMESTAMPTZ))"
        naive = self._placed(f"try_cast({self._clocked(upper)} AS TIMESTAMP)")
        return f"""CASE WHEN regexp_matches({text}, {quoted(USUAL)}) THEN epoch_us(try_cast({text} AS TIMESTAMPTZ))
            WHEN regexp_matches({upper}, {quoted(AWARE)}) THEN {aware}
            WHEN regexp_matches({upper}, {quoted(NAIVE)}) THEN {naive} END"""

    def _clocked(self, text: str) -> str:
        """A written time, with a time of day where it is a date alone."""
        return f"CASE WHEN contains({text}, ':') THEN {text} ELSE {text} || ' {CLOCK_OF_DATES[self.dates_are]}' END"

    def _placed(self, naive: str) -> str:
        return "NULL::BIGINT" if self.zone is None else f"epoch_us(timezone({quoted(self.zone)}, {naive}))"

    def check(self, name: str, text: str, parsed: str, clock: int, required: bool = False) -> str:
        """SQL for the reason why a time is refused, else null. clock: µs UTC.

        A date lies in the future when its day has not begun: that of today may be told before it is over.
        """
        value = f"left({text}, 20)" if self.form in EPOCHS else masked_time_sql(text)
        shown = f"{quoted(name + ' ')} || '''' || {value} || ''''"
        missing = f"WHEN {text} IS NULL THEN {quoted(f'{name} is missing')}" if required else ""
        form = f"written as {self.form}" if self.form else "in ISO 8601"
        begun = replace(self, dates_are="start").sql(text)
        unzoned = f"""WHEN {parsed} IS NULL AND regexp_matches(upper({text}), {quoted(NAIVE)})
            THEN {shown} || {quoted(f" {UNZONED}; set time_zone in the mapping")}"""
        return f"""CASE {missing} {unzoned if self.form is None and self.zone is None else ""}
            WHEN {text} IS NOT NULL AND {parsed} IS NULL THEN {shown} || {quoted(f" is no time {form}")}
            WHEN {parsed} NOT BETWEEN {FIRST} AND {LAST} THEN {shown} || ' lies outside the years 1 to 9999 in UTC'
            WHEN {parsed} < {self.earliest} THEN {shown} || ' {NULL_DATE}'
            WHEN {parsed} > {clock + AHEAD} THEN CASE WHEN {begun} > {clock + AHEAD}
                THEN {shown} || ' {IN_FUTURE}' END END"""


@lru_cache(maxsize=64)
def known_zone(name: str) -> bool:
    """Whether it is an IANA time zone of a place, or UTC, as the engine that converts times knows them."""
    if "/" not in name and name not in ("UTC", "GMT", "Zulu"):
        return False
    query = "SELECT count(*) FROM pg_timezone_names() WHERE name = ?"
    with engine() as con:
        return bool(con.execute(query, [name]).fetchall()[0][0])


@lru_cache(maxsize=64)
def known_format(text: str) -> bool:
    """Whether it is a time format that the engine can read."""
    if text in EPOCHS:
        return True
    # Imported late: a server reads mappings' rules too, and never needs the engine.
    import duckdb

    try:
        with engine() as con:
            con.execute(f"SELECT try_strptime('', {quoted(text)})")
    except duckdb.Error:
        return False
    return "%" in text
