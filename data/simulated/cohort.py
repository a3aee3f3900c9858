"""The leads of the simulated funnel: when they came, what their profile says, and what is hidden behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.contract import US_PER_DAY
from data.simulated.funnel import CODE, INTENTS, PERSONAS, Floats, Ints
from data.simulated.options import FunnelOptions

US_PER_HOUR = US_PER_DAY // 24

SOURCES: dict[str, tuple[float, str, str, tuple[float, ...]]] = {
    "ebook": (0.18, "ebook_download", "organic", (0.55, 0.40, 0.04, 0.01)),
    "white_paper": (0.11, "whitepaper_download", "organic", (0.35, 0.45, 0.17, 0.03)),
    "blog": (0.10, "blog_visit", "organic", (0.55, 0.38, 0.06, 0.01)),
    "newsletter": (0.09, "newsletter_signup", "email", (0.65, 0.32, 0.02, 0.01)),
    "webinar": (0.12, "webinar_signup", "events", (0.30, 0.48, 0.19, 0.03)),
    "landing_page": (0.14, "form_submit", "paid_search", (0.25, 0.42, 0.26, 0.07)),
    "social_media": (0.09, "social_engagement", "social", (0.60, 0.34, 0.05, 0.01)),
    "chat": (0.05, "chat_message", "chat", (0.20, 0.38, 0.30, 0.12)),
    "inbound_call": (0.04, "inbound_call", "phone", (0.08, 0.26, 0.40, 0.26)),
    "outbound": (0.08, "sales_call", "outbound", (0.93, 0.06, 0.01, 0.00)),
}
"""By lead source: its share, the event and channel of the first contact, and the intent a lead comes with."""
INDUSTRIES = {
    "software": 0.24, "manufacturing": 0.20, "finance": 0.14, "healthcare": 0.12, "retail": 0.12, "logistics": 0.10,
    "education": 0.08,
}  # fmt: skip
SIZES = {"1-10": 0.24, "11-50": 0.28, "51-200": 0.24, "201-1000": 0.15, "1000+": 0.09}
WHOLESALE = "wholesale"
EMPLOYEES = {
    "1-10": (1, 10),
    "11-50": (11, 50),
    "51-200": (51, 200),
    "201-1000": (201, 1000),
    "1000+": (1001, 40000),
    "wholesale": (50, 5000),
}
SENIORITIES = {"intern": 0.12, "specialist": 0.36, "manager": 0.30, "director": 0.14, "c_level": 0.08}
COUNTRIES = {"DE": 0.38, "AT": 0.10, "CH": 0.10, "GB": 0.14, "FR": 0.10, "NL": 0.06, "PL": 0.04, "US": 0.08}
HAS_PHONE = {"no": 0.45, "yes": 0.55}
CADENCES = (0.5, 1.0, 2.0)
"""Nurturing is dealt out at random: a lead gets mails at half, full or double pace."""

PERSONA_LOGITS: dict[str, dict[str, tuple[float, float, float, float]]] = {
    "": {"": (0.0, -0.7, -0.7, -2.0)},
    "seniority": {
        "intern": (0, -2.5, 2.2, 0.2), "specialist": (0.4, -1.0, 0, 0.2), "manager": (0.2, 0.6, -1.2, 0),
        "director": (-0.3, 1.5, -2.0, -0.2), "c_level": (-1.0, 1.8, -2.2, -0.2),
    },
    "company_size": {
        "1-10": (0, 0.5, 0.2, 0.2), "11-50": (0, 0.3, 0, 0), "1000+": (0.2, -0.5, -0.2, 0.3),
        "wholesale": (1, 1, -4, -4),
    },
    "industry": {
        "education": (-0.4, -0.3, 1.3, -0.5), "software": (0.1, 0, 0, 1.0), "manufacturing": (0.2, 0.2, -0.4, 0),
    },
    "lead_source": {
        "ebook": (0, -0.2, 0.9, 0.1), "newsletter": (0, 0, 0.5, 0.2), "blog": (0, -0.1, 0.4, 0.3),
        "inbound_call": (0, 0.6, -0.8, -0.8), "outbound": (0.6, -0.8, -0.5, 0), "landing_page": (0, 0.2, -0.3, 0),
    },
    "has_phone": {"no": (0, -0.2, 0.4, 0.5), "yes": (0, 0.2, -0.4, -0.5)},
}  # fmt: skip
"""Log odds of the personas, added up over what the profile says; 0 where silent."""


@dataclass(frozen=True)
class SimulatedCohort:
    """What the model needs of each lead, in order of creation.

    created_at: int64, µs after START. prior: float64[leads, states], the state at creation given the profile.
    tier: int64, index in TIERS. entry: int64, code of the first contact. cadence: float64, pace of nurturing.
    persona, intent: int64, the hidden truth at creation. account: int64. profile: by column, one name per lead.
    """

    created_at: Ints
    prior: Floats
    tier: Ints
    entry: Ints
    cadence: Floats
    persona: Ints
    intent: Ints
    account: Ints
    profile: dict[str, NDArray[np.str_]]

    def __len__(self) -> int:
        return len(self.created_at)


def draw_cohort(options: FunnelOptions, rng: np.random.Generator) -> SimulatedCohort:
    """Leads that arrive uniformly over the observation, between 06:00 and 16:00 UTC of their day."""
    count, accounts = options.leads, max(1, options.leads // 3)
    bulk = max(2, count // 2000) if options.wholesale else 0
    account = rng.integers(accounts, size=count)
    profile = {
        "industry": _pick(rng, INDUSTRIES, accounts)[account],
        "company_size": _pick(rng, SIZES, accounts)[account],
        "seniority": _pick(rng, SENIORITIES, count),
        "country": _pick(rng, COUNTRIES, accounts)[account],
        "lead_source": _pick(rng, {name: entry[0] for name, entry in SOURCES.items()}, count),
        "has_phone": _pick(rng, HAS_PHONE, count),
    }
    # Wholesale leads come first: only those with most of the observation before them grow long histories.
    profile["company_size"][:bulk] = WHOLESALE
    account[:bulk] = accounts + np.arange(min(bulk, count))
    hour = 6 * US_PER_HOUR + rng.integers(10 * US_PER_HOUR, size=count)
    prior = _prior(profile)
    state = _choose(rng, prior)
    return SimulatedCohort(
        created_at=np.sort(rng.integers(options.days, size=count) * US_PER_DAY + hour),
        prior=prior,
        tier=(profile["company_size"] == WHOLESALE).astype(np.int64),
        entry=np.array([CODE[SOURCES[source][1]] for source in profile["lead_source"]], dtype=np.int64),
        cadence=rng.choice(CADENCES, size=count),
        persona=state // len(INTENTS),
        intent=state % len(INTENTS),
        account=account,
        profile=profile,
    )


def _pick(rng: np.random.Generator, shares: dict[str, float], count: int) -> NDArray[np.str_]:
    names = np.array(list(shares), dtype="<U16")
    return names[rng.choice(len(names), size=count, p=list(shares.values()))]


def _prior(profile: dict[str, NDArray[np.str_]]) -> Floats:
    """Chance of each state at creation: personas by log odds of the profile, intents by lead source."""
    count = len(profile["lead_source"])
    logits = np.tile(PERSONA_LOGITS[""][""], (count, 1))
    for column, values in profile.items():
        for value, odds in PERSONA_LOGITS.get(column, {}).items():
            logits[values == value] += odds
    persona = np.exp(logits)
    persona /= persona.sum(axis=1, keepdims=True)
    intent = np.array([SOURCES[source][3] for source in profile["lead_source"]])
    prior: Floats = persona[:, :, None] * intent[:, None, :]
    return prior.reshape(count, len(PERSONAS) * len(INTENTS))


def _choose(rng: np.random.Generator, chances: Floats) -> Ints:
    """One index per row, by the row's chances."""
    return np.asarray((rng.random((len(chances), 1)) > np.cumsum(chances, axis=1)[:, :-1]).sum(axis=1), dtype=np.int64)
