"""What is known of the other leads of a lead's company, its colleagues.

A lead's colleagues at a moment are the other leads of the log whose newest visible profile version names the same
account as its own, and which are not away. What counts of them is what counts of any lead then: visible events that
were not known to be wrong, without those of bots. The lead itself is never among them, and neither is what it did.
Of each colleague only the newest event of a group is looked at, so that one busy colleague counts once. All of it is
missing where no account is known, and where more leads have named the account than a company has (data/companies.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from data.contract import US_PER_DAY
from features.kinds.accumulators import EVER, Accumulators, Around
from features.kinds.definition import Definition, Family, Sentence, View


@dataclass(frozen=True)
class Colleagues(Definition):
    """Number of colleagues.

    >>> Colleagues().name
    'colleagues'
    """

    family: ClassVar[Family] = "fit"
    sentence: ClassVar = Sentence("other leads of the company", "weitere Leads der Firma")

    def read(self, accumulators: Accumulators) -> Around:
        return Around()

    def by_definition(self, view: View) -> float:
        colleagues = view.colleagues()
        return math.nan if colleagues is None else float(len(colleagues))


@dataclass(frozen=True)
class ColleaguesActive(Definition):
    """Number of colleagues with an event of the group in the window."""

    sentence: ClassVar = Sentence("colleagues with {events} {days}", "Kollegen mit: {events} {days}")

    events: str
    days: int | None = None

    def read(self, accumulators: Accumulators) -> Around:
        window = EVER if self.days is None else self.days * US_PER_DAY
        return Around(accumulators.around_group(self.events), window)

    def by_definition(self, view: View) -> float:
        colleagues = view.colleagues()
        if colleagues is None:
            return math.nan
        return float(sum(bool(colleague.matching(self.events, self.days)) for colleague in colleagues))


@dataclass(frozen=True)
class ColleagueRecency(Definition):
    """Days (with fraction) since the latest `occurred_at` among events of colleagues; missing when there is none."""

    sentence: ClassVar = Sentence("days since colleagues' latest {events}", "Tage seit zuletzt bei Kollegen: {events}")
    fractional: ClassVar = True

    events: str

    def read(self, accumulators: Accumulators) -> Around:
        return Around(accumulators.around_group(self.events))

    def by_definition(self, view: View) -> float:
        times = [
            event.occurred_at for colleague in view.colleagues() or () for event in colleague.matching(self.events)
        ]
        return (view.as_of - max(times)) / US_PER_DAY if times else math.nan


@dataclass(frozen=True)
class ColleagueSpread(Definition):
    """Number of distinct known values of a category column among colleagues, as it was known of them."""

    family: ClassVar[Family] = "fit"
    sentence: ClassVar = Sentence("different {column} among colleagues", "verschiedene {column} unter Kollegen")

    column: str

    def read(self, accumulators: Accumulators) -> Around:
        return Around(trait=accumulators.trait(self.column))

    def by_definition(self, view: View) -> float:
        colleagues = view.colleagues()
        if colleagues is None:
            return math.nan
        return float(len({colleague.profile(self.column) for colleague in colleagues} - {None}))
