"""Whether events become known later than usual: how long after they happened, source by source and week by week.

An event counts from when it is known. One that comes days late changes no score that was given meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.monitoring.source_alarms import FEWEST_DAYS, WEEK, Alarm, Counts

TIMES, LONGER_S, FEWEST = 3.0, 86_400.0, 30
"""Late: so many times as long as in the usual week, longer by so much, and of so many events."""


@dataclass(frozen=True)
class Delays:
    """Of the events that became known on each day, up to the newest whole one: how many, how long after they happened.

    first_day: in days since 1970. counts, seconds (sums): by source, one value per day.
    """

    first_day: int
    counts: Mapping[str, Counts]
    seconds: Mapping[str, NDArray[np.float64]]


def late_sources(delays: Delays) -> list[Alarm]:
    """Sources whose newest week came later than their median week before; none where fewer than six weeks are known."""
    alarms = []
    for source in sorted(delays.counts):
        counts, seconds = _weekly(delays.counts[source]), _weekly(delays.seconds[source])
        before = seconds[:-1][counts[:-1] > 0] / counts[:-1][counts[:-1] > 0]
        if len(before) < FEWEST_DAYS // WEEK or counts[-1] < FEWEST:
            continue
        usual, newest = float(np.median(before)), float(seconds[-1] / counts[-1])
        if newest > max(TIMES * usual, usual + LONGER_S):
            since = delays.first_day + len(delays.counts[source]) - WEEK
            evidence = (
                f"events are known {newest / 86_400:.1f} days after they happened, {usual / 86_400:.1f} are usual"
            )
            alarms.append(Alarm("late", (source,), since, evidence))
    return alarms


def _weekly(days: NDArray[np.float64] | Counts) -> NDArray[np.float64]:
    """Sums of whole weeks that end with the newest day."""
    weeks: NDArray[np.float64] = days[len(days) % WEEK :].astype(np.float64).reshape(-1, WEEK)
    return np.asarray(weeks.sum(axis=1), dtype=np.float64)
