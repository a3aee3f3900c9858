"""The Bayes-optimal probability that a deal is won, by exact forward filtering of the simulated funnel.

The hidden state (persona, intent) is a Markov chain with daily steps, and what happens on a day depends on the state
of that day and on what was seen before; so the belief over states given the past follows by the forward algorithm
(L. Rabiner, A tutorial on hidden Markov models, Proc. IEEE 77, 1989, section III), and the chance of a win within the
horizon by backward recursion over the coming days. What has occurred but was not received yet is missing from the
newest days: a Poisson count thinned by the chance of receipt is Poisson again, so those days are filtered anew at
every moment from the belief at which everything had been received.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from data.compiled import njit
from data.contract import US_PER_DAY, UsageError
from data.simulated.cohort import SimulatedCohort
from data.simulated.days import LOST, N_BEHAVIOURS, N_FACTORS, N_TYPES, WON, day_factors, end_day, share_of_day
from data.simulated.funnel import Floats, Ints, Tables
from data.simulated.lives import LEADS_AT_ONCE, Lives
from data.visibility import is_visible

FOREVER = 2**62
"""A moment at which everything has been received."""


@dataclass(frozen=True)
class TrueProbabilities:
    """One row per lead and moment at which the lead exists and its deal is open, by lead and then by day.

    lead: int64. day: int64, the moment is its midnight, in days after START. probability: float64[rows, horizons].
    """

    lead: Ints
    day: Ints
    probability: Floats


class Life(NamedTuple):
    """One lead as the filter reads it.

    created_at: µs after START. tier: see Cohort. prior: [states].
    code, known_at: its events in order of days, the entry first. starts: int64[days + 1], events of each day.
    factors: [days, behaviours + answers]. The first day is that of creation, the last the one before the deal's end.
    """

    created_at: int
    tier: int
    prior: Floats
    code: Ints
    known_at: Ints
    starts: Ints
    factors: Floats


def true_probabilities(
    tables: Tables,
    cohort: SimulatedCohort,
    lives: Lives,
    days: Ints,
    horizons: tuple[int, ...],
    progress: Callable[[float], None] = lambda done: None,
) -> TrueProbabilities:
    """Probability of deal_won within [as_of, as_of + horizon) given all that is visible at as_of, and no more.

    days: int64, moments as days after START, ascending; visible means known_at < midnight of that day.
    horizons: days. `progress` is told the share done, 0 to 1.
    Raises UsageError for a moment or a horizon beyond the calendar of the tables.
    """
    _check(tables, days, horizons)
    views = outlook(tables, days, horizons)
    starts = np.searchsorted(lives.lead, np.arange(len(cohort) + 1))
    room = int(np.sum(len(days) - np.searchsorted(days, cohort.created_at // US_PER_DAY, side="right")))
    truth, size = (
        TrueProbabilities(np.empty(room, np.int64), np.empty(room, np.int64), np.empty((room, len(horizons)))),
        0,
    )
    for first in range(0, len(cohort), LEADS_AT_ONCE):
        last = min(first + LEADS_AT_ONCE, len(cohort))
        for lead in range(first, last):
            own = slice(starts[lead], starts[lead + 1])
            life = _life(tables, cohort.created_at[lead], cohort.tier[lead], cohort.prior[lead],
                         lives.code[own], lives.occurred_at[own], lives.known_at[own])  # fmt: skip
            count = _moments(tables, life, days, views, truth.day[size:], truth.probability[size:])
            truth.lead[size : size + count] = lead
            size += count
        progress(last / len(cohort))
    return TrueProbabilities(truth.lead[:size], truth.day[:size], truth.probability[:size])


def _check(tables: Tables, days: Ints, horizons: tuple[int, ...]) -> None:
    if len(days) and (days[0] < 0 or days[-1] > tables.calendar.shape[1]):
        raise UsageError(f"moments from day {days[0]} to {days[-1]}; give days within 0 and {tables.calendar.shape[1]}")
    if len(days) and days[-1] + max(horizons) > len(tables.base_rate):
        raise UsageError(f"horizon {max(horizons)} reaches beyond day {len(tables.base_rate)}; give a shorter one")


def outlook(tables: Tables, days: Ints, horizons: tuple[int, ...]) -> Floats:
    """Chance of a win in days[i] … days[i] + horizon - 1 by the state of the evening before.

    Returns float64[tiers, moments, horizons, states].
    """
    personas, intents = tables.transition.shape[:2]
    views = np.zeros((len(tables.patience), len(days), len(horizons), personas, intents))
    won, lost = tables.won.reshape(personas, intents), tables.lost.reshape(personas, intents)
    for tier, patience in enumerate(tables.patience):
        for index, horizon in enumerate(horizons):
            view = views[tier, :, index]
            for ahead in range(horizon - 1, -1, -1):
                win = won * tables.base_rate[days + ahead, None, None]
                view = np.einsum("pij,mpj->mpi", tables.transition, win + (1.0 - win - lost * patience) * view)
            views[tier, :, index] = view
    return views.reshape(*views.shape[:3], -1)


@njit()
def _moments(tables: Tables, life: Life, days: Ints, views: Floats, out_day: Ints, out_probability: Floats) -> int:
    """Fill a row for each moment between creation and the end of the deal; returns their number."""
    first = life.created_at // US_PER_DAY
    last = first + len(life.factors)
    beliefs = _beliefs(tables, life)
    size = 0
    for moment in range(len(days)):
        if days[moment] <= first or days[moment] > last:
            continue
        belief = _belief_at(tables, life, beliefs, days[moment])
        out_day[size] = days[moment]
        for horizon in range(views.shape[2]):
            out_probability[size, horizon] = 0.0
            for state in range(len(belief)):
                out_probability[size, horizon] += belief[state] * views[life.tier, moment, horizon, state]
        size += 1
    return size


@njit()
def _life(
    tables: Tables, created_at: int, tier: int, prior: Floats, code: Ints, occurred_at: Ints, known_at: Ints
) -> Life:
    """Cut a history into the days on which its deal was open all day, with the factors of each."""
    first, last = created_at // US_PER_DAY, tables.calendar.shape[1]
    for event in range(len(code)):
        if code[event] == WON or code[event] == LOST:
            last = occurred_at[event] // US_PER_DAY
    starts, factors = np.zeros(last - first + 1, dtype=np.int64), np.empty((last - first, N_FACTORS))
    memory, today = np.zeros(N_TYPES, dtype=np.int64), np.zeros(N_TYPES, dtype=np.bool_)
    event = 0
    for day in range(first, last):
        day_factors(factors[day - first], tables, day, share_of_day(created_at, day), tier, memory)
        starts[day - first] = event
        while event < len(code) and occurred_at[event] // US_PER_DAY == day:
            today[code[event]] = True
            event += 1
        end_day(memory, today)
    starts[last - first] = event
    starts[0] = 1  # the entry is given by the lead source and says nothing more
    return Life(created_at, tier, prior, code, known_at, starts, factors)


@njit()
def _beliefs(tables: Tables, life: Life) -> Floats:
    """Belief at the end of each day once everything of it has been received: float64[days + 1, states]."""
    beliefs: Floats = np.empty((len(life.factors) + 1, len(life.prior)))
    once_all_is_known = np.int64(FOREVER)
    for state in range(len(life.prior)):
        beliefs[0, state] = life.prior[state]
    for index in range(len(life.factors)):
        _pass_day(beliefs[index], beliefs[index + 1], tables, life, index, once_all_is_known, 1.0)
    return beliefs


@njit()
def _belief_at(tables: Tables, life: Life, beliefs: Floats, day: int) -> Floats:
    """Belief at midnight before `day`, from what is visible then."""
    first, most_late = life.created_at // US_PER_DAY, len(tables.received) - 1
    since = max(0, day - first - most_late)
    belief: Floats = beliefs[since].copy()
    for index in range(since, day - first):
        _pass_day(belief, belief, tables, life, index, day * US_PER_DAY, tables.received[day - first - index - 1])
    return belief


@njit()
def _pass_day(
    before: Floats, after: Floats, tables: Tables, life: Life, index: int, as_of: int, received: float
) -> None:
    """One day: the intent moves, the day's visible events are weighed in, the deal has not ended. May work in place."""
    moved = _move(before, tables) if index > 0 else before.copy()
    _weigh_events(moved, tables, life, index, as_of, received)
    total = 0.0
    for state in range(len(moved)):
        if index > 0:  # no deal ends on the day of creation
            won = tables.won[state] * tables.base_rate[life.created_at // US_PER_DAY + index]
            moved[state] *= 1.0 - won - tables.lost[state] * tables.patience[life.tier]
        total += moved[state]
    for state in range(len(moved)):
        after[state] = moved[state] / total


@njit()
def _move(belief: Floats, tables: Tables) -> Floats:
    """One step of the intent."""
    intents, moved = tables.transition.shape[1], np.zeros(len(belief))
    for state in range(len(belief)):
        persona, origin = state // intents, state % intents
        for intent in range(intents):
            moved[persona * intents + intent] += belief[state] * tables.transition[persona, origin, intent]
    return moved


@njit()
def _weigh_events(belief: Floats, tables: Tables, life: Life, index: int, as_of: int, received: float) -> None:
    """Weigh in the day's visible events, up to a constant. received: chance that a late one is visible by now."""
    factors, logs = life.factors[index], np.zeros(len(belief))
    for code in range(N_BEHAVIOURS):
        factor = factors[code] * (received if tables.late[code] else 1.0)
        for state in range(len(belief)):
            logs[state] -= tables.rate[code, state] * factor
    seen = np.zeros(N_TYPES, dtype=np.bool_)
    for event in range(life.starts[index], life.starts[index + 1]):
        code = life.code[event]
        if not is_visible(life.known_at[event], as_of):
            continue
        seen[code] = True
        if code < N_BEHAVIOURS:
            for state in range(len(belief)):
                logs[state] += np.log(tables.rate[code, state])
    highest = -np.inf
    for state in range(len(belief)):
        if belief[state] > 0.0:
            highest = max(highest, logs[state])
    for state in range(len(belief)):
        belief[state] *= np.exp(logs[state] - highest)
    for code in range(N_BEHAVIOURS, N_FACTORS):
        if seen[tables.asked[code - N_BEHAVIOURS]]:
            for state in range(len(belief)):
                chance = tables.answer[code - N_BEHAVIOURS, state] * factors[code]
                belief[state] *= chance if seen[code] else 1.0 - chance
