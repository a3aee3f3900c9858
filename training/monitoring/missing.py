"""Whether a feature became empty: of the leads that have just come it is unknown far more often than of those before.

Of all leads it would be seen late: what was once known of the many stays known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from features.numbers_in_words import short_percent
from training.monitoring.source_alarms import Alarm

GONE = 20.0
"""Or known of none at all, where chance would have that once in e^GONE."""
FRESH_DAYS = 14
"""A lead has just come for so long after it was first heard of."""
FEWEST_LEADS, FEWEST_SCORINGS = 30, 3
MORE, SURE = 0.3, 6.0
"""Empty: unknown of so many more, and by so many standard deviations; some hundred features are looked at daily."""


@dataclass(frozen=True)
class Missing:
    """One scoring. day: since 1970. leads: that had just come. unknown: of how many each feature was, by its name."""

    day: int
    leads: int
    unknown: Mapping[str, int]

    def share(self, feature: str) -> float:
        """Of how large a part of them a feature was unknown."""
        return self.unknown.get(feature, 0) / self.leads


def emptied(scorings: Sequence[Missing]) -> list[Alarm]:
    """Features that became empty in the newest of some scorings, the oldest first.

    It is held against scorings whose leads were others; none where fewer than three of them are known.
    """
    enough = [scoring for scoring in scorings if scoring.leads >= FEWEST_LEADS]
    if not enough or enough[-1] is not scorings[-1]:
        return []
    newest = enough[-1]
    before = [scoring for scoring in enough if scoring.day <= newest.day - FRESH_DAYS]
    if len(before) < FEWEST_SCORINGS:
        return []
    return [alarm for feature in sorted(newest.unknown) for alarm in _emptied(feature, newest, before)]


def _emptied(feature: str, newest: Missing, before: Sequence[Missing]) -> list[Alarm]:
    usual, now = float(np.median([scoring.share(feature) for scoring in before])), newest.share(feature)
    # One in so many leads may always be unknown by chance: a share of none at all has no scatter otherwise.
    chance = float(np.sqrt(max(usual * (1 - usual), 1 / newest.leads) / newest.leads))
    is_gone = now == 1 and 0 < usual < 1 and -newest.leads * np.log(usual) > GONE
    if not is_gone and now < usual + max(MORE, SURE * chance):
        return []
    evidence = f"unknown of {short_percent(now)} of the {newest.leads} newest leads, {short_percent(usual)} are usual"
    return [Alarm("missing", ("feature", feature), newest.day - FRESH_DAYS, evidence)]
