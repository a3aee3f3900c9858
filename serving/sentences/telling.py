"""How what happened is told: in a language, at the moment of reading, on days as the reader's clock has them."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from data.contract import US_PER_DAY
from features.dates import ago, day
from features.numbers_in_words import Language, number

SENTENCES = Path(__file__).with_name("told.toml")
WEEKS, MONTHS = 14, 182
"""Days from which on one counts in weeks, and in months."""
DAYS_PER_MONTH = 30.44
MOST_IN_WORDS = 6
Local = Callable[[int], int]
"""A moment (µs UTC) moved so that what UTC says of it is what the reader's clock says."""


def _as_it_is(moment: int) -> int:
    return moment


@dataclass(frozen=True)
class Telling:
    """Who reads, and when. now: µs UTC.

    >>> telling = Telling("en", 10 * US_PER_DAY)
    >>> telling.when(9 * US_PER_DAY), telling.when(5 * US_PER_DAY), telling.often(3, 7), telling.since(21)
    ('yesterday', 'on Tuesday', 'three times within 7 days', 'for 3 weeks')
    """

    language: Language
    now: int
    local: Local = _as_it_is

    def t(self, key: str, **values: Any) -> str:
        """A sentence by its key. Raises KeyError for one that is not there."""
        return sentences()[key][self.language].format_map(values)

    def known(self, key: str, **values: Any) -> str | None:
        """The same for a key that is made of data; None where there is no such sentence."""
        return self.t(key, **values) if key in sentences() else None

    def when(self, moment: int) -> str:
        """A day as people say it: today, yesterday, on Saturday, on 5 Mar 2024."""
        today, then = self.local(self.now) // US_PER_DAY, self.local(moment) // US_PER_DAY
        if today - then <= 1:
            return self.t("today" if today <= then else "yesterday")
        if today - then < 7:
            return self.t(f"weekday_{(then + 3) % 7}")
        return self.t("on_day", day=day(self.local(moment), self.language))

    def often(self, count: int, days: int) -> str:
        """So many times within so many days; count: 2 or more."""
        times = self.t(f"times_{count if count <= MOST_IN_WORDS else 'n'}", count=number(count, 0, self.language))
        return self.t("in_days", times=times, days=days)

    def since(self, days: float) -> str:
        """For so many days, as people say it; 2 days or more."""
        if days < WEEKS:
            return self.t("for_days", count=int(days))
        if days < MONTHS:
            return self.t("for_weeks", count=int(days // 7))
        return self.t("for_months", count=int(days / DAYS_PER_MONTH))

    def ago(self, moment: int) -> str:
        """How many days ago, by the calendar."""
        then, now = (self.local(at) // US_PER_DAY * US_PER_DAY for at in (moment, self.now))
        return ago(then, now, self.language)


@cache
def sentences() -> Mapping[str, Mapping[str, str]]:
    """All sentences by key, read once."""
    return tomllib.loads(SENTENCES.read_text(encoding="utf-8"))
