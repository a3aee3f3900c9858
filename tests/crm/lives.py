"""Made lives of leads, from which exports in the shape of each vendor are written: who they are and what they did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

DAYS = 540
SOURCES = ("organic", "paid_search", "email", "referral", "social")
INDUSTRIES = ("Software", "Retail", "Health care", "Logistics")
COUNTRIES = ("Germany", "Austria", "France", "United States")
NAMES = (("Ada", "Müller"), ("Jonas", "O'Neil"), ("Chloé", "Garçon"), ("Mia", "Schröder, jun."))
ACTS = ("page_view", "pricing_view", "email_sent", "email_open", "email_click", "form_submit", "call", "meeting")
WEIGHTS = (0.36, 0.08, 0.18, 0.14, 0.06, 0.05, 0.09, 0.04)


@dataclass(frozen=True)
class Deal:
    """created; closed and won, where that is decided; amount."""

    created: datetime
    closed: datetime | None
    won: bool
    amount: int


@dataclass(frozen=True)
class Life:
    """A lead. number: from 1 on. created: when it became known by name; what it did before is a stranger's. acts: time
    and kind, in order. stages: lead, mql, sql, opportunity, customer, as far as it came. All times are UTC."""

    number: int
    created: datetime
    source: str
    industry: str
    country: str
    employees: int
    acts: tuple[tuple[datetime, str], ...]
    stages: dict[str, datetime]
    deal: Deal | None

    @property
    def name(self) -> tuple[str, str]:
        """First and last name."""
        return NAMES[self.number % len(NAMES)]

    @property
    def email(self) -> str:
        return f"lead{self.number}@example.org"


def lives(leads: int, until: datetime, seed: int = 1) -> list[Life]:
    """Leads that came in the DAYS before `until`, in the order in which they came; nothing happens from then on."""
    rng = np.random.default_rng(seed)
    ages = np.sort(rng.uniform(1, DAYS, leads))[::-1]
    return [_life(rng, place + 1, until - timedelta(days=float(age)), until) for place, age in enumerate(ages)]


def _life(rng: np.random.Generator, number: int, created: datetime, until: datetime) -> Life:
    created = created.replace(microsecond=0)
    source, industry = rng.integers(len(SOURCES)), rng.integers(len(INDUSTRIES))
    drive = rng.normal() + 0.4 * (source == 3) - 0.3 * (source == 4) + 0.3 * (industry == 0)
    deal = _deal(rng, created, drive, until)
    acts = tuple(sorted(act for act in _acts(rng, created, drive, deal) if act[0] < until))
    stages = {"lead": created}
    for stage, wait, easy in (("mql", 6, 0.9), ("sql", 8, 0.4)):
        reached = max(stages.values()) + timedelta(days=float(rng.exponential(wait)), minutes=7)
        if len(stages) < 3 and rng.normal() < drive + easy and reached < (deal.created if deal else until):
            stages[stage] = reached
    if deal is not None:
        stages["opportunity"] = deal.created
        if deal.closed is not None and deal.won:
            stages["customer"] = deal.closed
    country, employees = COUNTRIES[rng.integers(len(COUNTRIES))], int(rng.lognormal(4, 1)) + 1
    return Life(number, created, SOURCES[source], INDUSTRIES[industry], country, employees, acts, stages, deal)


def _deal(rng: np.random.Generator, created: datetime, drive: float, until: datetime) -> Deal | None:
    begun = created + timedelta(days=3 + float(rng.gamma(1.5, 30)))
    closed, won = begun + timedelta(days=2 + float(rng.gamma(2, 30))), bool(rng.normal() < 0.6 * drive - 0.5)
    amount = int(rng.lognormal(8, 0.7))
    if rng.normal() > 0.6 * drive - 0.1 or begun >= until:
        return None
    return Deal(begun, closed if closed < until else None, won, amount)


def _acts(
    rng: np.random.Generator, created: datetime, drive: float, deal: Deal | None
) -> Iterator[tuple[datetime, str]]:
    """Some for as long as interest lasts, more while there is a deal; those before the lead was known are a
    stranger's."""
    yield created - timedelta(hours=float(rng.uniform(1, 90))), "page_view"
    lasting = float(rng.exponential(150)) + 20
    often = rng.poisson(lasting / 14 * np.exp(0.3 * drive))
    yield from _spread(rng, created, lasting, often)
    if deal is not None:
        days = (deal.closed - deal.created).days + 1 if deal.closed else 40
        yield from _spread(rng, deal.created, days, rng.poisson(days / 14))


def _spread(rng: np.random.Generator, begin: datetime, days: float, acts: int) -> Iterator[tuple[datetime, str]]:
    for _ in range(acts):
        yield begin + timedelta(days=float(rng.uniform(0, days))), str(rng.choice(ACTS, p=WEIGHTS))
