"""Scores: history that never changes, where a lead stands, and why its stage changed."""

from __future__ import annotations

import pytest

from data.contract import US_PER_DAY
from serving.store.events.event_validation import EventIn
from serving.store.leads.decisions import Decision
from serving.store.scores.scores import StoredScore
from serving.store.store import Store
from training.thresholds.stages import StageThreshold

NOW = 1_700_000_000_000_000
STEPS = [StageThreshold("MQL", 0.05), StageThreshold("SQL", 0.2)]


def scored(lead_id: str, probability: float, at: int = NOW, version: str = "1") -> StoredScore:
    return StoredScore(
        lead_id, "conversion", at, probability, probability / 2, probability * 2, version, f"digest {version}"
    )


@pytest.fixture
def known(store: Store) -> Store:
    store.events.add([EventIn(lead, "page_view", NOW - 9) for lead in ("L1", "L2", "L3")], NOW - 9)
    return store


def test_every_score_is_kept_and_the_last_one_holds(known: Store) -> None:
    for step, probability in enumerate((0.01, 0.3, 0.19, 0.17)):
        known.scores.record([scored("L1", probability, NOW + step)], STEPS, NOW + step)
    assert [(score.as_of, score.probability) for score in known.scores.history("L1")] == [
        (NOW + 3, 0.17),
        (NOW + 2, 0.19),
        (NOW + 1, 0.3),
        (NOW, 0.01),
    ]
    [standing] = known.scores.standing("L1")
    assert (standing.stage, standing.probability, standing.as_of) == ("MQL", 0.17, NOW + 3)


def test_changes_of_stage_have_their_cause(known: Store) -> None:
    known.scores.record([scored("L1", 0.06)], STEPS, NOW)
    known.scores.record([scored("L1", 0.3, NOW + 1)], STEPS, NOW + 1)
    known.scores.record([scored("L1", 0.3, NOW + 2)], [StageThreshold("MQL", 0.5)], NOW + 2)
    known.scores.record([scored("L1", 0.6, NOW + 3, "2")], [StageThreshold("MQL", 0.5)], NOW + 3)
    known.decisions.make("L1", "conversion", Decision("SQL", "talked", "account anna", NOW + 4, None))
    known.scores.record([scored("L1", 0.001, NOW + 5, "2")], [StageThreshold("MQL", 0.5)], NOW + 5)
    known.decisions.lift("L1", "conversion", "account anna", NOW + 6)
    known.scores.record([scored("L1", 0.001, NOW + 7, "2")], [StageThreshold("MQL", 0.5)], NOW + 7)
    known.scores.settle(["L1"], "conversion", "customer", "converted", NOW + 8)
    known.scores.settle(["L1"], "conversion", "customer", "converted", NOW + 9)
    assert [
        (change.at - NOW, change.before, change.after, change.cause) for change in known.scores.changes("L1")[::-1]
    ] == [
        (0, None, "MQL", "first score"),
        (1, "MQL", "SQL", "score"),
        (2, "SQL", "unqualified", "threshold change"),
        (3, "unqualified", "MQL", "model change"),
        (4, "MQL", "SQL", "override"),
        (6, "SQL", "unqualified", "override"),
        (8, "unqualified", "customer", "converted"),
    ]


def test_a_score_that_stays_around_a_threshold_does_not_flicker(known: Store) -> None:
    for step, probability in enumerate((0.201, 0.199, 0.202, 0.185, 0.21)):
        known.scores.record([scored("L1", probability, NOW + step)], STEPS, NOW + step)
    assert [change.after for change in known.scores.changes("L1")] == ["SQL"]


def test_a_score_of_the_same_moment_and_model_is_said_once(known: Store) -> None:
    known.scores.record([scored("L1", 0.1)], STEPS, NOW)
    known.scores.record([scored("L1", 0.2)], STEPS, NOW + 1)
    assert [score.probability for score in known.scores.history("L1")] == [0.1]


def test_late_events_never_change_a_stored_score(known: Store) -> None:
    known.scores.record([scored("L1", 0.1)], STEPS, NOW)
    before = known.scores.history("L1")
    known.events.add([EventIn("L1", "deal_won", NOW - 1000, received_at=NOW - 1000)], NOW + 5)
    assert known.scores.history("L1") == before


def test_leads_that_object_or_are_unknown_or_erased_are_left_out(known: Store) -> None:
    known.leads.object("L2", True, NOW)
    known.erasure.forget("L3", "test", NOW)
    batch = [scored(lead, 0.3) for lead in ("L1", "L2", "L3", "L4")]
    assert known.scores.record(batch, STEPS, NOW) == {"L1": "SQL"}
    assert [known.scores.history(lead) for lead in ("L2", "L3", "L4")] == [[], [], []]


def test_targets_stand_side_by_side(known: Store) -> None:
    known.scores.record([scored("L1", 0.3)], STEPS, NOW)
    known.scores.record([StoredScore("L1", "repeat_purchase", NOW, 0.01, 0, 0.02, "1", "d")], STEPS, NOW)
    assert [(standing.target, standing.stage) for standing in known.scores.standing("L1")] == [
        ("conversion", "SQL"),
        ("repeat_purchase", "unqualified"),
    ]


def test_a_thousand_leads_in_one_call(store: Store) -> None:
    leads = [f"L{i:04}" for i in range(1200)]
    store.events.add([EventIn(lead, "page_view", NOW) for lead in leads], NOW)
    stages = store.scores.record([scored(lead, (i % 40) / 100) for i, lead in enumerate(leads)], STEPS, NOW)
    assert len(stages) == 1200
    assert sum(stage == "SQL" for stage in stages.values()) == 600


def test_with_which_earlier_score_one_is_compared(known: Store) -> None:
    """That of a week ago, else the newest; never one of more than three weeks ago, of the same moment or later."""
    days = {"L1": (30, 20, 8, 5, 0), "L2": (3, 1, 0), "L3": (22, 0)}
    for lead, ago in days.items():
        for days_ago in ago:
            at = NOW - days_ago * US_PER_DAY
            known.scores.record([scored(lead, 0.1, at)], STEPS, at)
    earlier = known.scores.earlier("conversion", ["L1", "L2", "L3", "L4"], NOW)
    assert {lead: (NOW - at) // US_PER_DAY for lead, at in earlier.items()} == {"L1": 8, "L2": 1}
    assert known.scores.earlier("other", ["L1"], NOW) == {}
