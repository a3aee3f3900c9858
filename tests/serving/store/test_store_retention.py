"""What is over goes, some rows at a time; what is in force stays, whatever its age; the trail keeps its guard."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

import serving.store.retention
from data.contract import DataError
from serving.store.database.schema import answers, rejected, scores, sessions
from serving.store.events.event_validation import EventIn
from serving.store.privacy.audit_trail import AuditQuery
from serving.store.retention import Cutoffs, Retention
from serving.store.scores.scores import StoredScore
from serving.store.store import Store
from training.thresholds.stages import StageThreshold

DAY = 86_400_000_000
NOW = 1_700_000_000_000_000
OLD = NOW - 400 * DAY
ALL = Cutoffs(scores=NOW - 200 * DAY, rejected=NOW - 200 * DAY, audit=NOW - 200 * DAY)


def score(store: Store, lead: str, at: int, target: str = "conversion") -> None:
    given = StoredScore(lead, target, at, 0.5, 0.4, 0.6, "1", "d")
    store.scores.record([given], [StageThreshold("MQL", 0.1)], at)


@pytest.fixture
def aged(store: Store) -> Store:
    """Leads with old and new scores, old rejected events, a session that has ended, answers, an old trail."""
    for lead in ("both", "only old", "new"):
        store.leads.put(lead, OLD, None, {}, OLD)
    for number in range(7):
        score(store, "both", OLD + number * DAY)
        score(store, "both", OLD + number * DAY, "other")
        score(store, "only old", OLD + number * DAY)
    score(store, "both", NOW - DAY)
    score(store, "new", NOW - DAY)
    store.events.add([EventIn("both", "", OLD)], OLD)
    store.events.add([EventIn("new", "", NOW)], NOW)
    store.accounts.add("anna", "a long password", "viewer", OLD)
    assert store.accounts.sign_in("anna", "a long password", "", OLD)
    for number in range(3):
        store.audit.add("key", f"old deed {number}", OLD + number)
    store.erasure.forget("gone", "key", OLD)  # which drops claims of requests that are being worked on
    store.audit.add("key", "new deed", NOW - DAY)
    store.answers.recall("old", b"", OLD)
    return store


def rows(store: Store) -> dict[str, int]:
    with store.database.read() as connection:
        return {
            table.name: connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (scores, rejected, sessions, answers)
        }


def test_a_count_is_what_is_removed_then_and_changes_nothing(aged: Store) -> None:
    retention, before = Retention(aged.database, aged.audit), rows(aged)
    counted = retention.count(ALL, NOW)
    assert rows(aged) == before
    assert counted == {"scores": 7 + 6 + 6, "rejected": 1, "sessions": 1, "answers": 1, "audit": 4}
    assert retention.prune(ALL, "me", NOW) == counted
    assert rows(aged) == {name: count - counted[name] for name, count in before.items()}
    assert set(retention.prune(ALL, "me", NOW).values()) == {0}


def test_what_is_in_force_stays(aged: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where one row goes at a time."""
    monkeypatch.setattr(serving.store.retention, "AT_ONCE", 1)
    standing = [aged.scores.standing(lead) for lead in ("both", "only old", "new")]
    Retention(aged.database, aged.audit).prune(ALL, "me", NOW)
    assert [(entry.target, entry.as_of) for entry in aged.scores.history("both")] == [
        ("conversion", NOW - DAY),
        ("other", OLD + 6 * DAY),
    ]
    assert [entry.as_of for entry in aged.scores.history("only old")] == [OLD + 6 * DAY]
    assert [aged.scores.standing(lead) for lead in ("both", "only old", "new")] == standing
    [result] = aged.events.add([EventIn("gone", "page_view", NOW, received_at=NOW)], NOW)
    assert result.status == "rejected"


def test_nothing_that_is_set_to_be_kept_goes(aged: Store) -> None:
    removed = Retention(aged.database, aged.audit).prune(Cutoffs(), "me", NOW)
    assert {name for name, count in removed.items() if count} == {"sessions", "answers"}


def test_the_trail_loses_its_beginning_says_so_and_cannot_be_changed_afterwards(aged: Store) -> None:
    Retention(aged.database, aged.audit).prune(ALL, "me", NOW)
    assert [(entry.who, entry.action) for entry in aged.audit.search(AuditQuery())] == [
        ("key", "new deed"),
        ("me", "shorten the trail by 4"),
        ("me", "prune scores 19, rejected 1, sessions 1, answers 1, audit 4"),
    ]
    ids = [entry.id for entry in aged.audit.entries()]
    assert all(before < after for before, after in pairwise(ids))
    for statement in ("DELETE FROM audit", "UPDATE audit SET who = 'nobody'"):
        with pytest.raises((DBAPIError, DataError)), aged.database.write() as connection:
            connection.execute(text(statement))


def test_a_trail_of_which_nothing_is_kept_is_empty_but_for_saying_so(aged: Store) -> None:
    assert Retention(aged.database, aged.audit).prune(Cutoffs(audit=NOW), "me", NOW)["audit"] == 5
    assert next(entry.action for entry in aged.audit.entries()) == "shorten the trail by 5"


def test_an_old_entry_behind_one_that_is_kept_stays(aged: Store) -> None:
    """A hole would look like an entry that somebody has removed."""
    aged.audit.add("key", "a clock that goes wrong", OLD)
    Retention(aged.database, aged.audit).prune(ALL, "me", NOW)
    assert [entry.action for entry in aged.audit.entries()][:2] == ["new deed", "a clock that goes wrong"]
    assert aged.audit.check().faults == ()


def test_a_trail_whose_shortening_fails_is_whole_and_guarded(aged: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = aged.audit.entries()

    def fails(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(aged.audit, "note", fails)
    with pytest.raises(RuntimeError):
        Retention(aged.database, aged.audit).prune(ALL, "me", NOW)
    assert aged.audit.entries() == before
    with pytest.raises((DBAPIError, DataError)), aged.database.write() as connection:
        connection.execute(text("DELETE FROM audit"))


def test_events_are_taken_in_meanwhile(aged: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer whose every event waits for a batch at most: between two batches it gets its turn."""
    monkeypatch.setattr(serving.store.retention, "AT_ONCE", 1)
    stop, statuses = threading.Event(), list[str]()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            sent = EventIn("new", "page_view", NOW, received_at=NOW, event_id=f"e{number}")
            statuses.extend(result.status for result in aged.events.add([sent], NOW))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        removed = Retention(aged.database, aged.audit).prune(ALL, "me", NOW)
    finally:
        stop.set()
        writer.join()
    assert removed["scores"] == 19
    assert set(statuses) == {"accepted"}
