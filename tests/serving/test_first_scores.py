"""Leads that services send are scored at once, and are in the list; all others wait for the next scoring."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest
from sqlalchemy import delete

from serving.champion.champion import Champion
from serving.first_scores import AT_ONCE, FirstScores
from serving.scoring.rescoring import Rescorer
from serving.scoring.served_model import ServedModel
from serving.store.database.failures import StoreAway
from serving.store.database.schema import standings
from serving.store.events.event_validation import EventIn
from serving.store.leads import unscored
from serving.store.leads.unscored import BEGINNING
from serving.store.store import Store
from serving.telemetry.server_log import ServerLog
from tests.serving.conftest import Starts
from tests.serving.server_process import ServerProcess

NOW = 1_700_000_000_000_000


@pytest.fixture
def first_scores(own_store: Store, live: ServedModel) -> FirstScores:
    champion = Champion()
    champion.swap(live)
    return FirstScores(own_store, champion, ServerLog(io.StringIO()), lambda: NOW)


def send(store: Store, *leads: str) -> None:
    for lead in leads:
        store.leads.put(lead, NOW - 9, None, {}, NOW)
    store.events.add([EventIn(lead, "pricing_view", NOW - 5) for lead in leads], NOW)


def test_who_is_new_is_scored_and_listed_once(own_store: Store, first_scores: FirstScores) -> None:
    send(own_store, "L1", "L2")
    own_store.leads.object("L2", True, NOW)
    assert [first_scores.look() for _ in range(2)] == [1, 0]
    [score] = own_store.scores.history("L1")
    entry = own_store.worklist.entry("conversion", "L1")
    assert entry is not None
    assert entry.probability == score.probability
    assert own_store.scores.history("L2") == []
    send(own_store, "L1", "L3")
    own_store.events.add([EventIn("L1", "demo_request", NOW - 1)], NOW)
    assert first_scores.look() == 1, "L3 alone: the others have a score, which the next scoring makes anew"
    assert len(own_store.scores.history("L1")) == 1
    assert own_store.unscored.after("conversion", BEGINNING).lead_ids == [], "nobody is looked at in vain"


def test_many_are_found_stretch_by_stretch(own_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"L{number:03}" for number in range(37)]
    for name in names:
        send(own_store, name)
    lead_ids, place = list[str](), BEGINNING
    while not place.is_all:
        place = own_store.unscored.after("conversion", place, 5)
        assert len(place.lead_ids) <= 5
        lead_ids += place.lead_ids
    assert sorted(lead_ids) == names
    assert unscored.LOOKED > 5


def test_a_store_that_is_away_costs_nobody_their_score(
    own_store: Store, first_scores: FirstScores, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(own_store, "L1")

    def away(*asked: object) -> None:
        raise StoreAway("the database does not answer")

    with monkeypatch.context() as broken:
        broken.setattr(type(own_store.scores), "record_first", away)
        with pytest.raises(StoreAway):
            first_scores.look()
    assert first_scores.look() == 1


def send_by_http(server: ServerProcess) -> None:
    event = {"lead_id": "L1", "event_type": "pricing_view", "occurred_at": "2024-05-01T12:00:00Z"}
    httpx.post(f"{server.url}/v1/events", json={"events": [event]}).raise_for_status()


def lists_a_score(server: ServerProcess) -> bool:
    return httpx.get(f"{server.url}/v1/leads").json()["leads"][0]["probability"] is not None


def has_scored(server: ServerProcess) -> bool:
    return any(line["event"] == "first_scores" for line in server.log_lines())


def test_a_server_lists_a_new_lead_within_seconds(start: Starts) -> None:
    server = start("--score-new")
    server.ready()
    send_by_http(server)
    server.until(lambda: lists_a_score(server))
    server.until(lambda: has_scored(server))


def test_a_server_that_is_to_score_no_new_lead_leaves_it_to_another(start: Starts) -> None:
    """The other one starts later, so that the first would have had a look before it."""
    idle = start("--no-score-new")
    idle.ready()
    send_by_http(idle)
    other = start("--score-new")
    other.until(lambda: has_scored(other))
    assert lists_a_score(idle)
    assert not has_scored(idle)


def test_a_server_that_starts_again_looks_at_what_has_changed_since_and_at_nothing_else(
    own_store: Store, live: ServedModel, first_scores: FirstScores
) -> None:
    """A lead whose score was taken away behind its back would be scored again by whoever walks through all of them."""
    send(own_store, *(f"L{number}" for number in range(9)))
    send(own_store, "X")
    assert [first_scores.look() for _ in range(2)] == [10, 0], "a score is a change, which the second look passes"
    first_scores.stop()
    with own_store.database.write() as connection:
        connection.execute(delete(standings).where(standings.c.lead_id.like("L%")))
    send(own_store, "N")
    again = FirstScores(own_store, Champion(live), ServerLog(io.StringIO()), lambda: NOW)
    assert again.look() == 1
    assert len(own_store.scores.history("N")) == 1
    assert own_store.unscored.looked_until("another target") == BEGINNING, "of which nobody has a score"


def test_a_lead_that_cannot_be_scored_is_tried_once_and_keeps_nobody_else_waiting(
    own_store: Store, first_scores: FirstScores, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(own_store, "L1")

    def fails(*asked: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(type(own_store.scores), "record_first", fails)
        with pytest.raises(ZeroDivisionError):
            first_scores.look()
    send(own_store, "L2")
    assert first_scores.look() == 1
    assert own_store.scores.history("L1") == [], "the next scoring has it"


def test_more_leads_than_are_scored_in_one_go_are_all_scored(
    own_store: Store, first_scores: FirstScores, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[int] = []
    of_old = Rescorer.first_scores

    def counted(rescorer: Rescorer, lead_ids: list[str], *rest: Any) -> int:
        parts.append(len(lead_ids))
        return of_old(rescorer, lead_ids, *rest)

    monkeypatch.setattr(Rescorer, "first_scores", counted)
    send(own_store, *(f"L{number}" for number in range(130)))
    assert first_scores.look() == 130
    assert max(parts) <= AT_ONCE <= 50


def test_who_is_erased_or_objects_while_scores_are_made_gets_none(
    own_store: Store, first_scores: FirstScores, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_old = type(own_store.scores).earlier

    def late(scores: Any, *asked: Any) -> Any:
        own_store.erasure.forget("L1", "test", NOW)
        own_store.leads.object("L2", True, NOW)
        return of_old(scores, *asked)

    send(own_store, "L1", "L2", "L3")
    monkeypatch.setattr(type(own_store.scores), "earlier", late)
    assert first_scores.look() == 1
    assert [len(own_store.scores.history(lead)) for lead in ("L1", "L2", "L3")] == [0, 0, 1]
    assert own_store.leads.get("L1") is None


def test_two_servers_of_a_store_that_both_look_give_a_lead_one_score(
    own_store: Store, live: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against what is told of `--score-new`; the one that comes second finds the lead scored."""
    first, second = (
        FirstScores(own_store, Champion(live), ServerLog(io.StringIO()), partial(int, now)) for now in (NOW, NOW + 7)
    )
    of_old = type(own_store.scores).earlier
    looks = [second.look]

    def meanwhile(scores: Any, *asked: Any) -> Any:
        if looks:
            looks.pop()()
        return of_old(scores, *asked)

    send(own_store, "L1")
    monkeypatch.setattr(type(own_store.scores), "earlier", meanwhile)
    first.look()
    assert not looks
    assert len(own_store.scores.history("L1")) == 1


def test_a_place_is_kept_from_time_to_time_and_once(
    own_store: Store, live: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is killed says nothing at its end."""
    monkeypatch.setattr("serving.first_scores.NOTED_S", 0.0)
    noted: list[int] = []
    note = type(own_store.unscored).note

    def counted(kept: Any, target: str, place: unscored.Arrived, now: int) -> None:
        noted.append(place.number)
        note(kept, target, place, now)

    monkeypatch.setattr(type(own_store.unscored), "note", counted)
    send(own_store, "L1")
    running = FirstScores(own_store, Champion(live), ServerLog(io.StringIO()), lambda: NOW, 0.01)
    running.start()
    until(lambda: own_store.unscored.looked_until("conversion") != BEGINNING)
    until(lambda: len(own_store.scores.history("L1")) == 1)
    running.stop()
    assert len(set(noted)) == len(noted)


def test_a_store_that_is_away_is_told_once_and_looked_at_again(
    own_store: Store, live: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, looks = io.StringIO(), list[int]()

    def away(*asked: object) -> None:
        looks.append(1)
        raise StoreAway("the database does not answer")

    running = FirstScores(own_store, Champion(live), ServerLog(log), lambda: NOW, 0.01)
    with monkeypatch.context() as broken:
        broken.setattr(type(own_store.unscored), "after", away)
        running.start()
        until(lambda: len(looks) > 5)
    send(own_store, "L1")
    until(lambda: len(own_store.scores.history("L1")) == 1)
    running.stop()
    assert [line.count("StoreAway") for line in log.getvalue().splitlines() if "failed" in line] == [1]


def until(holds: Callable[[], bool]) -> None:
    """Waits until something holds."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_without_a_model_nobody_is_passed_over(own_store: Store, live: ServedModel) -> None:
    champion = Champion()
    waiting = FirstScores(own_store, champion, ServerLog(io.StringIO()), lambda: NOW)
    send(own_store, "L1")
    assert waiting.look() == 0
    champion.swap(live)
    assert waiting.look() == 1
