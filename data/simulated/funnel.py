"""The simulated funnel as data: hidden states, rates, hazards, drift and lateness.

A lead has a hidden persona, which never changes, and a hidden intent, which takes one step a day. Both together are
its state; state = persona * len(INTENTS) + intent. Days are UTC days counted from START.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.contract import US_PER_DAY
from data.simulated.options import FunnelOptions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

START = 19_723 * US_PER_DAY
"""2024-01-01 00:00 UTC, a Monday, in µs since 1970."""
HORIZONS = (7, 30, 60, 90)
"""Days for which the truth is written."""

PERSONAS = ("practitioner", "decision_maker", "student", "competitor")
INTENTS = ("idle", "curious", "evaluating", "ready")
TIERS = ("ordinary", "wholesale")

BEHAVIOURS: dict[str, tuple[float, ...]] = {
    "ebook_download": (0.004, 0.025, 0.012, 0.004),
    "whitepaper_download": (0.002, 0.012, 0.025, 0.010),
    "blog_visit": (0.040, 0.120, 0.070, 0.040),
    "newsletter_signup": (0.001, 0.006, 0.002, 0.001),
    "webinar_signup": (0.002, 0.012, 0.020, 0.008),
    "form_submit": (0.001, 0.005, 0.014, 0.035),
    "social_engagement": (0.012, 0.035, 0.025, 0.012),
    "chat_message": (0.001, 0.005, 0.020, 0.050),
    "page_view": (0.040, 0.160, 0.380, 0.420),
    "pricing_view": (0.002, 0.012, 0.080, 0.220),
    "demo_request": (0.0002, 0.001, 0.014, 0.060),
    "inbound_call": (0.0002, 0.001, 0.008, 0.050),
    "webinar_attended": (0.060, 0.120, 0.140, 0.080),
    "meeting": (0.010, 0.025, 0.090, 0.240),
    "offer_view": (0.020, 0.060, 0.180, 0.400),
}
"""Poisson events per day of a practitioner, by intent."""
ANSWERS: dict[str, tuple[float, ...]] = {
    "email_open": (0.15, 0.30, 0.40, 0.42),
    "email_click": (0.08, 0.18, 0.32, 0.38),
    "email_reply": (0.005, 0.01, 0.05, 0.10),
    "unsubscribe": (0.030, 0.012, 0.008, 0.008),
    "call_answered": (0.12, 0.22, 0.45, 0.60),
}
"""Probabilities by intent that what is named in ANSWER_TO is answered so on the same day."""
ANSWER_TO = ("email_sent", "email_open", "email_open", "email_open", "sales_call")
ACTIONS = ("email_sent", "sales_call", "offer_sent")
"""What the company does. Its policy sees only what was visible, so an action says nothing about the state."""
OUTCOMES = ("deal_won", "deal_lost", "purchase")
EVENT_TYPES = (*BEHAVIOURS, *ANSWERS, *ACTIONS, *OUTCOMES)
RETURNS = ("deal_reopened", "deal_cancelled")
"""What the model knows nothing of: a second chance, and the end of a deal that was won."""
FILE_TYPES = (*EVENT_TYPES, *RETURNS)
CODE = {name: code for code, name in enumerate(FILE_TYPES)}

PERSONA_FACTORS: dict[str, dict[str, float]] = {
    "practitioner": {},
    "decision_maker": {
        "blog_visit": 0.6, "ebook_download": 0.6, "pricing_view": 1.5, "inbound_call": 1.6, "meeting": 1.5,
        "call_answered": 1.2, "chat_message": 0.7, "email_open": 0.8,
    },
    "student": {
        "ebook_download": 2.5, "whitepaper_download": 2.0, "newsletter_signup": 2.0, "pricing_view": 0.3,
        "demo_request": 0.15, "inbound_call": 0.2, "meeting": 0.1, "form_submit": 0.6, "email_open": 1.3,
    },
    "competitor": {
        "pricing_view": 2.0, "page_view": 1.6, "social_engagement": 2.0, "demo_request": 0.5, "meeting": 0.15,
        "inbound_call": 0.2, "email_reply": 0.2, "call_answered": 0.3, "chat_message": 1.5,
    },
}  # fmt: skip
"""How a persona multiplies the rates and probabilities above; 1 where silent."""

STEPS: dict[str, tuple[tuple[float, ...], ...]] = {
    "practitioner": ((0.988, 0.012, 0, 0), (0.050, 0.937, 0.013, 0), (0, 0.050, 0.935, 0.015), (0, 0, 0.050, 0.950)),
    "decision_maker": ((0.988, 0.012, 0, 0), (0.050, 0.932, 0.018, 0), (0, 0.050, 0.920, 0.030), (0, 0, 0.030, 0.970)),
    "student": ((0.970, 0.030, 0, 0), (0.030, 0.965, 0.005, 0), (0, 0.100, 0.890, 0.010), (0, 0, 0.150, 0.850)),
    "competitor": ((0.980, 0.020, 0, 0), (0.030, 0.930, 0.040, 0), (0, 0.050, 0.945, 0.005), (0, 0, 0.200, 0.800)),
}
"""Daily transition of the intent, from row to column."""
WON: dict[str, tuple[float, ...]] = {
    "practitioner": (2e-6, 2e-5, 5e-4, 0.040),
    "decision_maker": (5e-6, 5e-5, 1e-3, 0.090),
    "student": (1e-6, 1e-5, 1e-4, 0.004),
    "competitor": (1e-6, 1e-5, 1e-4, 0.001),
}
LOST: dict[str, tuple[float, ...]] = {
    "practitioner": (0.0025, 0.0010, 0.0020, 0.0050),
    "decision_maker": (0.0025, 0.0010, 0.0020, 0.0050),
    "student": (0.0060, 0.0050, 0.0080, 0.0100),
    "competitor": (0.0040, 0.0030, 0.0060, 0.0100),
}
"""Daily hazards of the end of a deal, by intent."""
CUSTOMER: dict[str, tuple[float, ...]] = {
    "page_view": (0.06, 0.03, 0.06, 0.03),
    "chat_message": (0.008, 0.004, 0.008, 0.004),
    "purchase": (0.010, 0.016, 0.003, 0.003),
}
"""Events per day after deal_won, by persona."""

WEEK = (1.15, 1.2, 1.15, 1.1, 0.9, 0.4, 0.4)
"""How the days of a week, from Monday, multiply behaviour."""
GROWTH = {
    "page_view": 0.25, "pricing_view": 0.15, "blog_visit": -0.25, "social_engagement": 0.35, "chat_message": 0.4,
    "ebook_download": -0.2, "inbound_call": -0.3, "email_open": -0.2, "form_submit": -0.15,
}  # fmt: skip
"""Drift of behaviour: change of the log rate per year; 0 where silent."""
SEASON, TREND = 0.2, -0.1
"""Drift of the base rate: log hazard of deal_won is SEASON * sin(year) + TREND * years."""
GATES = {
    "webinar_attended": ("webinar_signup", 14, 0.02),
    "meeting": ("demo_request", 14, 0.10),
    "offer_view": ("offer_sent", 14, 0.0),
}
"""A behaviour's trigger, the days before in which it must have been seen, and the factor on the rate if it was not."""
WEB = ("blog_visit", "page_view", "pricing_view")
"""Behaviour that grows with the tier and wanes with contact pressure."""
TIER_SCALE, TIER_PATIENCE = (1.0, 200.0), (1.0, 0.1)
"""By tier: the factor on web behaviour, and on the hazard of deal_lost."""
WEARINESS = {**dict.fromkeys(WEB, -0.03), "email_open": -0.08, "unsubscribe": 0.15}
"""Fatigue: change of the log rate or log probability per mail sent in the last 14 days."""
FATIGUE_DAYS = 14
LATE = ("inbound_call", "webinar_attended", "meeting", "sales_call", "call_answered")
"""Offline types, received in a nightly batch at 00:00 UTC some days later. An answered call comes with its call."""
LATENESS = (0.40, 0.22, 0.15, 0.11, 0.07, 0.05)
"""Probability of 0, 1, 2 … days of lateness; 0 means received at once."""


class Tables(NamedTuple):
    """The model as arrays, as the compiled generator and filter read it.

    transition: [personas, intents, intents]. rate: [behaviours, states], events per day.
    answer: [answers, states]. asked: int64[answers], code of what is answered.
    won, lost: [states], hazards per day. customer: [types of CUSTOMER, personas].
    calendar: [behaviours + answers, days], factor of the day. base_rate: [days + longest horizon], on `won`.
    fatigue: [behaviours + answers, mails 0..14], factor. late: [behaviours], whether lateness thins the type.
    gate: int64[behaviours, 2], code of the trigger (-1: none) and days; shut: [behaviours], factor without trigger.
    scale: [tiers, behaviours]. patience: [tiers]. received: [most days late + 1], chance of lateness <= days.
    """

    transition: Floats
    rate: Floats
    answer: Floats
    asked: Ints
    won: Floats
    lost: Floats
    customer: Floats
    calendar: Floats
    base_rate: Floats
    fatigue: Floats
    late: NDArray[np.bool_]
    gate: Ints
    shut: Floats
    scale: Floats
    patience: Floats
    received: Floats


def funnel_tables(options: FunnelOptions) -> Tables:
    """The model of a scenario as arrays."""
    names = (*BEHAVIOURS, *ANSWERS)
    gates = [GATES.get(name) for name in BEHAVIOURS]
    return Tables(
        transition=np.array([STEPS[persona] for persona in PERSONAS], dtype=np.float64),
        rate=_by_state(BEHAVIOURS),
        answer=_by_state(ANSWERS),
        asked=np.array([CODE[name] for name in ANSWER_TO], dtype=np.int64),
        won=np.concatenate([WON[persona] for persona in PERSONAS]),
        lost=np.concatenate([LOST[persona] for persona in PERSONAS]),
        customer=np.array(list(CUSTOMER.values())),
        calendar=_calendar(options, names),
        base_rate=_base_rate(options),
        fatigue=np.exp(np.outer([WEARINESS.get(name, 0.0) for name in names], np.arange(FATIGUE_DAYS + 1))),
        late=np.array([options.late and name in LATE for name in BEHAVIOURS]),
        gate=np.array([(CODE[gate[0]], gate[1]) if gate else (-1, 0) for gate in gates], dtype=np.int64),
        shut=np.array([gate[2] if gate else 1.0 for gate in gates]),
        scale=np.array([[scale if name in WEB else 1.0 for name in BEHAVIOURS] for scale in TIER_SCALE]),
        patience=np.array(TIER_PATIENCE),
        received=np.cumsum(LATENESS) if options.late else np.ones(1),
    )


def _by_state(table: dict[str, tuple[float, ...]]) -> Floats:
    """[types, states] from the practitioner's table and the personas' factors."""
    factors = [[PERSONA_FACTORS[persona].get(name, 1.0) for persona in PERSONAS] for name in table]
    by_persona = np.array(factors)[:, :, None] * np.array(list(table.values()))[:, None, :]
    return np.ascontiguousarray(by_persona.reshape(len(table), -1))


def _calendar(options: FunnelOptions, names: tuple[str, ...]) -> Floats:
    days = np.arange(options.days)
    growth = np.array([GROWTH.get(name, 0.0) for name in names]) * float(options.drift)
    week = np.where([[name in BEHAVIOURS] for name in names], np.array(WEEK)[days % 7], 1.0)
    return np.ascontiguousarray(week * np.exp(np.outer(growth, days / 365.0)))


def _base_rate(options: FunnelOptions) -> Floats:
    years = np.arange(options.days + max(HORIZONS)) / 365.0
    return np.exp(float(options.drift) * (SEASON * np.sin(2.0 * np.pi * years) + TREND * years))
