"""Leads that services send are scored at once, and are in the list; all others wait for the next scoring."""

from __future__ import annotations

import io

import httpx
import pytest
from sqlalchemy import delete

from serving.champion.champion import Champion
from serving.first_scores import FirstScores
from serving.scoring.served_model import ServedModel
from serving.store.database.failures import StoreAway
from serving.store.database.schema import standings
from serving.store.events.event_validation import EventIn
from serving.store.leads import unscored
from serving.store.leads.unscored import BEGINNING
from serving.store.store import Store
from serving.telemetry.server_log import ServerLog
from tests.serving.conftest import Starts

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


def test_many_are_found_stretch_by_stretch(own_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"L{number:03}" for number in range(37)]
    for name in names:
        send(own_store, name)
    lead_ids, place = list[str](), BEGINNING
    while not place.is_all:
        place = own_store.unscored.after("conversion", place, 5)
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
        broken.setattr(type(own_store.scores), "record", away)
        with pytest.raises(StoreAway):
            first_scores.look()
    assert first_scores.look() == 1


def test_a_server_lists_a_new_lead_within_seconds(start: Starts) -> None:
    server = start("--score-new")
    server.ready()
    event = {"lead_id": "L1", "event_type": "pricing_view", "occurred_at": "2024-05-01T12:00:00Z"}
    httpx.post(f"{server.url}/v1/events", json={"events": [event]}).raise_for_status()
    server.until(lambda: httpx.get(f"{server.url}/v1/leads").json()["leads"][0]["probability"] is not None)
    server.until(lambda: any(line["event"] == "first_scores" for line in server.log_lines()))


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


def test_without_a_model_nobody_is_passed_over(own_store: Store, live: ServedModel) -> None:
    champion = Champion()
    waiting = FirstScores(own_store, champion, ServerLog(io.StringIO()), lambda: NOW)
    send(own_store, "L1")
    assert waiting.look() == 0
    champion.swap(live)
    assert waiting.look() == 1
