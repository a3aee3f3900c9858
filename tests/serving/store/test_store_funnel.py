"""The funnel's numbers, against counts made by hand from a few leads whose way is known."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from data.contract import US_PER_DAY
from serving.store.scores.funnel import FEWEST, NAME, Funnel, LeadOrigin, Move, OriginCount, Stay
from serving.store.scores.scores import StoredScore
from serving.store.store import Store
from training.thresholds.stages import CUSTOMER, UNQUALIFIED, StageThreshold

NOW = 1_700_000_000_000_000
STEPS = [StageThreshold("MQL", 0.05), StageThreshold("SQL", 0.2)]
STAGES = [UNQUALIFIED, "MQL", "SQL", CUSTOMER]
CHANCE = {UNQUALIFIED: 0.01, "MQL": 0.1, "SQL": 0.5}


def walk(store: Store, lead: str, way: Mapping[int, str]) -> None:
    """A lead that reaches stages so many days ago."""
    store.leads.put(lead, NOW - 99 * US_PER_DAY, None, {}, NOW - 99 * US_PER_DAY)
    for ago, stage in sorted(way.items(), reverse=True):
        at = NOW - ago * US_PER_DAY
        if stage == CUSTOMER:
            store.scores.settle([lead], "conversion", CUSTOMER, "converted", at)
        else:
            store.scores.record([StoredScore(lead, "conversion", at, CHANCE[stage], 0.0, 1.0, "1", "d")], STEPS, at)


def made(store: Store) -> Funnel:
    store.funnels.make("conversion", STAGES, NOW - 30 * US_PER_DAY, NOW)
    funnel = store.funnels.read("conversion")
    assert funnel is not None
    return funnel


@pytest.fixture
def walked(store: Store) -> Store:
    walk(store, "A", {60: UNQUALIFIED, 50: "MQL", 40: "SQL", 3: CUSTOMER})
    walk(store, "B", {60: UNQUALIFIED, 5: "MQL"})
    walk(store, "C", {60: UNQUALIFIED, 50: "MQL", 47: UNQUALIFIED, 10: "MQL"})
    walk(store, "D", {60: UNQUALIFIED})
    walk(store, "E", {60: "SQL", 1: UNQUALIFIED})
    walk(store, "X", {60: UNQUALIFIED, 50: "SQL", 2: CUSTOMER})
    store.leads.object("X", True, NOW)
    return store


def test_where_leads_stand_and_how_they_move(walked: Store) -> None:
    funnel = made(walked)
    assert funnel.counts == {UNQUALIFIED: 2, "MQL": 2, "SQL": 0, CUSTOMER: 1}
    assert funnel.moves == [
        Move("SQL", CUSTOMER, 1, 0),
        Move("SQL", UNQUALIFIED, 1, 0),
        Move(UNQUALIFIED, "MQL", 1, 1),
    ]
    assert (funnel.made_at, funnel.since) == (NOW, NOW - 60 * US_PER_DAY)


def test_what_becomes_of_first_stays_within_four_weeks(walked: Store) -> None:
    assert made(walked).stays == [
        # A, B, C, D came in 60 days ago: A and C moved on after 10 days, B after 55. E came in yesterday.
        Stay(UNQUALIFIED, 4, 2, 0, 10.0),
        # A went on after 10 days and C fell back after 3; B is there for 5 days only.
        Stay("MQL", 2, 1, 1, 10.0),
        # A went on after 37 days and E fell back after 59: neither within 28.
        Stay("SQL", 2, 0, 0, 37.0),
    ]


def test_sources_count_who_had_the_time_and_few_are_told_together(walked: Store) -> None:
    many = [f"M{n}" for n in range(FEWEST)]
    for lead in many:
        walk(walked, lead, {60: UNQUALIFIED})
    old, new = NOW - 40 * US_PER_DAY, NOW - 4 * US_PER_DAY
    origins = [LeadOrigin(lead, "email", "webinar", old) for lead in many]
    origins += [
        LeadOrigin("A", "fair", "ebook", old),
        LeadOrigin("B", "email", "webinar", new),
        LeadOrigin("X", "email", "x", old),
    ]
    origins += [LeadOrigin("D", None, None, None), LeadOrigin("nobody", "email", "webinar", old)]
    for _ in range(2):
        walked.funnels.note("conversion", origins)
    assert made(walked).sources == [
        OriginCount("channel", "email", FEWEST, 0),
        OriginCount("channel", None, 1, 1),
        OriginCount("magnet", "webinar", FEWEST, 0),
        OriginCount("magnet", None, 1, 1),
    ]


def test_no_id_stands_in_a_summary_and_an_erased_lead_is_gone_from_the_next(walked: Store) -> None:
    walked.funnels.note("conversion", [LeadOrigin("A", "channel of A", "magnet of A", NOW - 40 * US_PER_DAY)])
    made(walked)
    summary = json.dumps(walked.funnels._summaries.read("conversion", NAME))
    assert "of A" not in summary
    walked.erasure.forget("A", "test", NOW)
    assert made(walked).counts[CUSTOMER] == 0


def test_an_empty_store_has_a_funnel_of_noughts(store: Store) -> None:
    assert store.funnels.read("conversion") is None
    funnel = made(store)
    assert set(funnel.counts.values()) == {0}
    assert [stay.days for stay in funnel.stays] == [None, None, None]
