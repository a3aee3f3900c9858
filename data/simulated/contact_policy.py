"""The company's policy: whether to mail, call or offer today, from what was visible before today and nothing else.

Because no decision looks at the hidden state, mails, calls and offers say nothing about it, and the filter may take
them as given.
"""

from __future__ import annotations

from data.compiled import njit
from data.simulated.days import OFFER_SENT, SALES_CALL, seen_within
from data.simulated.funnel import CODE, Ints

PRICING_VIEW, DEMO_REQUEST, FORM_SUBMIT = CODE["pricing_view"], CODE["demo_request"], CODE["form_submit"]
SATURDAY = 5


@njit()
def mail_chance(memory: Ints, day: int, age: int, cadence: float) -> float:
    """Nurturing on working days: by days since creation, the lead's pace, and interest."""
    if day % 7 >= SATURDAY:
        return 0.0
    pace = 0.20 if age <= 28 else 0.10 if age <= 120 else 0.04
    return pace * cadence * (1.5 if _interested(memory) else 1.0)


@njit()
def call_chance(memory: Ints, day: int, entry: int) -> float:
    """Sales calls whoever showed interest, works its own outbound list, and now and then tries someone else."""
    if day % 7 >= SATURDAY:
        return 0.0
    if _interested(memory):
        return 0.15
    return 0.02 if entry == SALES_CALL else 0.005


@njit()
def offer_chance(memory: Ints, day: int) -> float:
    """An offer follows a demo request, once a month at most."""
    if day % 7 >= SATURDAY or seen_within(memory, OFFER_SENT, 30) or not seen_within(memory, DEMO_REQUEST, 14):
        return 0.0
    return 0.25


@njit()
def _interested(memory: Ints) -> bool:
    """Whether the lead asked about a price, a demo or anything by form in the last five days."""
    asked = seen_within(memory, PRICING_VIEW, 5) or seen_within(memory, FORM_SUBMIT, 5)
    return bool(asked or seen_within(memory, DEMO_REQUEST, 5))
