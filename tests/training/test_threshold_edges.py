"""Thresholds at their edges: exactly as many leads as sales can take, equal scores, leads of many moments."""

from __future__ import annotations

import numpy as np
import pytest

from data.contract import UsageError
from training.samples.folds import hash_of_lead
from training.samples.independent import one_per_lead
from training.samples.log_odds import Array
from training.thresholds.rule_types import CapacityRule, ValueRule
from training.thresholds.threshold import Threshold
from training.thresholds.threshold_selection import by_capacity, by_precision, by_value
from training.thresholds.volume import CrossSection, ScoredLabels
from training.thresholds.what_if import FEWEST, what_if

LABELS = ScoredLabels(np.array([0.05, 0.3, 0.6]), np.array([0.0, 0.0, 1.0]))
FLOW = CrossSection(np.array([0.1, 0.2, 0.2, 0.4]), per_week=8.0)
"""Two leads a week at 0.4, six at 0.2 or more, eight in all."""


def capacity(per_week: float) -> Threshold:
    return by_capacity("SQL", LABELS, FLOW, per_week)


def test_just_as_many_leads_as_sales_can_take_are_not_too_many() -> None:
    assert capacity(2).probability == 0.4
    assert capacity(6).probability == 0.2
    assert capacity(5.999).probability == 0.4, "leads of equal scores stay together"
    assert (capacity(6).leads_per_week, capacity(6).wins_per_week) == pytest.approx((6, 1.6))


def test_everybody_is_let_through_when_sales_can_take_all() -> None:
    """Not the lowest score of today: tomorrow's leads may score lower, and there would be room for them."""
    assert capacity(8).probability == capacity(1e9).probability == 0.0
    assert (capacity(8).selected, capacity(8).converted) == (3, 1)
    assert capacity(7.999).probability == 0.2


def test_nobody_is_let_through_when_the_best_are_too_many() -> None:
    nobody = capacity(1.999)
    assert nobody.probability is None
    assert (nobody.labels, nobody.selected, nobody.converted) == (3, 0, 0)
    assert (nobody.leads_per_week, nobody.wins_per_week, nobody.expected_precision) == (0, 0, None)
    assert nobody.rule == CapacityRule(1.999)


def test_a_threshold_is_reached_by_a_lead_that_scores_just_so() -> None:
    assert FLOW.above(0.4) == pytest.approx((2, 0.8))
    assert FLOW.above(np.nextafter(0.4, 1)) == (0, 0)
    value = by_value("MQL", LABELS, FLOW, win=10, touch=3)
    assert (value.probability, value.selected, value.converted) == (0.3, 2, 1)
    assert (value.rule, value.labels) == (ValueRule(0.3, win=10, touch=3), 3)


def certain(wins: int, losses: int) -> ScoredLabels:
    """Leads at different scores, all those that converted above all others."""
    y = np.concatenate([np.ones(wins), np.zeros(losses)])
    return ScoredLabels(np.linspace(0.9, 0.1, wins + losses), y)


def test_a_mix_may_fill_the_capacity_to_the_last_lead() -> None:
    labels, flow = certain(100, 100), CrossSection(np.linspace(0.9, 0.1, 200), per_week=200.0)
    alone = by_precision("SQL", labels, flow, 0.5)
    assert alone.leads_per_week > 100
    exact = by_precision("SQL", labels, flow, 0.5, per_week=alone.leads_per_week)
    assert exact.probability == alone.probability
    fewer = by_precision("SQL", labels, flow, 0.5, per_week=alone.leads_per_week - 1)
    assert fewer.leads_per_week < alone.leads_per_week
    assert fewer.per_week == alone.leads_per_week - 1
    none = by_precision("SQL", labels, flow, 0.5, per_week=1e-6)
    assert (none.probability, none.missing_labels, none.per_week, none.labels) == (None, None, 1e-6, 200)


def test_the_fewest_labels_that_can_prove_a_promise_do() -> None:
    """At 95 % five starts have 1 % each: seven wins out of seven prove one half (1 in 128), six (1 in 64) do not."""
    threshold = by_precision("SQL", ScoredLabels(np.linspace(0.9, 0.1, 7), np.ones(7)), FLOW, 0.5)
    assert (threshold.probability, threshold.selected, threshold.converted) == (0.0, 7, 7)
    assert by_precision("SQL", ScoredLabels(np.linspace(0.9, 0.1, 6), np.ones(6)), FLOW, 0.5).probability is None


def test_a_cut_lies_just_above_the_best_lead_that_is_left_out() -> None:
    labels = certain(60, 2_000)
    threshold = by_precision("SQL", labels, FLOW, 0.9)
    best_left_out = labels.p[threshold.selected]
    assert threshold.probability == np.nextafter(best_left_out, 1.0)
    assert threshold.selected >= 44, "log(0.01) / log(0.9) wins in a row are the least that proves nine in ten"


def test_labels_missing_are_those_that_would_prove_it_at_the_precision_seen() -> None:
    """Three in four converted; were it to stay so, as many more as are named prove seven in ten, fewer do not."""

    def of_labels(n: int) -> Threshold:
        return by_precision("SQL", ScoredLabels(np.full(n, 0.5), np.tile([1.0, 1.0, 1.0, 0.0], n // 4)), FLOW, 0.7)

    refused = of_labels(400)
    assert refused.probability is None
    assert refused.missing_labels is not None
    assert of_labels(400 + refused.missing_labels // 4 * 4 + 8).probability == 0
    assert of_labels(400 + refused.missing_labels // 4 * 4 - 16).probability is None


def test_the_profit_is_the_labels_share_of_wins_on_the_leads_of_a_week() -> None:
    labels = certain(30, 70)
    threshold = by_value("SQL", labels, CrossSection(np.full(10, 0.9), per_week=50.0), win=100, touch=20)
    assert threshold.profit_per_week is not None
    share = threshold.converted / threshold.selected
    assert threshold.profit_per_week[0] == round(50 * (share * 100 - 20))
    nobody = by_value("SQL", ScoredLabels(np.array([0.01]), np.zeros(1)), FLOW, win=100, touch=20)
    assert nobody.profit_per_week is None, "without a label above there is nothing to go by"


@pytest.mark.parametrize("amount", [0, -1, float("inf"), float("nan")])
def test_amounts_are_positive_numbers(amount: float) -> None:
    for call in (
        lambda: capacity(amount),
        lambda: by_value("SQL", LABELS, FLOW, 1e9, amount),
        lambda: by_value("SQL", LABELS, FLOW, amount, 1e-9),
        lambda: by_precision("SQL", certain(100, 100), FLOW, 0.5, per_week=amount),
        lambda: what_if(LABELS, CrossSection(FLOW.p, amount)),
    ):
        with pytest.raises(UsageError, match=r"must be a positive number|is not below the value"):
            call()


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan")])
def test_shares_lie_between_0_and_1_both_excluded(share: float) -> None:
    with pytest.raises(UsageError, match=r"precision .* must lie between 0 and 1"):
        by_precision("SQL", LABELS, FLOW, share)
    with pytest.raises(UsageError, match=r"confidence .* must lie between 0 and 1"):
        by_precision("SQL", LABELS, FLOW, 0.5, share)


def test_consequences_are_shown_from_the_fewest_leads_that_say_something() -> None:
    curve = what_if(certain(30, 70), FLOW)
    assert len(curve.probability) > 30
    first = FEWEST / 100
    assert (curve.precision[0], curve.recall[0]) == (1, pytest.approx(FEWEST / 30))
    assert first < 1
    assert curve.low[0] == pytest.approx(0.025 ** (1 / FEWEST), abs=1e-6), "Clopper & Pearson for ten of ten"
    none = what_if(ScoredLabels(np.linspace(0.1, 0.9, 20), np.zeros(20)), FLOW)
    assert (none.recall == 0).all(), "no win at all is no division by nothing"
    with pytest.raises(UsageError, match="no labelled lead"):
        what_if(ScoredLabels(np.zeros(0), np.zeros(0)), FLOW)


def looked_at(counts: list[int]) -> tuple[list[str], Array]:
    """Leads that were looked at so often, at times 0, 1, 2 …"""
    lead = [f"L{number:03d}" for number, count in enumerate(counts) for _ in range(count)]
    return lead, np.concatenate([np.arange(float(count)) for count in counts])


def test_the_moment_of_a_lead_is_named_by_its_hash_among_those_that_one_lead_in_ten_reaches() -> None:
    """Were the longest lead's moments all in question, most leads would not get so far and be no evidence."""
    lead, time = looked_at([4] * 85 + [8] * 10 + [400] * 5)
    chosen = {lead[row]: time[row] for row in one_per_lead(np.array(lead), time)}
    drawn = {name: hash_of_lead(f"0:{name}") % 8 for name in set(lead)}
    assert chosen == {name: at for name, at in drawn.items() if at < lead.count(name)}
    assert max(chosen.values()) == 7
    assert 50 < len(chosen) < 100


def test_nine_leads_in_ten_with_one_moment_leave_but_the_first_in_question() -> None:
    lead, time = looked_at([1] * 9 + [50])
    assert time[one_per_lead(np.array(lead), time)].tolist() == [0] * 10
