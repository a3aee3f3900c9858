"""What a threshold would have brought is what the stage rule gives, lead by lead and week by week."""

from __future__ import annotations

from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracles.replay_naive import MONDAY, WEEK, Row, missed_of, weeks_of
from training.thresholds.replay import StageReplay
from training.thresholds.spread import highs, week_to_come

SCORES = st.sampled_from([0.0, 0.17, 0.18, 0.19, 0.2, 0.21, 0.5, 1.0])


def replay_of(rows: list[Row]) -> StageReplay:
    p, y = np.array([row.p for row in rows]), np.array([float(row.won) for row in rows])
    return StageReplay(p, y, np.array([row.lead for row in rows]), np.array([row.at for row in rows], dtype=np.int64))


@st.composite
def lives(draw: st.DrawFn) -> list[Row]:
    """Leads that come and go over twenty weeks, with scores around a threshold; some weeks are left out."""
    rows = []
    for lead in range(draw(st.integers(1, 6))):
        begin, scores = draw(st.integers(0, 15)), draw(st.lists(st.one_of(st.none(), SCORES), max_size=20))
        for week, p in enumerate(scores[: 20 - begin], start=begin):
            if p is not None:
                rows.append(Row(f"L{lead}", MONDAY + week * WEEK, p, draw(st.booleans())))
    rows.append(Row("first", MONDAY, 0.0, False))
    rows.append(Row("last", MONDAY + 19 * WEEK, 0.0, False))
    return draw(st.permutations(rows))


@given(lives(), st.sampled_from([0.0, 0.18, 0.2, 0.3, 1.0]))
def test_a_replay_is_what_the_stage_rule_gives_lead_by_lead(rows: list[Row], probability: float) -> None:
    replay = replay_of(rows)
    assert (replay.first_week, replay.weeks) == (10, 10), "the newer half counts"
    naive = weeks_of(rows, probability, replay.first_week, replay.weeks)
    entries, arrivals = replay.first_entries(probability), replay.arrivals(probability)
    assert entries.leads.tolist() == [week.entries for week in naive]
    assert entries.wins.tolist() == [week.wins for week in naive]
    assert arrivals.entries == week_to_come(entries.leads)
    assert arrivals.returns == week_to_come(np.array([week.returns for week in naive]))
    assert arrivals.stock == week_to_come(np.array([week.stock for week in naive]))
    assert (arrivals.entered, arrivals.converted) == (sum(entries.leads), sum(entries.wins))
    assert replay.missed(probability) == missed_of(rows, probability, replay.first_week, replay.weeks)


@given(lives(), st.sampled_from([0.4, 1, 2, 3, 1e6]))
def test_a_capacity_gives_the_lowest_threshold_down_to_which_it_suffices(rows: list[Row], capacity: float) -> None:
    replay = replay_of(rows)
    fits = replay.lowest_threshold_for(capacity)
    counted = [row for row in rows if row.at >= MONDAY + replay.first_week * WEEK]
    steps = sorted({row.p for row in counted if all(row.p > one.p for one in earlier(row, rows))}, reverse=True)
    suffices = [replay.busy_week(p) <= capacity for p in steps]
    begins = steps[: suffices.index(False)] if False in suffices else [*steps, 0.0]
    assert fits == (begins[-1] if begins else None)


def earlier(row: Row, rows: list[Row]) -> list[Row]:
    return [one for one in rows if one.lead == row.lead and one.at < row.at]


def crowd(seed: int, weeks: int = 60, per_week: int = 30) -> StageReplay:
    """Leads that come at a constant rate and are scored weekly for half a year each; their scores wander."""
    rng, rows = np.random.default_rng(seed), []
    for week in range(weeks):
        for lead in range(rng.poisson(per_week)):
            steps = np.cumsum(rng.normal(0, 0.35, 26)) - 2
            for age, score in enumerate(1 / (1 + np.exp(-steps))):
                if week + age < weeks:
                    rows.append((score, rng.random() < score, week * 1_000 + lead, MONDAY + (week + age) * WEEK))
    scores, won, leads, times = zip(*rows, strict=True)
    return StageReplay(np.array(scores), np.array(won, np.float64), np.array(leads), np.array(times, np.int64))


def until(replay: StageReplay, week: int) -> StageReplay:
    """What of it was known at the end of a week."""
    rows = replay.as_of < MONDAY + week * WEEK
    return StageReplay(replay.p[rows], replay.y[rows], replay.lead[rows], replay.as_of[rows])


def test_a_capacity_comes_true_in_later_weeks_where_one_random_moment_a_lead_does_not() -> None:
    """The planted fault is the count that stood here before: a lead at one random moment of its life."""
    held, careless = [], []
    for seed in range(6):
        world = crowd(seed)
        known = until(world, 40)
        threshold = known.lowest_threshold_for(5)
        assert threshold is not None
        came = world.first_entries(threshold).leads[-20:]
        held += (came <= 5).tolist()
        rng = np.random.default_rng(seed)
        moment = rng.permutation(len(known.p))
        _, first = np.unique(known.lead[moment], return_index=True)
        scores = np.sort(known.p[moment][first])[::-1]
        lax = float(scores[int(5 * len(scores) / 30)])
        careless += (world.first_entries(lax).leads[-20:] <= 5).tolist()
    assert np.mean(held) >= 0.85
    assert np.mean(careless) < 0.6


@given(lives(), st.integers(0, 20), st.sampled_from([0.0, 0.18, 0.2, 1.0]))
def test_who_came_counts_before_it_is_known_who_bought(rows: list[Row], week: int, probability: float) -> None:
    whole = replay_of(rows)
    late = whole.as_of >= MONDAY + week * WEEK
    replay, known = StageReplay(whole.p, np.where(late, np.nan, whole.y), whole.lead, whole.as_of), until(whole, week)
    entries, all_entries = replay.first_entries(probability), whole.first_entries(probability)
    assert entries.leads.tolist() == all_entries.leads.tolist()
    newest = max((at for at in known.as_of.tolist()), default=0)
    assert entries.known == max(0, (newest - MONDAY) // WEEK + 1 - replay.first_week)
    assert entries.wins.tolist() == [
        *all_entries.wins[: entries.known].tolist(),
        *[0] * (replay.weeks - entries.known),
    ]
    evidence = known.first_entries(probability)
    assert replay.above(probability) == (
        week_to_come(entries.leads).mean,
        week_to_come(entries.leads).mean * evidence.share,
    )
    assert replay.is_enough == known.is_enough
    if known.weeks:
        arrivals = replay.arrivals(probability)
        assert (arrivals.entered, arrivals.converted) == (evidence.leads.sum(), evidence.wins.sum())
        assert arrivals.wins.mean == replay.above(probability)[1]
        assert replay.missed(probability) == known.missed(probability)


def test_capacities_are_tried_without_looking_at_the_weeks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """People wait for the nearest plan that can be: it tries up to 2,000 of them."""
    world, look = crowd(1), Mock(side_effect=highs)
    monkeypatch.setattr("training.thresholds.replay.highs", look)
    assert len({world.lowest_threshold_for(capacity) for capacity in range(1, 30)}) > 10
    assert look.call_count == 1


@pytest.mark.parametrize(("capacity", "expected"), [(1, 0.9), (1e9, 0.0)])
def test_capacities_of_nobody_and_of_everybody(capacity: float, expected: float) -> None:
    threshold = crowd(1).lowest_threshold_for(capacity)
    assert threshold is not None
    assert (threshold >= expected) if expected else threshold == 0.0


def test_too_few_weeks_say_nothing() -> None:
    assert not until(crowd(1), 12).is_enough
    nothing = np.zeros(0)
    assert not StageReplay(nothing, nothing, nothing, np.zeros(0, np.int64)).is_enough
