"""A source whose events come late is told within a week; a quiet year with holidays is quiet, also of small ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.training.test_source_alarms import DAYS, FIRST, activity
from training.monitoring.lateness import Delays, late_sources
from training.monitoring.source_alarms import Stream

DAY_S = 86_400.0
KEPT = 34 * 7
"""Days that the store looks at."""
OPEN = np.array([activity(day) > 0.1 and day % 7 < 5 for day in range(DAYS)])
BREAK = 650
SEEDS = (311, 312, 313)
"""On none of which anything was tuned."""


def year(seed: int, rate: float, usual_s: float, by_hand: bool, late_s: float = 0.0) -> Delays:
    """Two years of one source: so many events on a working day, known after about so long (a lognormal time).

    by_hand: people enter them, on the next working day where there is none. late_s: how much later from BREAK on.
    """
    rng = np.random.default_rng(seed)
    counts, seconds = np.zeros(DAYS + 60, np.int64), np.zeros(DAYS + 60)
    for day in range(DAYS):
        weekday = 1.0 if day % 7 < 5 else 0.1
        for delay in rng.lognormal(np.log(usual_s), 0.7, rng.poisson(rate * weekday * activity(day))):
            delay += late_s * (day >= BREAK)
            known = min(int(day + 0.5 + delay / DAY_S), DAYS + 59)
            while by_hand and known < DAYS and not OPEN[known]:
                known, delay = known + 1, delay + DAY_S
            counts[known] += 1
            seconds[known] += delay
    return Delays(FIRST, {"crm": counts[:DAYS]}, {"crm": seconds[:DAYS]})


def told(delays: Delays, day: int) -> set[Stream]:
    begin = max(0, day - KEPT)
    counts = {source: values[begin:day] for source, values in delays.counts.items()}
    seconds = {source: values[begin:day] for source, values in delays.seconds.items()}
    return {alarm.stream for alarm in late_sources(Delays(FIRST + begin, counts, seconds))}


def begun(days: Sequence[set[Stream]]) -> int:
    return sum(len(now - before) for before, now in zip([set(), *days], days, strict=False))


@pytest.mark.parametrize("rate", [6.0, 60.0])
@pytest.mark.parametrize("usual_s", [600.0, 0.7 * DAY_S])
@pytest.mark.parametrize("by_hand", [False, True], ids=["by itself", "by hand"])
def test_a_quiet_year_with_holidays_raises_one_false_alarm_at_most(rate: float, usual_s: float, by_hand: bool) -> None:
    years = [year(seed, rate, usual_s, by_hand) for seed in SEEDS]
    alarms = [begun([told(delays, day) for day in range(DAYS - 364, DAYS + 1)]) for delays in years]
    assert max(alarms) <= 1, alarms


@pytest.mark.parametrize("rate", [8.0, 60.0])
@pytest.mark.parametrize("usual_s", [600.0, 0.7 * DAY_S])
def test_a_source_that_comes_days_later_is_told_within_a_week_of_the_first_that_does(
    rate: float, usual_s: float
) -> None:
    for seed in SEEDS:
        slow = year(seed, rate, usual_s, by_hand=True, late_s=5 * DAY_S)
        assert any(told(slow, BREAK + 5 + day) for day in range(8))
        assert told(slow, BREAK + 14)


def test_without_its_allowance_for_holidays_a_quiet_year_would_not_be_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: later than usual is told, however little."""
    monkeypatch.setattr("training.monitoring.lateness.LONGER_S", 0.0)
    monkeypatch.setattr("training.monitoring.lateness.TIMES", 1.2)
    quiet = year(SEEDS[0], 60.0, 600.0, by_hand=True)
    assert begun([told(quiet, day) for day in range(DAYS - 364, DAYS + 1)]) > 1
