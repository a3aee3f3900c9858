"""One day of a lead as the model sees it: what it remembers, and how that day multiplies each rate.

The generator and the filter both walk by these functions, so that they speak of one model.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.compiled import njit
from data.contract import US_PER_DAY
from data.simulated.funnel import ANSWERS, BEHAVIOURS, CODE, EVENT_TYPES, FATIGUE_DAYS, Floats, Ints, Tables

N_TYPES, N_BEHAVIOURS, N_FACTORS = len(EVENT_TYPES), len(BEHAVIOURS), len(BEHAVIOURS) + len(ANSWERS)
EMAIL_SENT, SALES_CALL, OFFER_SENT = CODE["email_sent"], CODE["sales_call"], CODE["offer_sent"]
OPEN, CLICK, REPLY = CODE["email_open"], CODE["email_click"], CODE["email_reply"]
UNSUBSCRIBE, CALL_ANSWERED = CODE["unsubscribe"], CODE["call_answered"]
WON, LOST = CODE["deal_won"], CODE["deal_lost"]

DAY_OPENS, DAY_CLOSES = US_PER_DAY // 4, US_PER_DAY * 3 // 4
"""Leads act and are acted on between 06:00 and 18:00 UTC; deals end between 18:00 and 23:00."""
MEMORY = (1 << 62) - 1


@njit()
def seen_within(memory: Ints, code: int, days: int) -> bool:
    """Whether a type occurred on one of the `days` days before today; memory[code] has a bit per day, 0 = yesterday."""
    return bool(memory[code] & ((1 << days) - 1))


@njit()
def days_mailed(memory: Ints) -> int:
    """Mails of the last 14 days: one a day at most."""
    bits, count = memory[EMAIL_SENT] & ((1 << FATIGUE_DAYS) - 1), 0
    while bits:
        bits &= bits - 1
        count += 1
    return count


@njit()
def end_day(memory: Ints, today: NDArray[np.bool_]) -> None:
    """Today becomes yesterday: int64[types] and bool[types], which is emptied."""
    for code in range(N_TYPES):
        memory[code] = ((memory[code] << 1) | today[code]) & MEMORY
        today[code] = False


@njit()
def share_of_day(created_at: int, day: int) -> float:
    """Part of a day that is left to a lead: 1 but for the day of its creation (µs after START)."""
    if created_at // US_PER_DAY != day:
        return 1.0
    return (DAY_CLOSES - created_at % US_PER_DAY) / (DAY_CLOSES - DAY_OPENS)


@njit()
def day_factors(out: Floats, tables: Tables, day: int, share: float, tier: int, memory: Ints) -> None:
    """Fill out[behaviours + answers] with the factors on today's rates and probabilities."""
    mails = days_mailed(memory)
    for code in range(N_FACTORS):
        out[code] = tables.calendar[code, day] * tables.fatigue[code, mails]
    for code in range(N_BEHAVIOURS):
        out[code] *= share * tables.scale[tier, code]
        trigger = tables.gate[code, 0]
        if trigger >= 0 and not seen_within(memory, trigger, tables.gate[code, 1]):
            out[code] *= tables.shut[code]
