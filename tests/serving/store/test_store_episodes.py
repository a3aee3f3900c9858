"""A lead's stays in stages: written with each change, the same as derived from all changes at once, and counted."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, text

from data.contract import US_PER_DAY
from serving.store.database.migrations.versions.v0011_episodes import PAST
from serving.store.database.schema import episodes
from serving.store.leads.decisions import Decision
from serving.store.scores.scores import StoredScore
from serving.store.store import Store
from training.thresholds.episodes import Turn, episodes_of
from training.thresholds.stages import CUSTOMER, UNQUALIFIED, StageThreshold

NOW = 1_700_000_000_000_000
DAY = US_PER_DAY
STEPS = [StageThreshold("MQL", 0.05), StageThreshold("SQL", 0.2)]
LOWER = [StageThreshold("MQL", 0.02), StageThreshold("SQL", 0.1)]


def known(store: Store, *leads: str) -> None:
    for lead in leads:
        store.leads.put(lead, NOW - 9, None, {}, NOW - 9)


def score(
    store: Store, lead: str, probability: float, at: int, steps: list[StageThreshold] | None = None, model: str = "1"
) -> None:
    store.scores.record([StoredScore(lead, "conversion", at, probability, 0.0, 1.0, model, model)], steps or STEPS, at)


def test_why_a_lead_came_and_why_it_left(store: Store) -> None:
    known(store, "L1")
    score(store, "L1", 0.3, NOW)
    score(store, "L1", 0.1, NOW + DAY)
    score(store, "L1", 0.3, NOW + 2 * DAY)
    score(store, "L1", 0.15, NOW + 3 * DAY)
    score(store, "L1", 0.15, NOW + 4 * DAY, LOWER)
    score(store, "L1", 0.03, NOW + 5 * DAY, LOWER, model="2")
    store.decisions.make("L1", "conversion", Decision("SQL", "talked", "account anna", NOW + 6 * DAY, None))
    store.scores.settle(["L1"], "conversion", CUSTOMER, "converted", NOW + 7 * DAY)
    stays = [(stay.stage, stay.entered, stay.nth, stay.left) for stay in store.episodes.of("conversion", "L1")]
    assert stays == [
        ("SQL", "first score", 1, "fell below"),
        ("MQL", "score", 1, "went on"),
        ("SQL", "score", 2, "fell below"),
        ("MQL", "score", 2, "threshold"),
        ("SQL", "threshold", 3, "model"),
        ("MQL", "model", 3, "hand"),
        ("SQL", "hand", 4, "bought"),
        ("customer", "bought", 1, None),
    ]


def test_stays_are_counted_for_each_target(store: Store) -> None:
    known(store, "L1")
    for target in ("conversion", "sql_accepted"):
        store.scores.record([StoredScore("L1", target, NOW, 0.3, 0.0, 1.0, "1", "1")], STEPS, NOW)
        assert [(stay.stage, stay.nth) for stay in store.episodes.of(target, "L1")] == [("SQL", 1)]
    score(store, "L1", 0.1, NOW + DAY)
    score(store, "L1", 0.3, NOW + 2 * DAY)
    assert [stay.nth for stay in store.episodes.of("conversion", "L1")] == [1, 1, 2]


def test_an_objection_ends_a_stay_and_its_end_begins_one(store: Store) -> None:
    """Once, however often it is said; a score after it goes on from there."""
    known(store, "L1", "L2")
    score(store, "L1", 0.3, NOW)
    for at in (NOW + DAY, NOW + 2 * DAY):
        store.leads.object("L1", True, at)
    score(store, "L1", 0.1, NOW + 3 * DAY)
    for at in (NOW + 4 * DAY, NOW + 5 * DAY):
        store.leads.object("L1", False, at)
    score(store, "L1", 0.1, NOW + 6 * DAY)
    stays = [(stay.stage, stay.entered, stay.entered_at, stay.nth, stay.left, stay.left_at)
            for stay in store.episodes.of("conversion", "L1")]  # fmt: skip
    assert stays == [
        ("SQL", "first score", NOW, 1, "objection", NOW + DAY),
        ("SQL", "objection", NOW + 4 * DAY, 2, "fell below", NOW + 6 * DAY),
        ("MQL", "score", NOW + 6 * DAY, 1, None, None),
    ]
    store.leads.object("L2", True, NOW)
    store.leads.object("L2", False, NOW)
    assert store.episodes.of("conversion", "L2") == []


STEP = st.one_of(
    st.floats(0, 1),
    st.sampled_from([CUSTOMER, UNQUALIFIED]),
    st.tuples(st.just("by hand"), st.sampled_from(["MQL", "SQL", UNQUALIFIED])),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=st.lists(STEP, max_size=12), number=st.uuids())
def test_stays_are_those_that_all_changes_give_at_once(store: Store, steps: list[object], number: object) -> None:
    lead = f"L{number}"
    known(store, lead)
    for place, step in enumerate(steps):
        at = NOW + place * DAY
        if isinstance(step, float):
            score(store, lead, step, at)
        elif isinstance(step, str):
            cause = "converted" if step == CUSTOMER else "closed"
            store.scores.settle([lead], "conversion", step, cause, at)
        elif isinstance(step, tuple):
            store.decisions.make(lead, "conversion", Decision(step[1], "talked", "account anna", at, None))
    changes = reversed(store.scores.changes(lead, 100))
    expected = episodes_of(Turn(change.at, change.before, change.after, change.cause) for change in changes)
    assert store.episodes.of("conversion", lead) == expected


def test_an_erased_lead_leaves_no_stay(store: Store) -> None:
    known(store, "L1", "L2")
    for lead in ("L1", "L2"):
        score(store, lead, 0.3, NOW)
    assert store.erasure.forget("L1", "anna", NOW + 1).removed["episodes"] == 1
    assert store.episodes.of("conversion", "L1") == []
    assert len(store.episodes.of("conversion", "L2")) == 1


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(scores=st.lists(st.floats(0, 1), min_size=1, max_size=8), number=st.uuids())
def test_the_stays_of_an_older_store_come_from_its_changes(store: Store, scores: list[float], number: object) -> None:
    lead = f"L{number}"
    known(store, lead)
    for place, p in enumerate(scores):
        score(store, lead, p, NOW + place * DAY, STEPS if place % 3 else LOWER)
    before = store.episodes.of("conversion", lead)
    with store.database.write() as connection:
        connection.execute(delete(episodes))
        connection.execute(text(PAST))
    assert store.episodes.of("conversion", lead) == before
