"""Monitoring recommends what the planted trouble needs, and nothing when scores keep their word."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binom, chi2_contingency

from data.contract import US_PER_DAY
from data.histories import FAR
from features.labels import Target
from serving.store.events.event_validation import EventIn
from serving.store.scores.cohorts import CohortReader
from serving.store.scores.scores import StoredScore
from serving.store.store import Store
from training.monitoring.checks import Promised
from training.monitoring.cohorts import MONDAY, WEEK, GivenScores, MaturedScores, StoredTurns, matured
from training.monitoring.monitor import ERROR, checks_of, decide, monitor
from training.monitoring.monitor_tables import monitor_tables
from training.samples.covariate_shift import shift
from training.samples.log_odds import Array
from training.thresholds.stages import StageThreshold

PROMISES = [Promised("MQL", ("MQL", "SQL"), 0.12), Promised("SQL", ("SQL",), 0.3)]
TARGET = Target("conversion", ("deal_won",), horizon_days=30)
NOW = MONDAY + 3_000 * WEEK


def world(seed: int, shift_by: float = 0.0, keep: float = 1.0, leads: int = 600) -> MaturedScores:
    """Eight weekly scores of each lead, whose moments share their luck; true log-odds are keep * z + shift_by."""
    rng = np.random.default_rng(seed)
    z = np.repeat(rng.normal(-2, 1.2, leads), 8) + rng.normal(0, 0.3, 8 * leads)
    lead, week = np.repeat(np.arange(leads), 8), np.tile(np.arange(8), leads)
    y = (rng.random(leads)[lead] < expit(keep * (z + 2) - 2 + shift_by)).astype(np.float64)
    return MaturedScores(given(lead, week, expit(z)), y)


def given(lead: np.ndarray, week: np.ndarray, p: Array) -> GivenScores:
    stage = np.where(p >= 0.4, "SQL", np.where(p >= 0.15, "MQL", "unqualified"))
    return GivenScores(lead.astype(str), week * WEEK, week, p, stage, np.full(len(p), "1"))


def advice(rows: MaturedScores) -> str:
    return decide(checks_of(rows, PROMISES), len(rows))[0]


@pytest.mark.proof("monitor")
def test_nothing_is_recommended_when_scores_keep_their_word(full: bool) -> None:
    runs = 3_000 if full else 120
    alarms = sum(advice(world(seed)) != "nothing" for seed in range(runs))
    assert alarms <= binom.ppf(0.999, runs, ERROR)
    assert alarms <= 0.05 * runs


def test_a_changed_base_rate_asks_to_recalibrate() -> None:
    for by in (-0.8, 0.7):
        assert [advice(world(seed, shift_by=by)) for seed in range(10)].count("recalibrate") >= 9


def test_changed_behaviour_asks_to_retrain() -> None:
    assert [advice(world(seed, keep=0.3)) for seed in range(10)].count("retrain") >= 9


def test_timid_scores_ask_to_recalibrate() -> None:
    assert [advice(world(seed, keep=1.8, leads=1_500)) for seed in range(5)].count("recalibrate") >= 4


def test_a_broken_promise_alone_is_found() -> None:
    """Scores are right, but the stage promises more than they hold."""
    checks = checks_of(world(3, leads=2_000), [Promised("SQL", ("SQL",), 0.8)])
    assert [check.name for check in checks if check.failed] == ["SQL keeps its promise"]
    assert decide(checks, 1)[0] == "recalibrate"


def test_too_few_conversions_are_not_judged() -> None:
    few = world(0, shift_by=-3.0, leads=40)
    assert decide(checks_of(few, PROMISES), len(few)) == (
        "nothing",
        f"{len(few)} matured scores are too few to tell; look again later, or at more weeks",
    )


def test_a_score_matures_when_window_and_settling_are_over() -> None:
    lead, week = np.array(["a", "a", "b", "c"]), np.array([0, 1, 0, 0])
    scores = replace(given(lead, week, np.full(4, 0.5)), as_of=np.array([0, 10, 0, 0]) * US_PER_DAY)
    target = Target("t", ("won",), horizon_days=10, gap_days=2, settle_days=3)
    at = np.array([12 * US_PER_DAY, 2 * US_PER_DAY, 2 * US_PER_DAY - 1])
    won = StoredTurns(np.array(["a", "b", "c"]), np.full(3, "won"), at, at)
    made = matured(scores, won, target, now=15 * US_PER_DAY)
    assert made.given.lead.tolist() == ["a", "b", "c"]
    assert made.y.tolist() == [0.0, 1.0, 0.0]  # an end is outside, a beginning inside, before it is outside
    assert len(matured(scores, won, target, now=15 * US_PER_DAY - 1)) == 0
    assert matured(scores, won, target, now=25 * US_PER_DAY).y.tolist() == [0.0, 1.0, 1.0, 0.0]


def test_a_deal_that_is_known_to_be_wrong_or_cancelled_is_no_conversion() -> None:
    scores = replace(given(np.arange(3), np.zeros(3, np.int64), np.full(3, 0.5)), lead=np.array(["a", "b", "c"]))
    target = Target("t", ("won",), horizon_days=10, undone_by=("cancelled",))
    at = np.array([2, 3, 2, 2]) * US_PER_DAY
    kinds, who = np.array(["won", "cancelled", "won", "won"]), np.array(["c", "c", "b", "a"])
    turns = StoredTurns(who, kinds, at, at, np.array([FAR, FAR, 4 * US_PER_DAY, FAR]))
    made = matured(scores, turns, target, now=20 * US_PER_DAY)
    assert dict(zip(made.given.lead.tolist(), made.y.tolist(), strict=True)) == {"a": 1, "b": 0, "c": 0}
    assert matured(scores, replace(turns, superseded_at=None), target, now=20 * US_PER_DAY).y.sum() == 2


def test_the_test_of_a_shift_is_the_textbooks() -> None:
    before, now = {"a": 50, "b": 30, "c": 20}, {"a": 30, "b": 30, "c": 40}
    result = shift("x", before, now, 0.01)
    assert result is not None
    assert result.p == pytest.approx(chi2_contingency([list(before.values()), list(now.values())]).pvalue)
    assert result.shifted == (result.p < 0.01)
    assert shift("x", {"a": 5}, {"a": 9}, 0.01) is None
    assert shift("x", {}, {"a": 9, "b": 2}, 0.01) is None


def test_small_changes_of_many_leads_are_none() -> None:
    result = shift("x", {"a": 500_000, "b": 500_000}, {"a": 505_000, "b": 495_000}, 0.01)
    assert result is not None
    assert result.p < 1e-9
    assert not result.shifted


def test_shifts_are_called_as_rarely_as_stated() -> None:
    rng, calls = np.random.default_rng(0), 0
    for _ in range(2_000):
        before, now = (dict(enumerate(rng.multinomial(60, [0.6, 0.3, 0.08, 0.02]))) for _ in range(2))
        result = shift("x", {str(k): v for k, v in before.items()}, {str(k): v for k, v in now.items()}, 0.05)
        calls += result is not None and result.shifted
    assert calls <= binom.ppf(0.999, 2_000, 0.05)


def fill(store: Store, base: float, leads: int = 160) -> None:
    """Leads scored in each of eight weeks; those of the newest four are of another country and do more."""
    rng, first = np.random.default_rng(1), NOW // WEEK * WEEK - 13 * WEEK
    steps = [StageThreshold("MQL", 0.15), StageThreshold("SQL", 0.4)]
    for lead in range(leads):
        store.leads.put(f"L{lead}", first, None, {"country": "DE" if lead % 2 else "FR"}, first)
    p = np.clip(rng.beta(1.5, 5, leads), 0.02, 0.98)
    luck = rng.random(leads)
    for week in range(8):
        as_of = first + week * WEEK + US_PER_DAY
        who = [lead for lead in range(leads) if lead % 2 == week // 4]
        batch = [StoredScore(f"L{lead}", "conversion", as_of, float(p[lead]), 0.0, 1.0, "1", "d") for lead in who]
        store.scores.record(batch, steps, as_of)
        again = [replace(score, as_of=score.as_of + US_PER_DAY, probability=0.01) for score in batch]
        store.scores.record(again, steps, as_of + 1)
    won = [lead for lead in range(leads) if luck[lead] < base * p[lead]]
    for week, half in ((4, 0), (8, 1)):
        at = first + week * WEEK
        sent = [EventIn(f"L{lead}", "deal_won", at, event_id=f"w{lead}") for lead in won if lead % 2 == half]
        store.events.add(sent, at)
    visits = [EventIn(f"L{lead}", "visit", first + 7 * WEEK, event_id=f"v{lead}") for lead in range(1, leads, 2)]
    store.events.add(visits, first + 7 * WEEK)


@pytest.mark.parametrize(("base", "wanted", "code"), [(1.0, "nothing", 0), (2.2, "recalibrate", 10)])
def test_a_store_is_read_and_told(store: Store, base: float, wanted: str, code: int) -> None:
    fill(store, base)
    report = monitor(CohortReader(store.database), TARGET, PROMISES, NOW, weeks=8)
    assert (report.advice, report.exit_code) == (wanted, code)
    assert len(report.cohorts) == 8
    assert report.matured == 8 * 80  # the first score of a lead in a week counts, not the 1 % of the day after
    assert min(cohort.promised for cohort in report.cohorts) > 0.15
    tables = monitor_tables(report)
    assert [len(table.rows) for table in tables][:2] == [8, 4]


def test_another_population_is_seen(store: Store) -> None:
    fill(store, 1.0)
    report = monitor(CohortReader(store.database), TARGET, PROMISES, NOW, weeks=4)
    moved = {result.name: result.shifted for result in report.shifts}
    assert moved["profile country"]
    assert moved["leads with visit"]
    assert not moved["scores"]
    assert report.advice == "nothing"


def test_an_empty_store_recommends_nothing(store: Store) -> None:
    report = monitor(CohortReader(store.database), TARGET, PROMISES, NOW, weeks=8)
    assert (report.advice, report.matured, report.shifts) == ("nothing", 0, ())
    assert monitor_tables(report) == []
