"""What the model knows nothing of: lost leads that are reopened, and deals that are cancelled after they were won.

A lead comes back only after the longest horizon for which the truth is told, so that the truth stays what it is: the
chance of `deal_won`, whatever becomes of the deal later.
"""

from __future__ import annotations

import numpy as np

from data.contract import US_PER_DAY
from data.simulated.cohort import US_PER_HOUR, SimulatedCohort
from data.simulated.days import DAY_CLOSES, DAY_OPENS, LOST, WON
from data.simulated.funnel import CODE, HORIZONS, Ints
from data.simulated.lives import Lives
from data.simulated.options import FunnelOptions
from data.simulated.rows import CHANNEL_OF_TYPE, EventRows, amounts

REOPENED, REOPENED_DAYS = 0.5, (max(HORIZONS) + 1, max(HORIZONS) + 61)
"""Share of lost leads that come back, and how many days later."""
ENDS_DAILY, WON_AGAIN = 0.03, 0.4
"""Chance of a day to end a second time, and of that to be a deal."""
VISITS = {"page_view": 0.4, "pricing_view": 0.15, "meeting": 0.03}
"""Events per day of a lead that is back."""
CANCELLED, CANCELLED_DAYS = 0.15, (2, 60)


def returning_rows(
    options: FunnelOptions, cohort: SimulatedCohort, lives: Lives, rng: np.random.Generator
) -> EventRows:
    """Second chances and cancellations within the observation; their numbers go on from those of the lives."""
    lead, at, code = _second_chances(lives, rng)
    won = np.concatenate([np.flatnonzero(lives.code == WON), len(lives) + np.flatnonzero(code == WON)])
    who, when = np.concatenate([lives.lead, lead])[won], np.concatenate([lives.occurred_at, at])[won]
    cancelled = rng.random(len(won)) < CANCELLED
    back_at = _later(when[cancelled], *CANCELLED_DAYS, rng)
    lead, at = np.concatenate([lead, who[cancelled]]), np.concatenate([at, back_at])
    code = np.concatenate([code, np.full(len(back_at), CODE["deal_cancelled"])])
    seen = np.flatnonzero(at < options.days * US_PER_DAY)
    lead, at, code = lead[seen], at[seen], code[seen]
    number = len(lives) + np.arange(len(seen))
    return EventRows(number, lead, code, at, at, CHANNEL_OF_TYPE[code], amounts(cohort, lead, code, rng))


def _second_chances(lives: Lives, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Lead, µs after START and code of what happens to lost leads that come back."""
    lost = np.flatnonzero((lives.code == LOST) & (rng.random(len(lives)) < REOPENED))
    lead, back_at = lives.lead[lost], _later(lives.occurred_at[lost], *REOPENED_DAYS, rng)
    days = rng.geometric(ENDS_DAILY, size=len(lost))
    midnight = (back_at // US_PER_DAY + days) * US_PER_DAY
    ends_at = midnight + rng.integers(DAY_CLOSES, 23 * US_PER_HOUR, size=len(lost))
    end = np.where(rng.random(len(lost)) < WON_AGAIN, WON, LOST)
    parts = [(lead, back_at, np.full(len(lost), CODE["deal_reopened"])), (lead, ends_at, end)]
    for name, rate in VISITS.items():
        visitor = np.repeat(np.arange(len(lost)), rng.poisson(rate * days))
        at = back_at[visitor] + ((ends_at - back_at)[visitor] * rng.random(len(visitor))).astype(np.int64)
        parts.append((lead[visitor], at, np.full(len(visitor), CODE[name])))
    leads, times, codes = (np.concatenate(column) for column in zip(*parts, strict=True))
    return leads, times, codes


def _later(at: Ints, least: int, most: int, rng: np.random.Generator) -> Ints:
    """Some whole days after the day of `at`, in the hours of work."""
    days = at // US_PER_DAY + rng.integers(least, most, size=len(at))
    later: Ints = days * US_PER_DAY + rng.integers(DAY_OPENS, DAY_CLOSES, size=len(at))
    return later
