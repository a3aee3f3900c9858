"""Training, monitoring and the trust page say the same of a moment: one label, from one function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from data.contract import US_PER_DAY
from features.labels import LabelWindow, Target
from features.moments import MONDAY, MomentPolicy, label_moments, open_moments
from serving.store.events.event_validation import EventIn
from serving.store.scores.cohorts import CohortReader
from serving.store.scores.scores import StoredScore
from serving.store.store import Store
from tests.features.leads import START, histories_of, in_order
from tests.oracles.features_naive import Event, Lead
from training.monitoring.cohorts import MaturedScores, matured
from training.thresholds.calibration_by_month import count_by_month

TARGETS = (
    Target("conversion", ("deal_won",), ("deal_lost",), horizon_days=20, settle_days=3),
    Target("conversion", ("deal_won",), horizon_days=14, gap_days=4),
    Target("conversion", ("deal_won",), ("deal_lost",), repeats=True, horizon_days=30, settle_days=9),
    Target("conversion", ("deal_won",), ("deal_lost",), horizon_days=20, undone_by=("deal_cancelled",), settle_days=9),
    Target("conversion", ("deal_won",), ("deal_lost",), horizon_days=9, reopened_by=("deal_reopened",), gap_days=4),
    Target(
        "conversion",
        ("deal_won",),
        ("deal_lost", "deal_cancelled"),
        horizon_days=15,
        undone_by=("deal_cancelled",),
        reopened_by=("deal_reopened",),
    ),
    Target("conversion", ("deal_won",), repeats=True, horizon_days=20, undone_by=("deal_cancelled",)),
)
KINDS = ("page_view", "page_view", "deal_won", "deal_won", "deal_lost", "deal_cancelled", "deal_reopened")
WEEKLY = MomentPolicy("grid", 7)
NOW = START + 120 * US_PER_DAY
WEEK = 7 * US_PER_DAY
MONDAYS = range((START - MONDAY) // WEEK * WEEK + MONDAY + WEEK, NOW, WEEK)


def leads(seed: int, kinds: Sequence[str] = KINDS) -> list[Lead]:
    """Forty leads, some of whose deals are recorded up to twelve days late, cancelled or opened again."""
    draw = np.random.default_rng(seed)
    made = []
    for number in range(40):
        days = np.sort(draw.uniform(0, 110, 6))
        lags = draw.choice([0.0, 6.0, 12.0], 6)
        chosen = ["page_view", *draw.choice(list(kinds), 5).tolist()]
        events = [
            Event(START + round((day + lag) * US_PER_DAY), START + round(day * US_PER_DAY), kind)
            for day, lag, kind in zip(days.tolist(), lags.tolist(), chosen, strict=True)
        ]
        made.append(Lead(f"L{number:02}", in_order(events), []))
    return made


def in_training(made: list[Lead], target: Target) -> dict[tuple[str, int], int]:
    """What is learnt from: mature moments and their labels."""
    labelled = label_moments(histories_of(made), target, WEEKLY, NOW)
    labels, moments = labelled.labels, labelled.moments
    rows = zip(moments.lead, moments.as_of, labels.label, labels.mature, strict=True)
    return {(made[lead].lead_id, int(as_of)): int(label) for lead, as_of, label, mature in rows if mature}


def put(store: Store, made: list[Lead], target: Target) -> None:
    """The leads in a store, with a score at each moment at which one was open."""
    sent = [
        EventIn(
            lead.lead_id,
            event.event_type,
            event.occurred_at,
            received_at=event.known_at,
            event_id=f"{lead.lead_id}-{i}",
        )
        for lead in made
        for i, event in enumerate(lead.events)
    ]
    store.events.add(sent, NOW)
    histories = histories_of(made)
    for as_of in MONDAYS:
        names = [made[lead].lead_id for lead in open_moments(histories, target, as_of).lead]
        store.scores.record([StoredScore(name, target.name, as_of, 0.3, 0, 1, "1", "d") for name in names], [], as_of)


def in_monitoring(store: Store, target: Target) -> MaturedScores:
    reader = CohortReader(store.database)
    return matured(reader.scores(target.name, 0), reader.turns(target, NOW), target, NOW)


@pytest.mark.parametrize("seed", [7, 8])
@pytest.mark.parametrize("target", TARGETS)
def test_training_monitoring_and_trust_page_give_one_label(store: Store, target: Target, seed: int) -> None:
    made = leads(seed)
    put(store, made, target)
    learnt, rows = in_training(made, target), in_monitoring(store, target)
    given = zip(rows.given.lead, rows.given.as_of, rows.y, strict=True)
    assert {(str(lead), int(as_of)): int(y) for lead, as_of, y in given} == learnt
    assert 5 < sum(learnt.values()) < len(learnt) - 20
    assert (
        target == replace(target, undone_by=(), reopened_by=())
        or in_monitoring(store, replace(target, undone_by=(), reopened_by=())).y.tolist() != rows.y.tolist()
    ), "the planted fault, which forgets what was undone or reopened, is noticed"
    store.promised_vs_realised.count(target, NOW)
    shown = store.promised_vs_realised.read(target.name)
    whole = count_by_month(rows.given.lead, rows.given.as_of, rows.given.p, rows.y)
    counted = {row.month for row in shown}
    assert [(row.month, row.leads, row.came) for row in shown] == [
        (row.month, row.leads, row.came) for row in whole if row.month in counted
    ]
    assert sum(row.came for row in shown) > 2


def test_a_deal_that_was_recorded_after_the_score_is_no_broken_promise(store: Store) -> None:
    """Won on day 20, recorded on day 26, scored on day 23: nobody could know, and nothing was left to predict."""
    viewed, won, scored, recorded = (START + day * US_PER_DAY for day in (1, 20, 23, 26))
    store.events.add([EventIn("L", "page_view", viewed, received_at=viewed)], NOW)
    store.events.add([EventIn("L", "deal_won", won, received_at=recorded)], NOW)
    store.scores.record([StoredScore("L", "conversion", scored, 0.6, 0, 1, "1", "d")], [], scored)
    assert len(in_monitoring(store, TARGETS[0])) == 0
    store.promised_vs_realised.count(TARGETS[0], NOW)
    assert store.promised_vs_realised.read("conversion") == []
    # The planted fault, which forgets that the deal came first: the score would be held against the model.
    assert len(in_monitoring(store, replace(TARGETS[0], repeats=True))) == 1


@pytest.mark.parametrize("dropped", ["gap_days", "settle_days"])
def test_a_window_without_gap_or_settling_would_be_noticed(dropped: str) -> None:
    target = Target("conversion", ("deal_won",), horizon_days=14, gap_days=4, settle_days=9)
    other = replace(target, gap_days=0) if dropped == "gap_days" else replace(target, settle_days=0)
    assert in_training(leads(7), target) != in_training(leads(7), other)


def test_a_label_window_counts_gap_horizon_and_settling() -> None:
    window = LabelWindow(gap_days=2, horizon_days=10, settle_days=5)
    as_of = np.array([0, US_PER_DAY], dtype=np.int64)
    assert window.certain_after_days == 17
    assert (window.opens_at(as_of) // US_PER_DAY).tolist() == [2, 3]
    assert (window.closes_at(as_of) // US_PER_DAY).tolist() == [12, 13]
    assert window.is_mature(as_of, 17 * US_PER_DAY).tolist() == [True, False]
    assert window.observed_days(as_of, 9 * US_PER_DAY).tolist() == [2.0, 1.0]
    assert window.observed_days(as_of, 99 * US_PER_DAY).tolist() == [10.0, 10.0]
