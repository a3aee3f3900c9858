"""Running rates know nothing of later: a naive count gives the same, and frozen they are a split of the categories."""

from __future__ import annotations

from dataclasses import replace

import lightgbm
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.model import rates
from training.model.classifier import LeadConversionClassifier
from training.model.encoding import table_of
from training.model.hazard import HazardClassifier
from training.model.rates import PSEUDO_LEADS, PastOutcomes, running_rates
from training.samples.log_odds import Array

ROW = st.tuples(st.integers(0, 4), st.integers(-1, 2), st.integers(0, 6), st.sampled_from([0.0, 1.0, np.nan]))


def known_of(rows: list[tuple[int, int, int, float]], delay: int) -> tuple[NDArray[np.float32], PastOutcomes]:
    """A matrix of one category and what is known of its rows; rows: lead, code (-1: missing), time, outcome."""
    lead, code, time, y = (np.array(column) for column in zip(*sorted(rows, key=lambda row: row[2]), strict=True))
    matrix = np.where(code < 0, np.nan, code).astype(np.float32)[:, np.newaxis]
    return matrix, PastOutcomes(lead, time.astype(np.int64), time.astype(np.int64) + delay, y.astype(np.float64))


def naive(matrix: NDArray[np.float32], known: PastOutcomes) -> Array:
    """float64[n, 2]: rate and log count of the one category, row by row, as the words at the head of rates.py say."""

    def counted(row: int, same: list[bool]) -> tuple[float, float]:
        firsts: dict[tuple[object, ...], int] = {}
        for other in range(len(matrix)):
            firsts.setdefault((known.lead[other], str(matrix[other]) if same else ""), other)
        rows = [
            other
            for other in firsts.values()
            if not np.isnan(known.y[other])
            and known.since[other] < known.time[row]
            and known.lead[other] != known.lead[row]
            and (not same or str(matrix[other]) == str(matrix[row]))
        ]
        return float(len(rows)), float(sum(known.y[other] for other in rows))

    out = np.full((len(matrix), 2), np.nan)
    for row in range(len(matrix)):
        (all_seen, all_won), (seen, won) = counted(row, []), counted(row, [True])
        if all_seen:
            base = (all_won + 0.5) / (all_seen + 1)
            out[row] = (won + PSEUDO_LEADS * base) / (seen + PSEUDO_LEADS), np.log1p(min(seen, rates.MOST_COUNTED))
    return out


@settings(deadline=None, max_examples=150)
@given(st.lists(ROW, min_size=1, max_size=25), st.integers(0, 3))
def test_a_naive_count_gives_the_same(rows: list[tuple[int, int, int, float]], delay: int) -> None:
    matrix, known = known_of(rows, delay)
    made, _ = running_rates(matrix, [0], known)
    if made.shape[1]:
        np.testing.assert_allclose(made, naive(matrix, known), rtol=1e-6, equal_nan=True)
    else:
        assert np.isnan(known.y).all()


@settings(deadline=None, max_examples=150)
@given(st.lists(ROW, min_size=1, max_size=25), st.integers(0, 3))
def test_at_the_end_rates_are_those_of_all_that_is_known(rows: list[tuple[int, int, int, float]], delay: int) -> None:
    """As a stranger of each code would see them after everything."""
    matrix, known = known_of(rows, delay)
    _, frozen = running_rates(matrix, [0], known)
    codes = np.unique(matrix)
    end = int(known.since.max()) + 1
    after = PastOutcomes(
        np.append(known.lead, np.full(len(codes), 99)),
        np.append(known.time, np.full(len(codes), end)),
        np.append(known.since, np.full(len(codes), end)),
        np.append(known.y, np.full(len(codes), np.nan)),
    )
    strangers = naive(np.vstack([matrix, codes[:, np.newaxis].astype(np.float32)]), after)[len(matrix) :]
    for rate, expected in zip(frozen, strangers.T, strict=bool(frozen)):
        levels = [rate.levels[-1 if np.isnan(code) else int(code)] for code in codes]
        np.testing.assert_allclose(levels, expected, rtol=1e-6)


def later_flipped(known: PastOutcomes, at: int) -> PastOutcomes:
    """The same, with other outcomes wherever they were not certain before `at`."""
    return replace(known, y=np.where(known.since < at, known.y, 1 - known.y))


@settings(deadline=None, max_examples=150)
@given(st.lists(ROW, min_size=1, max_size=25), st.integers(0, 3), st.integers(0, 8))
def test_a_label_that_matures_later_changes_no_earlier_rate(
    rows: list[tuple[int, int, int, float]], delay: int, at: int
) -> None:
    matrix, known = known_of(rows, delay)
    earlier = known.time <= at
    made, _ = running_rates(matrix, [0], known)
    again, _ = running_rates(matrix, [0], later_flipped(known, at))
    np.testing.assert_array_equal(made[earlier], again[earlier])


@settings(deadline=None, max_examples=150)
@given(st.lists(ROW, min_size=1, max_size=25), st.integers(0, 4))
def test_a_leads_own_label_never_enters_its_rows(rows: list[tuple[int, int, int, float]], lead: int) -> None:
    matrix, known = known_of(rows, 0)
    own = known.lead == lead
    made, _ = running_rates(matrix, [0], known)
    again, _ = running_rates(matrix, [0], replace(known, y=np.where(own, 1 - known.y, known.y)))
    np.testing.assert_array_equal(made[own], again[own])


def test_both_leaks_are_seen_when_they_are_planted(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows = [
        (lead, lead % 3, int(time), float(rng.integers(2)))
        for lead, time in zip(rng.integers(0, 60, 300).tolist(), rng.integers(0, 50, 300).tolist(), strict=True)
    ]
    matrix, known = known_of(rows, 2)
    honest, _ = running_rates(matrix, [0], known)

    # Planted fault: a rate counts all outcomes, whenever they were certain.
    timeless = replace(known, since=np.full(len(matrix), -1))
    leaky, _ = running_rates(matrix, [0], timeless)
    again, _ = running_rates(matrix, [0], replace(timeless, y=later_flipped(known, 25).y))
    assert not np.array_equal(leaky[known.time <= 25], again[known.time <= 25])
    assert not np.array_equal(honest, leaky)

    # Planted fault: a lead counts among those that its own rows see.
    anonymous = replace(known, lead=np.arange(len(matrix)))
    one = known.lead == known.lead[0]
    with_own, _ = running_rates(matrix, [0], anonymous)
    flipped, _ = running_rates(matrix, [0], replace(anonymous, y=np.where(one, 1 - known.y, known.y)))
    assert not np.array_equal(with_own[one], flipped[one])


@pytest.mark.parametrize("most", [5, np.inf], ids=["as it is", "planted: without end"])
def test_from_some_count_on_it_tells_of_no_date(monkeypatch: pytest.MonkeyPatch, most: float) -> None:
    monkeypatch.setattr(rates, "MOST_COUNTED", most)
    matrix, known = known_of([(lead, 0, lead, 0.0) for lead in range(20)], 0)
    counts = running_rates(matrix, [0], known)[0][1:, 1]
    assert (np.diff(counts[:5]) > 0).all()
    assert (np.ptp(counts[4:]) == 0) == (most == 5)


def leads(n: int = 2_000) -> tuple[pd.DataFrame, NDArray[np.int64], NDArray[np.int64]]:
    """A frame whose first category decides much, its many values being known by their rates only; outcomes; leads."""
    rng = np.random.default_rng(1)
    city, worth = rng.integers(0, 70, n), rng.normal(0, 1.5, 70)
    y = (rng.random(n) < 1 / (1 + np.exp(1 - worth[city]))).astype(np.int64)
    names = np.array([f"city {code}" for code in range(70)], dtype=object)[city]
    names[rng.random(n) < 0.1] = None
    frame = pd.DataFrame(
        {"city": names, "plan": np.array(["a", "b", None])[rng.integers(0, 3, n)], "age": rng.random(n)}
    )
    return frame, y, np.arange(n)


def test_frozen_rates_are_splits_of_categories_and_score_the_same() -> None:
    frame, y, lead = leads()
    model = LeadConversionClassifier(n_folds=2, max_rounds=80, learning_rate=0.1, n_jobs=1)
    fitted: list[lightgbm.Booster] = []
    original = model._folded
    model._folded = lambda boosters: fitted.extend(boosters) or original(boosters)  # type: ignore[method-assign, func-returns-value]
    model.fit(frame, y, groups=lead, time=lead, since=lead)
    matrix = model.encoder_.matrix(table_of(frame))
    codes = [matrix[:, rate.column] for rate in model.frozen_]
    at_the_end = [
        rate.levels[np.where(np.isnan(code), len(rate.levels) - 1, code).astype(int)]
        for rate, code in zip(model.frozen_, codes, strict=True)
    ]
    wide = np.column_stack([matrix, *at_the_end])
    assert sum(any(int(f) >= 3 for f in _features(booster)) for booster in fitted) == 4, "all members see rates"
    for with_rates, without in zip(fitted, model.boosters_, strict=True):
        assert without.num_feature() == 3
        raw, scored = (b.predict(x, raw_score=True) for b, x in ((with_rates, wide), (without, matrix)))
        np.testing.assert_allclose(scored, raw, rtol=0, atol=1e-12)


def test_half_of_a_hazard_models_members_see_rates() -> None:
    frame, y, lead = leads(600)
    model = HazardClassifier(n_folds=2, max_rounds=80, learning_rate=0.1, n_jobs=1)
    fitted: list[lightgbm.Booster] = []
    original = model._folded
    model._folded = lambda boosters: fitted.extend(boosters) or original(boosters)  # type: ignore[method-assign, func-returns-value]
    model.fit(frame, y, groups=lead, time=lead, since=lead)
    assert [any(int(f) >= 3 for f in _features(booster)) for booster in fitted] == [False, True, True, False]


def test_without_a_word_of_when_outcomes_were_certain_nothing_is_learnt_from_them_as_rates() -> None:
    """Labels of overlapping windows, taken as known at their moments, gave AUC and log-loss far from what came."""
    frame, y, lead = leads(600)
    timed, blind = (
        LeadConversionClassifier(n_folds=2, max_rounds=40, learning_rate=0.1, n_jobs=1, rates=rates).fit(
            frame, y, groups=lead, time=lead
        )
        for rates in (True, False)
    )
    assert timed.frozen_ == ()
    np.testing.assert_array_equal(timed.predict_proba(frame), blind.predict_proba(frame))


def _features(booster: lightgbm.Booster) -> list[str]:
    text: str = booster.model_to_string()
    return [
        word for line in text.splitlines() if line.startswith("split_feature=") for word in line.split("=")[1].split()
    ]
