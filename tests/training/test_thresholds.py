"""A threshold keeps its promise on leads that nobody has seen, or it is not issued."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit

from data.contract import DataError, UsageError
from features.numbers_in_words import Language, chance, percent
from tests.oracles.threshold_naive import careless_threshold, certified
from training.samples.independent import one_per_lead
from training.samples.log_odds import Array
from training.thresholds.promise_text import sentence
from training.thresholds.rule_types import PrecisionRule
from training.thresholds.threshold import Threshold, threshold_from
from training.thresholds.threshold_selection import by_capacity, by_precision, by_value
from training.thresholds.volume import CrossSection, ScoredLabels
from training.thresholds.what_if import what_if

DRAWS = 400
POPULATION = np.sort(expit(np.random.default_rng(0).normal(-1.5, 1.5, 400_000)))[::-1]
TRUE_PRECISION = np.cumsum(POPULATION) / np.arange(1, len(POPULATION) + 1)
TRUE_RECALL = np.cumsum(POPULATION) / POPULATION.sum()
FLOW = CrossSection(POPULATION[::400], per_week=120.0)


def labels(seed: int, n: int, decimals: int = 12) -> ScoredLabels:
    """Leads with their true probabilities (or these rounded) and outcomes."""
    rng = np.random.default_rng(seed)
    p = rng.choice(POPULATION, n)
    return ScoredLabels(p.round(decimals), (rng.random(n) < p).astype(np.float64))


def truth_above(probability: float | None) -> tuple[float, float]:
    """True precision and recall of a threshold; without one nobody is promised anything."""
    if probability is None:
        return 1.0, 0.0
    above = int(np.searchsorted(-POPULATION, -probability, side="right"))
    return float(TRUE_PRECISION[above - 1]), float(TRUE_RECALL[above - 1])


@pytest.mark.proof("promise")
@pytest.mark.parametrize(("n", "least_recall", "most_refused"), [(500, 0.59, 0.1), (2000, 0.8, 0.01)])
def test_the_promised_precision_holds_on_new_leads(
    n: int, least_recall: float, most_refused: float, full: bool, record_property: Callable[[str, object], None]
) -> None:
    best = TRUE_RECALL[np.flatnonzero(TRUE_PRECISION >= 0.5).max()]
    draws = range(1_000 if full else DRAWS)
    thresholds = [by_precision("SQL", labels(seed, n), FLOW, 0.5).probability for seed in draws]
    outcomes = [truth_above(threshold) for threshold in thresholds]
    issued = [threshold is not None for threshold in thresholds]
    held = float(np.mean([precision >= 0.5 for (precision, _), real in zip(outcomes, issued, strict=True) if real]))
    refused = 1 - float(np.mean(issued))
    recall = float(np.mean([recall for _, recall in outcomes]) / best)
    measured = (
        f"n = {n}: kept {held:.1%} of those issued, refused {refused:.1%}, recall {recall:.1%} of the best possible"
    )
    record_property("promise", measured)
    print(measured)  # noqa: T201 -- `make proof NAME=promise` with -s shows it
    assert held >= 0.95, measured
    assert refused <= most_refused, measured
    assert recall >= least_recall, f"a promise that is kept by issuing nothing is worth nothing: {measured}"


@pytest.mark.parametrize("n", [500, 2000])
def test_the_careless_choice_breaks_its_promise(n: int) -> None:
    """Planted fault: the check above must be able to fail."""
    draws = [labels(seed, n) for seed in range(DRAWS)]
    cuts = [careless_threshold(draw.p.tolist(), draw.y.tolist(), 0.5) for draw in draws]
    assert np.mean([truth_above(cut)[0] >= 0.5 for cut in cuts]) < 0.8


def test_the_promise_holds_where_many_leads_share_a_score() -> None:
    rounded = np.sort(POPULATION.round(1))[::-1]
    order = np.argsort(-POPULATION.round(1), kind="stable")
    precision = np.cumsum(POPULATION[order]) / np.arange(1, len(order) + 1)
    holds = []
    for seed in range(DRAWS):
        cut = by_precision("SQL", labels(seed, 500, decimals=1), FLOW, 0.5).probability
        holds.append(cut is None or precision[np.searchsorted(-rounded, -cut, side="right") - 1] >= 0.5)
    assert np.mean(holds) >= 0.95


@pytest.mark.parametrize("precision", [0.2, 0.4, 0.6])
def test_the_choice_is_the_last_that_the_slow_procedure_proves(precision: float) -> None:
    issued = 0
    for seed in range(15):
        sample = labels(seed, 600)
        fewest = int(np.ceil(np.log(0.01) / np.log(precision)))
        selected = sorted(set(np.geomspace(fewest, 600, 50).round().astype(int).tolist()))
        order = np.argsort(-sample.p)
        counts = [(count, int(sample.y[order[:count]].sum())) for count in selected]
        starts = np.linspace(0, len(counts), 5, endpoint=False).astype(int).tolist()
        proven = certified(counts, precision, 0.05 / 5, starts)
        threshold = by_precision("SQL", sample, FLOW, precision)
        issued += bool(proven)
        assert (threshold.probability is None) == (not proven)
        if proven:
            assert (threshold.selected, threshold.converted) == counts[max(proven)]
    assert issued >= 5


def test_a_threshold_says_what_it_rests_on() -> None:
    sample = labels(3, 2000)
    threshold = by_precision("SQL", sample, FLOW, 0.5, confidence=0.9)
    assert threshold.probability is not None
    above = sample.p >= threshold.probability
    assert (threshold.labels, threshold.selected, threshold.converted) == (2000, above.sum(), sample.y[above].sum())
    assert (threshold.stage, threshold.rule) == ("SQL", PrecisionRule(0.5, 0.9))
    assert threshold.leads_per_week == pytest.approx(120 * (FLOW.p >= threshold.probability).mean())
    assert threshold.expected_precision == pytest.approx(FLOW.p[FLOW.p >= threshold.probability].mean())


def test_more_confidence_or_precision_never_lowers_a_threshold_much() -> None:
    sample = labels(4, 2000)
    cuts = [by_precision("SQL", sample, FLOW, x).probability for x in (0.3, 0.4, 0.5, 0.6)]
    assert all(cut is not None for cut in cuts)
    assert cuts == sorted(cuts, key=lambda cut: cut or 0.0)


def test_a_refusal_names_the_labels_still_needed_and_they_help() -> None:
    helped = []
    for seed in range(60):
        threshold = by_precision("SQL", labels(seed, 60), FLOW, 0.6)
        if threshold.probability is None and threshold.missing_labels is not None:
            assert threshold.missing_labels > 0
            again = labels(1000 + seed, 60 + 3 * threshold.missing_labels)
            helped.append(by_precision("SQL", again, FLOW, 0.6).probability is not None)
    assert len(helped) >= 15
    assert np.mean(helped) > 0.5


def test_no_number_of_labels_is_named_where_none_would_help() -> None:
    p = np.linspace(0.01, 0.2, 300)
    threshold = by_precision("SQL", ScoredLabels(p, np.zeros(300)), FLOW, 0.9)
    assert (threshold.probability, threshold.missing_labels) == (None, None)


def test_everybody_may_be_certified() -> None:
    threshold = by_precision("MQL", ScoredLabels(np.linspace(0.1, 0.9, 200), np.ones(200)), FLOW, 0.5)
    assert (threshold.probability, threshold.selected) == (0.0, 200)


@given(
    scores=st.lists(st.sampled_from([0.05, 0.1, 0.2, 0.4, 0.8]), min_size=1, max_size=40),
    capacity=st.floats(0.5, 100.0),
)
def test_capacity_is_used_and_not_exceeded(scores: list[float], capacity: float) -> None:
    flow = CrossSection(np.array(scores), per_week=50.0)
    threshold = by_capacity("SQL", ScoredLabels(np.array([0.1]), np.array([0.0])), flow, capacity)
    if threshold.probability is None:
        assert flow.above(max(scores))[0] > capacity
        return
    assert threshold.leads_per_week <= capacity
    lower = [score for score in scores if score < threshold.probability]
    assert not lower or flow.above(max(lower))[0] > capacity, "the next lower score would be too many"


def test_a_mix_keeps_the_precision_and_the_capacity() -> None:
    holds, issued = [], 0
    for seed in range(150):
        threshold = by_precision("SQL", labels(seed, 2000), FLOW, 0.5, per_week=6)
        alone = by_precision("SQL", labels(seed, 2000), FLOW, 0.5)
        if threshold.probability is not None and alone.probability is not None:
            issued += 1
            assert threshold.leads_per_week <= 6 < alone.leads_per_week
            assert threshold.probability > alone.probability
        holds.append(truth_above(threshold.probability)[0] >= 0.5)
    assert issued >= 140
    assert np.mean(holds) >= 0.95


def test_the_profit_of_a_value_is_stated_with_its_interval() -> None:
    held = []
    for seed in range(200):
        threshold = by_value("MQL", labels(seed, 800), FLOW, win=4000, touch=400)
        assert threshold.profit_per_week is not None
        profit, low, high = threshold.profit_per_week
        assert low < profit < high
        true = threshold.leads_per_week * (truth_above(threshold.probability)[0] * 4000 - 400)
        held.append(low <= true <= high)
    assert np.mean(held) >= 0.93
    assert by_capacity("SQL", labels(1, 100), FLOW, 5).profit_per_week is None


def test_value_asks_for_the_cost_of_a_touch_over_the_value_of_a_win() -> None:
    threshold = by_value("MQL", labels(5, 100), FLOW, win=4000, touch=200)
    assert threshold.probability == 0.05
    assert threshold.wins_per_week * 4000 > threshold.leads_per_week * 200


@pytest.mark.parametrize("rule", ["precision", "capacity", "value", "refusal"])
def test_a_threshold_survives_json(rule: str) -> None:
    made = every_rule()[rule]
    assert threshold_from(json.loads(json.dumps(made.to_dict(), allow_nan=False))) == made


def test_damaged_thresholds_are_refused() -> None:
    with pytest.raises(DataError, match="train the model again"):
        threshold_from({"stage": "SQL"})


def every_rule() -> dict[str, Threshold]:
    """One threshold of each rule, and one refusal."""
    sample = labels(6, 2000)
    return {
        "precision": by_precision("SQL", sample, FLOW, 0.5),
        "capacity": by_capacity("SQL", sample, FLOW, 12),
        "value": by_value("MQL", sample, FLOW, 4000, 200),
        "refusal": by_precision("SQL", ScoredLabels(sample.p[:40], sample.y[:40]), FLOW, 0.9),
    }


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("rule", ["precision", "capacity", "value", "refusal"])
def test_the_sentence_holds_the_numbers_of_the_promise(rule: str, language: Language) -> None:
    threshold = every_rule()[rule]
    text = sentence(threshold, 90, language)
    expected = {
        "precision": [
            percent(0.5, 0, language),
            percent(0.95, 0, language),
            "90 ",
            chance(threshold.probability or 0.0, language),
        ],
        "capacity": ["12 ", str(threshold.selected)],
        "value": [percent(0.05, 0, language), "MQL"],
        "refusal": ["40 ", percent(0.9, 0, language), percent(0.95, 0, language)],
    }[rule]
    assert all(phrase in text for phrase in expected), text
    assert "None" not in text
    assert "{" not in text


def test_german_numbers_are_german() -> None:
    threshold = replace(every_rule()["capacity"], labels=12_345, probability=0.1234, wins_per_week=2.5)
    assert "12 von 100" in sentence(threshold, 90, "de")
    assert "12.345 Leads" in sentence(threshold, 90, "de")
    assert "2,5 Abschlüsse" in sentence(threshold, 90, "de")


def test_a_refusal_tells_what_to_do() -> None:
    refusal = every_rule()["refusal"]
    assert "1,200 more" in sentence(replace(refusal, missing_labels=1200), 90)
    assert "Promise less" in sentence(replace(refusal, missing_labels=None), 90)


def test_what_if_shows_every_consequence() -> None:
    sample = labels(7, 1000)
    curve = what_if(sample, FLOW)
    assert (np.diff(curve.probability) < 0).all()
    assert curve.probability[-1] == 0
    assert curve.recall[-1] == 1
    assert curve.precision[-1] == pytest.approx(sample.y.mean())
    assert ((curve.low <= curve.precision) & (curve.precision <= curve.high)).all()
    assert curve.leads_per_week[-1] == pytest.approx(120)
    assert (np.diff(curve.wins_per_week) >= 0).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: by_precision("SQL", labels(1, 50), FLOW, 1.5), "precision 1.5 must lie between"),
        (lambda: by_precision("SQL", labels(1, 50), FLOW, 0.5, 0.0), "confidence 0 must lie between"),
        (lambda: by_precision("SQL", ScoredLabels(np.zeros(0), np.zeros(0)), FLOW, 0.5), "no labelled lead"),
        (lambda: by_capacity("SQL", labels(1, 50), FLOW, 0), "capacity 0 must be a positive number"),
        (lambda: by_capacity("SQL", labels(1, 50), CrossSection(np.zeros(0), 5), 3), "no open lead"),
        (lambda: by_capacity("SQL", labels(1, 50), CrossSection(FLOW.p, float("nan")), 3), "leads per week nan"),
        (lambda: by_value("SQL", labels(1, 50), FLOW, 100, 100), "not below the value of a win"),
    ],
)
def test_impossible_wishes_are_refused(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(UsageError, match=message):
        call()


def funnel_with_moments(seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Array, Array]:
    """Leads met every week until they convert or leave after ten weeks: lead, week, true probability, label."""
    rng = np.random.default_rng(seed)
    chance = expit(rng.normal(-1.8, 1.0, 6_000))
    won = rng.random((6_000, 10)) < chance[:, np.newaxis]
    open_still = np.cumsum(won, axis=1) - won == 0
    lead, week = np.nonzero(open_still)
    return lead, week, chance[lead], won[lead, week].astype(np.float64)


def test_evidence_is_one_moment_per_lead_and_never_chosen_by_its_outcome() -> None:
    lead, week, p, y = funnel_with_moments(1)
    rows = one_per_lead(lead, week)
    assert len(set(lead[rows].tolist())) == len(rows) > 2_000
    gap = (y[rows] - p[rows]).mean() / p[rows].mean()
    assert abs(gap) < 0.08
    mixed = np.random.default_rng(1).permutation(len(lead))
    backwards = np.argsort(-week, kind="stable")
    newest = backwards[np.unique(lead[backwards], return_index=True)[1]]
    anyone = mixed[np.unique(lead[mixed], return_index=True)[1]]
    for careless in (newest, anyone):
        bias = (y[careless] - p[careless]).mean() / p[careless].mean()
        assert bias > 0.3, "choices that depend on the outcome must show their bias, or this test proves nothing"


def test_the_choice_of_moments_does_not_depend_on_the_order_of_rows() -> None:
    lead, week, _, _ = funnel_with_moments(2)
    mixed = np.random.default_rng(2).permutation(len(lead))
    one = {(lead[row], week[row]) for row in one_per_lead(lead, week)}
    other = {(lead[row], week[row]) for row in mixed[one_per_lead(lead[mixed], week[mixed])]}
    assert one == other
    assert one != {(lead[row], week[row]) for row in one_per_lead(lead, week, seed=1)}


def test_leads_with_one_moment_all_take_part() -> None:
    assert one_per_lead(np.array(["b", "a", "c"]), np.zeros(3)).tolist() == [0, 1, 2]
    assert one_per_lead(np.array([], dtype=str), np.array([])).tolist() == []
