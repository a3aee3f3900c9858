"""Stages in the store follow outcomes that are undone and leads that come back, by the rule that training goes by."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace

import numpy as np
import pytest

from data.contract import US_PER_DAY
from features.labels import Target
from serving.scoring.rescoring import Rescorer
from serving.scoring.scorer import Scorer
from serving.store.events.event_validation import EventIn
from serving.store.store import Store
from serving.trees.predictor import Predictor
from tests.oracles.features_naive import Event, Lead
from tests.oracles.moments_naive import is_open, standing
from training.thresholds.stages import CUSTOMER, UNQUALIFIED
from workspace import Workspace

START = 19_600 * US_PER_DAY
TARGET = Target(
    "conversion", ("deal_won",), ("deal_lost",), undone_by=("deal_cancelled",), reopened_by=("deal_reopened",)
)
KINDS = ("page_view", "deal_won", "deal_lost", "deal_cancelled", "deal_reopened")


@pytest.fixture
def scorer(trained: Workspace) -> Scorer:
    scorer = copy(Scorer(Predictor.of(trained.champion())))
    scorer.target = TARGET
    return scorer


def clock(at: int) -> Callable[[], int]:
    return lambda: at


def send(store: Store, lead: Lead) -> None:
    store.events.add(
        [
            EventIn(
                lead.lead_id,
                event.event_type,
                event.occurred_at,
                received_at=event.known_at,
                event_id=f"{lead.lead_id}-{i}",
            )
            for i, event in enumerate(lead.events)
        ],
        START + 200 * US_PER_DAY,
    )


def rescored(store: Store, scorer: Scorer, day: int) -> None:
    Rescorer(store, scorer, "1", "digest").run(clock(START + day * US_PER_DAY))


def on_day(day: float, kind: str, late: float = 0) -> Event:
    at = START + round(day * US_PER_DAY)
    return Event(at + round(late * US_PER_DAY), at, kind)


def story(store: Store, lead_id: str) -> list[tuple[str | None, str, str]]:
    return [(change.before, change.after, change.cause) for change in reversed(store.scores.changes(lead_id))]


def test_a_customer_whose_deal_is_cancelled_is_scored_again(store: Store, scorer: Scorer) -> None:
    send(store, Lead("L", [on_day(1, "page_view"), on_day(5, "deal_won"), on_day(12, "deal_cancelled")], []))
    for day in (3, 10, 20):
        rescored(store, scorer, day)
    changes = story(store, "L")
    first = changes[0][1]
    assert changes[1] == (first, CUSTOMER, "converted")
    assert changes[2][0] == CUSTOMER
    assert changes[2][2] == "reopened"
    [stands] = store.scores.standing("L")
    assert stands.stage != CUSTOMER
    assert stands.probability is not None


def test_a_lost_lead_that_is_reopened_is_scored_and_may_buy(store: Store, scorer: Scorer) -> None:
    life = [on_day(1, "page_view"), on_day(5, "deal_lost"), on_day(12, "deal_reopened"), on_day(22, "deal_won")]
    send(store, Lead("L", life, []))
    probabilities = []
    for day in (3, 10, 20, 30):
        rescored(store, scorer, day)
        probabilities.append(store.scores.standing("L")[0].probability is not None)
    assert probabilities == [True, False, True, False]
    assert story(store, "L")[-1][1:] == (CUSTOMER, "converted")
    assert len(store.scores.history("L")) == 2


def drawn(seed: int) -> list[Lead]:
    draw, leads = np.random.default_rng(seed), []
    for number in range(60):
        days, late = np.sort(draw.uniform(0, 90, 7)).tolist(), draw.choice([0.0, 5.0, 15.0], 7).tolist()
        kinds = ["page_view", *draw.choice(KINDS, 6).tolist()]
        events = [on_day(*row) for row in zip(days, kinds, late, strict=True)]
        leads.append(Lead(f"L{number:02}", sorted(events, key=lambda event: event.known_at), []))
    return leads


def test_where_leads_stand_is_what_the_documentation_says(store: Store, scorer: Scorer) -> None:
    """Planted fault beside it: a lead that once bought would stay a customer."""
    leads = drawn(3)
    for lead in leads:
        send(store, lead)
    differing = 0
    for day in (30, 60, 100):
        rescored(store, scorer, day)
        as_of = START + day * US_PER_DAY
        for lead in leads:
            stands = store.scores.standing(lead.lead_id)
            if not any(event.known_at < as_of for event in lead.events):
                continue
            is_in, bought = is_open(lead, TARGET, as_of), bool(standing(lead, TARGET, as_of))
            assert (stands[0].probability is not None) == is_in
            assert is_in or stands[0].stage == (CUSTOMER if bought else UNQUALIFIED)
            forgetful = replace(TARGET, undone_by=(), reopened_by=())
            differing += is_in != is_open(lead, forgetful, as_of)
    assert differing > 10
