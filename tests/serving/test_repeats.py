"""What is sent twice counts once: events by many clients in any order, and requests with an Idempotency-Key."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from serving.store.database.schema import events
from serving.store.events.event_validation import EventIn, EventResult
from serving.store.events.events import Events
from serving.store.store import Store, open_store
from tests.serving.conftest import Starts
from tests.serving.inside import Inside
from tests.serving.senders import event, send

CLIENTS = 8
AS_OF = "2024-06-01T00:00:00Z"


def made(n: int) -> list[dict[str, Any]]:
    """Events of 40 leads over a month."""
    random_ = random.Random(7)
    return [event(i, f"L-{i % 40}") | _varied(random_) for i in range(n)]


def _varied(random_: random.Random) -> dict[str, Any]:
    at = f"2024-05-{random_.randint(1, 28):02d}T{random_.randint(0, 23):02d}:00:00Z"
    kind = random_.choice(["page_view", "pricing_view", "email_open", "offer_sent"])
    value = random_.choice([None, random_.random() * 1000])
    return {"event_type": kind, "occurred_at": at, "received_at": at, "value": value}


def scores(url: str) -> list[Any]:
    with httpx.Client(base_url=url, timeout=60, verify=False) as client:
        asked = [client.get(f"/v1/leads/L-{n}/score?features=true&as_of={AS_OF}").json()["score"] for n in range(40)]
    assert all(score["events_counted"] >= 5 for score in asked)
    return asked


def rows(url: str) -> list[tuple[Any, ...]]:
    with open_store(url) as store, store.database.read() as connection:
        return [tuple(row) for row in connection.execute(select(events).order_by(events.c.event_id))]


@pytest.mark.proof("duplicates")
def test_events_sent_again_in_any_order_by_many_clients_change_nothing(
    start: Starts, store_url: str, tmp_path: Any, full: bool
) -> None:
    sent = made(10_000 if full else 400)
    once_url = f"sqlite:///{tmp_path / 'once.db'}"
    once, many = start("--store", once_url), start("--store", store_url)
    for first in range(0, len(sent), 1000):
        send(once.url, sent[first : first + 1000]).raise_for_status()
    random_ = random.Random(8)
    copies = [original for original in sent for _ in range(random_.randint(1, 5))]
    random_.shuffle(copies)
    batches = [copies[first : first + 25] for first in range(0, len(copies), 25)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = [
            answer.raise_for_status().json() for answer in pool.map(lambda batch: send(many.url, batch), batches)
        ]
    assert sum(answer["accepted"] for answer in answers) == len(sent)
    assert sum(answer["duplicate"] for answer in answers) == len(copies) - len(sent) > len(sent)
    assert rows(store_url) == rows(once_url)
    once.ready()
    many.ready()
    assert scores(many.url) == scores(once.url)


@pytest.mark.proof("repeat")
def test_a_repeated_request_has_one_effect_and_one_answer(start: Starts, store_url: str, full: bool) -> None:
    server = start("--store", store_url)
    n = 1_000 if full else 40
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(lambda number: thrice(server.url, number), range(n)))
    assert len(answers) == n
    for answer in answers:
        assert len(set(answer)) == 1
        assert b'"accepted":1' in answer[0]
        assert b'"rejected":1' in answer[0]
    with open_store(store_url) as store, store.database.read() as connection:
        assert len(connection.execute(select(events.c.event_id)).all()) == n
    other = send(server.url, [event("other")], headers={"Idempotency-Key": "key-0"})
    assert (other.status_code, other.json()["error"]) == (422, "invalid")
    assert "another body" in other.json()["detail"]


def thrice(url: str, number: int) -> list[bytes]:
    """The answers to one request that is sent by three clients at once, each until it is answered."""
    body = [event(number), {"lead_id": f"L-{number}", "event_type": "page_view", "occurred_at": "never"}]
    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(lambda _: _answered(url, body, f"key-{number}"), range(3)))


def _answered(url: str, body: list[dict[str, Any]], key: str) -> bytes:
    while (answer := send(url, body, headers={"Idempotency-Key": key})).status_code == 409:
        assert answer.json()["error"] == "running"
        time.sleep(0.02)
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.mark.proof("repeat")
def test_a_request_that_is_being_worked_on_is_not_begun_again(
    inside: Inside, own_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go, calls = threading.Event(), threading.Event(), [0]
    add = Events.add

    def slow(self: Events, sent: list[EventIn], now: int, earliest: int, key: str) -> list[EventResult]:
        calls[0] += 1
        entered.set()
        go.wait(30)
        return add(self, sent, now, earliest, key)

    monkeypatch.setattr(Events, "add", slow)
    options: dict[str, Any] = {"json": {"events": [event(1)]}, "headers": {"Idempotency-Key": "k"}}

    async def both() -> tuple[httpx.Response, httpx.Response]:
        first = asyncio.create_task(inside.client.post("/v1/events", **options))
        await asyncio.to_thread(entered.wait, 30)
        second = await inside.client.post("/v1/events", **options)
        go.set()
        return await first, second

    first, second = inside.runner.run(both())
    assert (second.status_code, second.json()["error"]) == (409, "running")
    assert second.headers["retry-after"] == "1"
    assert first.json()["accepted"] == 1
    assert inside.post("/v1/events", **options).content == first.content
    assert calls == [1]
