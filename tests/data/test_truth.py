"""The true probability equals the sum over all hidden paths, and what it says comes true."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.contract import US_PER_DAY, UsageError
from data.simulated.cohort import SimulatedCohort, draw_cohort
from data.simulated.funnel import (
    BEHAVIOURS,
    CODE,
    HORIZONS,
    INTENTS,
    LATE,
    Floats,
    Ints,
    Tables,
    funnel_tables,
)
from data.simulated.lives import Lives, live
from data.simulated.options import FunnelOptions
from data.simulated.truth import true_probabilities
from tests.oracles.funnel_paths import Happening, Paths

HOUR = US_PER_DAY // 24
MOST_DAYS = 8
FREE = [name for name in BEHAVIOURS if name != "offer_view"]


def small_tables(late: bool) -> Tables:
    """Two personas, three intents, and hazards so high that a few days matter."""
    tables = funnel_tables(FunnelOptions(days=14, late=late))
    states = [persona * len(INTENTS) + intent for persona in (0, 1) for intent in (0, 1, 3)]
    step = np.array(
        [[[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]], [[0.4, 0.4, 0.2], [0.1, 0.5, 0.4], [0, 0.2, 0.8]]]
    )
    won, lost = np.array([0.01, 0.05, 0.2, 0.02, 0.1, 0.35]), np.array([0.1, 0.05, 0.02, 0.15, 0.03, 0.05])
    return tables._replace(
        transition=step, rate=tables.rate[:, states].copy(), answer=tables.answer[:, states].copy(), won=won, lost=lost
    )


def one_lead(created_at: int, tier: int, prior: Floats, history: list[Happening]) -> tuple[SimulatedCohort, Lives]:
    none = np.zeros(1, dtype=np.int64)
    cohort = SimulatedCohort(
        np.array([created_at]), prior[None, :], np.array([tier]), none, np.ones(1), none, none, none, {}
    )
    ordered = sorted(history, key=lambda event: event.day)
    columns = ([0] * len(ordered), [CODE[event.name] for event in ordered],
               [event.occurred_at for event in ordered], [event.known_at for event in ordered])  # fmt: skip
    return cohort, Lives(*(np.array(column, dtype=np.int64) for column in columns))


def filtered(paths: Paths, day: int, horizon: int) -> float:
    cohort, lives = one_lead(paths.created_at, paths.tier, np.array(paths.prior), paths.history)
    truth = true_probabilities(paths.tables, cohort, lives, np.array([day]), (horizon,))
    return float(truth.probability[0, 0])


@st.composite
def lives_of_a_lead(draw: st.DrawFn, late: bool) -> Paths:
    """A lead created on one of the first days, with events of all kinds at edges of days and between."""
    created_day = draw(st.integers(0, 2))
    created_at = created_day * US_PER_DAY + draw(st.integers(6, 15)) * HOUR
    history = [Happening(draw(st.sampled_from(FREE)), created_at, created_at)]
    for day in range(created_day, MOST_DAYS + 1):
        opens = created_at + 1 if day == created_day else day * US_PER_DAY
        moments = st.sampled_from([opens, day * US_PER_DAY + 17 * HOUR, (day + 1) * US_PER_DAY - 1])
        offered = any(event.name == "offer_sent" for event in history)
        for name in draw(st.lists(st.sampled_from([*FREE, "offer_view"] if offered else FREE), max_size=3)):
            history.append(_received(draw, name, draw(moments), late))
        if day > created_day:
            history += _contacts(draw, day, late)
    prior = np.array(draw(st.lists(st.floats(0.01, 1.0), min_size=6, max_size=6)))
    return Paths(small_tables(late), created_at, draw(st.integers(0, 1)), list(prior / prior.sum()), history)


def _received(draw: st.DrawFn, name: str, at: int, late: bool) -> Happening:
    delay = draw(st.integers(0, 5)) if late and name in LATE else 0
    return Happening(name, at, (at // US_PER_DAY + delay) * US_PER_DAY if delay else at)


def _contacts(draw: st.DrawFn, day: int, late: bool) -> list[Happening]:
    """What the company did on a day, and what the lead made of it."""
    noon = day * US_PER_DAY + 12 * HOUR
    answers = st.sampled_from(["", "email_open", "email_open email_click", "email_open email_reply unsubscribe"])
    mail = ["email_sent", *draw(answers).split()] if draw(st.booleans()) else []
    offer = ["offer_sent"] if draw(st.booleans()) else []
    contacts = [Happening(name, noon + step, noon + step) for step, name in enumerate(mail + offer)]
    if draw(st.booleans()):
        call = _received(draw, "sales_call", noon, late)
        contacts += [call, replace(call, name="call_answered")] if draw(st.booleans()) else [call]
    return contacts


@pytest.mark.parametrize("late", [False, True])
def test_truth_is_the_sum_over_all_hidden_paths(late: bool) -> None:
    @settings(max_examples=40, derandomize=True)
    @given(lives_of_a_lead(late), st.integers(1, MOST_DAYS), st.integers(1, 4))
    def agree(paths: Paths, after: int, horizon: int) -> None:
        day = min(paths.created_at // US_PER_DAY + after, MOST_DAYS)
        assert filtered(paths, day, horizon) == pytest.approx(paths.win_probability(day, horizon), abs=1e-10, rel=0)

    agree()


def meeting_known_at_midnight() -> Paths:
    """A meeting of day 4 that is received at the very moment of day 6."""
    created_at = 10 * HOUR
    history = [Happening("ebook_download", created_at, created_at)]
    history.append(Happening("meeting", 4 * US_PER_DAY + 9 * HOUR, 6 * US_PER_DAY))
    return Paths(small_tables(late=True), created_at, 0, [0.3, 0.1, 0.1, 0.3, 0.1, 0.1], history)


def test_what_is_known_exactly_at_the_moment_does_not_count() -> None:
    paths = meeting_known_at_midnight()
    without = replace(paths, history=paths.history[:1])
    assert filtered(paths, 6, 3) == filtered(without, 6, 3)
    assert filtered(paths, 7, 3) > filtered(without, 7, 3) + 0.01


def test_an_inclusive_edge_is_caught() -> None:
    paths = meeting_known_at_midnight()
    exact = filtered(paths, 6, 3)
    inclusive = replace(paths, visible=operator.le).win_probability(6, 3)
    peeking = replace(paths, history=[replace(event, known_at=event.known_at - 1) for event in paths.history])
    assert exact == pytest.approx(paths.win_probability(6, 3), abs=1e-10, rel=0)
    assert abs(inclusive - exact) > 0.01
    assert filtered(peeking, 6, 3) == pytest.approx(inclusive, abs=1e-10, rel=0)


def test_taking_silence_of_late_types_at_face_value_is_caught() -> None:
    """The newest days look emptier than they were: a filter that forgets it is too pessimistic."""
    paths = meeting_known_at_midnight()
    forgetful = replace(paths, tables=paths.tables._replace(received=np.ones(6)))
    assert filtered(forgetful, 6, 3) < filtered(paths, 6, 3) - 1e-4


@pytest.fixture(scope="module")
def funnel() -> tuple[Tables, SimulatedCohort, Lives, Ints]:
    """A large funnel, and the day on which each lead's deal was won (or never)."""
    options = FunnelOptions(leads=9_000, seed=7)
    tables = funnel_tables(options)
    rng = [np.random.default_rng(sequence) for sequence in np.random.SeedSequence(7).spawn(3)]
    cohort = draw_cohort(options, rng[0])
    lives = live(options, tables, cohort, rng[1], rng[2], rng[0], lambda done: None)
    won_on = np.full(len(cohort), 2**40)
    wins = lives.code == CODE["deal_won"]
    won_on[lives.lead[wins]] = lives.occurred_at[wins] // US_PER_DAY
    return tables, cohort, lives, won_on


Funnel = tuple[Tables, SimulatedCohort, Lives, Ints]
BANDS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


def surprises(funnel: Funnel, horizon: int, edit: Callable[[Tables], Tables]) -> list[float]:
    """Wins minus expected wins in standard errors, by band of the probability and over all.

    The windows of a lead's moments do not overlap, so that its surprises are uncorrelated and binomial errors hold.
    """
    tables, cohort, lives, won_on = funnel
    moments = np.arange(7, tables.calendar.shape[1] - horizon + 1, 7 * -(-horizon // 7))
    truth = true_probabilities(edit(tables), cohort, lives, moments, (horizon,))
    probability = truth.probability[:, 0]
    won = won_on[truth.lead] < truth.day + horizon
    bands = [(probability >= low) & (probability < high) for low, high in pairwise(BANDS)]
    bands.append(probability >= 0)
    assert min(int(band.sum()) for band in bands) > 50
    spread = [np.sqrt(np.sum((probability * (1 - probability))[band])) for band in bands]
    return [
        float((won[band].sum() - probability[band].sum()) / error) for band, error in zip(bands, spread, strict=True)
    ]


@pytest.mark.parametrize("horizon", [30, 90])
def test_what_it_says_comes_true(funnel: Funnel, horizon: int) -> None:
    assert max(map(abs, surprises(funnel, horizon, lambda tables: tables))) < 3.5


@pytest.mark.parametrize("horizon", [30, 90])
def test_a_hazard_that_is_too_high_is_caught(funnel: Funnel, horizon: int) -> None:
    assert min(surprises(funnel, horizon, lambda tables: tables._replace(won=1.6 * tables.won))) < -3.5


def test_probabilities_are_coherent_and_spread(funnel: Funnel) -> None:
    tables, cohort, lives, _ = funnel
    truth = true_probabilities(tables, cohort, lives, np.arange(7, 541, 7), HORIZONS)
    assert len(truth.lead) > 100_000
    assert np.all((truth.probability > 0) & (truth.probability < 1))
    assert np.all(np.diff(truth.probability, axis=1) > 0)
    in_30_days = truth.probability[:, HORIZONS.index(30)]
    assert np.mean(in_30_days < 0.01) > 0.5
    assert np.sum(in_30_days > 0.4) > 100


def test_a_moment_beyond_the_calendar_is_refused(funnel: Funnel) -> None:
    tables, cohort, lives, _ = funnel
    with pytest.raises(UsageError, match="moments from day 7 to 541; give days within 0 and 540"):
        true_probabilities(tables, cohort, lives, np.array([7, 541]), (30,))
    with pytest.raises(UsageError, match="horizon 120 reaches beyond day 630"):
        true_probabilities(tables, cohort, lives, np.array([540]), (120,))
