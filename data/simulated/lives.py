"""What the leads of the simulated funnel do, day by day, until their deal ends or the observation does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.compiled import njit
from data.contract import US_PER_DAY, US_PER_SECOND
from data.simulated.cohort import US_PER_HOUR, SimulatedCohort
from data.simulated.contact_policy import call_chance, mail_chance, offer_chance
from data.simulated.days import (
    CALL_ANSWERED,
    CLICK,
    DAY_CLOSES,
    DAY_OPENS,
    EMAIL_SENT,
    LOST,
    N_BEHAVIOURS,
    N_FACTORS,
    N_TYPES,
    OFFER_SENT,
    OPEN,
    REPLY,
    SALES_CALL,
    UNSUBSCRIBE,
    WON,
    day_factors,
    end_day,
    share_of_day,
)
from data.simulated.event_buffer import Log, with_room, write
from data.simulated.funnel import CODE, CUSTOMER, LATE, LATENESS, Floats, Ints, Tables
from data.simulated.options import FunnelOptions
from data.simulated.projects import EAGER, SIGNS, draw_projects

LEADS_AT_ONCE = 2_000
CUSTOMER_TYPES = np.array([CODE[name] for name in CUSTOMER], dtype=np.int64)
PAGE_VIEW = CODE["page_view"]
LAST_CONTACT = DAY_OPENS + 8 * US_PER_HOUR
"""Mails and calls go out before 14:00 UTC, so that the answer falls on the same day."""


class Stranger(NamedTuple):
    """One lead, hidden truth included: see Cohort. eager_from, eager_until: days, see projects.py."""

    lead: int
    created_at: int
    tier: int
    entry: int
    cadence: float
    persona: int
    intent: int
    eager_from: int
    eager_until: int


class Walk(NamedTuple):
    """What stays at hand while one lead's days go by. memory: see `seen_within`; today: bool[types], seen today."""

    tables: Tables
    who: Stranger
    memory: Ints
    today: NDArray[np.bool_]
    factors: Floats
    rng: np.random.Generator


@dataclass(frozen=True)
class Lives:
    """Events of many leads, each lead's together and in order of days; the first is its entry at creation.

    lead: int64, index in the cohort. code: int64, index in EVENT_TYPES.
    occurred_at, known_at: int64, µs after START; known_at is the time of receipt where that is later.
    """

    lead: Ints
    code: Ints
    occurred_at: Ints
    known_at: Ints

    def __len__(self) -> int:
        return len(self.lead)


def live(
    options: FunnelOptions,
    tables: Tables,
    cohort: SimulatedCohort,
    behaviour: np.random.Generator,
    lateness: np.random.Generator,
    projects: np.random.Generator,
    progress: Callable[[float], None],
) -> Lives:
    """Everything that is known of a cohort within the observation. `progress` is told the share done, 0 to 1."""
    parts, eager = [], draw_projects(options, cohort, projects)
    for first in range(0, len(cohort), LEADS_AT_ONCE):
        some = range(first, min(first + LEADS_AT_ONCE, len(cohort)))
        parts.append(_live_some(tables, cohort, eager, some, behaviour))
        progress(min(1.0, (first + LEADS_AT_ONCE) / len(cohort)))
    lead, occurred_at, code = np.concatenate(parts).T
    known_at = _known_at(lead, occurred_at, code, lateness) if options.late else occurred_at
    visible = known_at < options.days * US_PER_DAY  # what is received after the observation is in no export
    return Lives(lead[visible], code[visible], occurred_at[visible], known_at[visible])


def _live_some(
    tables: Tables, cohort: SimulatedCohort, eager: tuple[Ints, Ints], leads: range, rng: np.random.Generator
) -> Ints:
    log = Log(np.empty((1 << 16, 3), dtype=np.int64), np.zeros(1, dtype=np.int64))
    for lead in leads:
        stranger = Stranger(
            lead,
            int(cohort.created_at[lead]),
            int(cohort.tier[lead]),
            int(cohort.entry[lead]),
            float(cohort.cadence[lead]),
            int(cohort.persona[lead]),
            int(cohort.intent[lead]),
            int(eager[0][lead]),
            int(eager[1][lead]),
        )
        log = _live_one(tables, stranger, rng, log)
    return log.row[: log.size[0]].copy()


def _known_at(lead: Ints, occurred_at: Ints, code: Ints, rng: np.random.Generator) -> Ints:
    """Receipt: offline types come in the batch at midnight, some days later; a lead's entry is known at once."""
    late = np.isin(code, [CODE[name] for name in LATE])
    late &= np.diff(lead, prepend=-1) == 0
    delay = np.where(late, rng.choice(len(LATENESS), size=len(code), p=LATENESS), 0)
    answers = np.flatnonzero(code == CALL_ANSWERED)
    delay[answers] = delay[answers - 1]  # the row before an answer is its call
    batch = (occurred_at // US_PER_DAY + delay) * US_PER_DAY
    return np.where(delay > 0, batch, occurred_at)


@njit()
def _live_one(tables: Tables, who: Stranger, rng: np.random.Generator, log: Log) -> Log:
    today = np.zeros(N_TYPES, dtype=np.bool_)
    walk = Walk(tables, who, np.zeros(N_TYPES, dtype=np.int64), today, np.empty(N_FACTORS), rng)
    log = with_room(log, 1)
    write(log, today, who.lead, who.created_at, who.entry)
    first_day, days = who.created_at // US_PER_DAY, tables.calendar.shape[1]
    intent, subscribed = who.intent, True
    for day in range(first_day, days):
        share = share_of_day(who.created_at, day)
        day_factors(walk.factors, tables, day, share, who.tier, walk.memory)
        if day > first_day:
            intent = _pick(tables.transition[who.persona, intent], rng)
        is_on = who.eager_from <= day < who.eager_until
        if is_on and who.lead % 2 == 0:
            intent = max(intent, EAGER)
        state = who.persona * tables.transition.shape[1] + intent
        log = _behave(walk, day, state, share, log)
        if day > first_day:
            if subscribed:
                _mail(walk, day, state, log)
                subscribed = not today[UNSUBSCRIBE]
            _approach(walk, day, state, log)
            end = _end(walk, day, state, is_on)
            if end >= 0:
                write(log, today, who.lead, day * US_PER_DAY + _between(DAY_CLOSES, 23 * US_PER_HOUR, rng), end)
                return _buy(walk, day + 1, log) if end == WON else log
        end_day(walk.memory, today)
    return log


@njit()
def _behave(walk: Walk, day: int, state: int, share: float, log: Log) -> Log:
    """Poisson events of the day, spread evenly over what the lead has of it."""
    rates, total = np.empty(N_BEHAVIOURS), 0.0
    for code in range(N_BEHAVIOURS):
        rates[code] = walk.factors[code] * walk.tables.rate[code, state]
        total += rates[code]
    opens = DAY_CLOSES - int(share * (DAY_CLOSES - DAY_OPENS)) + 1
    count = walk.rng.poisson(total)
    log = with_room(log, count)
    for _ in range(count):
        at = day * US_PER_DAY + _between(opens, DAY_CLOSES, walk.rng)
        write(log, walk.today, walk.who.lead, at, _pick(rates, walk.rng))
    return log


@njit()
def _mail(walk: Walk, day: int, state: int, log: Log) -> None:
    """A mail, if the nurturing sends one, and what the lead does about it."""
    age, rng, lead = day - walk.who.created_at // US_PER_DAY, walk.rng, walk.who.lead
    if rng.random() >= mail_chance(walk.memory, day, age, walk.who.cadence):
        return
    sent_at = day * US_PER_DAY + _between(DAY_OPENS, LAST_CONTACT, rng)
    write(log, walk.today, lead, sent_at, EMAIL_SENT)
    if rng.random() >= walk.tables.answer[OPEN - N_BEHAVIOURS, state] * walk.factors[OPEN]:
        return
    opened_at = sent_at + _between(60 * US_PER_SECOND, 2 * US_PER_HOUR, rng)
    write(log, walk.today, lead, opened_at, OPEN)
    for code in (CLICK, REPLY, UNSUBSCRIBE):
        if rng.random() < walk.tables.answer[code - N_BEHAVIOURS, state] * walk.factors[code]:
            write(log, walk.today, lead, opened_at + _between(2 * US_PER_SECOND, US_PER_HOUR, rng), code)


@njit()
def _approach(walk: Walk, day: int, state: int, log: Log) -> None:
    """A call and whether it is answered, then an offer, if sales decides so."""
    midnight, rng, lead = day * US_PER_DAY, walk.rng, walk.who.lead
    if rng.random() < call_chance(walk.memory, day, walk.who.entry):
        called_at = midnight + _between(DAY_OPENS, LAST_CONTACT, rng)
        write(log, walk.today, lead, called_at, SALES_CALL)
        if rng.random() < walk.tables.answer[CALL_ANSWERED - N_BEHAVIOURS, state]:
            answered_at = called_at + _between(US_PER_SECOND, 30 * US_PER_SECOND, rng)
            write(log, walk.today, lead, answered_at, CALL_ANSWERED)
    if rng.random() < offer_chance(walk.memory, day):
        write(log, walk.today, lead, midnight + _between(DAY_OPENS, DAY_CLOSES, rng), OFFER_SENT)


@njit()
def _end(walk: Walk, day: int, state: int, is_on: bool) -> int:
    """Code of the deal's end tonight, or -1; `is_on`: whether the company has a project."""
    tables, chance = walk.tables, walk.rng.random()
    won = tables.won[state]
    if is_on:
        won = max(won, SIGNS * tables.won[(walk.who.persona + 1) * tables.transition.shape[1] - 1])
    won *= tables.base_rate[day]
    if chance < won:
        return WON
    return LOST if chance < won + tables.lost[state] * tables.patience[walk.who.tier] else -1


@njit()
def _buy(walk: Walk, first_day: int, log: Log) -> Log:
    """The life of a customer: light browsing and repeat purchases."""
    for day in range(first_day, walk.tables.calendar.shape[1]):
        for index in range(len(CUSTOMER_TYPES)):
            code = CUSTOMER_TYPES[index]
            scale = walk.tables.scale[walk.who.tier, code] if code == PAGE_VIEW else 1.0
            count = walk.rng.poisson(walk.tables.customer[index, walk.who.persona] * scale)
            log = with_room(log, count)
            for _ in range(count):
                at = day * US_PER_DAY + _between(DAY_OPENS, DAY_CLOSES, walk.rng)
                write(log, walk.today, walk.who.lead, at, code)
    return log


@njit()
def _between(low: int, high: int, rng: np.random.Generator) -> int:
    return low + int(rng.random() * (high - low))


@njit()
def _pick(weights: Floats, rng: np.random.Generator) -> int:
    """An index, by weight; never one of weight 0."""
    left, chosen = rng.random() * weights.sum(), 0
    for index in range(len(weights)):
        if weights[index] > 0.0:
            chosen = index
            left -= weights[index]
        if left < 0.0:
            break
    return chosen
