"""Idempotent requests: one effect, the same answer, also when they come at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from serving.store.access.replies import KEPT, LEASE, Answer, Claim, Mismatch, Running
from serving.store.store import Store

NOW = 1_700_000_000_000_000


def test_the_same_request_gets_the_same_answer(store: Store) -> None:
    claim = store.answers.recall("key", b"body", NOW)
    assert isinstance(claim, Claim)
    assert store.answers.recall("key", b"body", NOW) == Running()
    assert store.answers.recall("key", b"other", NOW) == Mismatch()
    store.answers.remember(claim, Answer(201, '{"ä": "\\u0000"}'))
    assert store.answers.recall("key", b"body", NOW + 1) == Answer(201, '{"ä": "\\u0000"}')
    assert store.answers.recall("key", b"other", NOW + 1) == Mismatch()
    assert isinstance(store.answers.recall("key 2", b"body", NOW), Claim)


def test_a_failed_request_may_be_sent_again(store: Store) -> None:
    claim = store.answers.recall("key", b"body", NOW)
    assert isinstance(claim, Claim)
    store.answers.release(claim)
    assert isinstance(store.answers.recall("key", b"body", NOW), Claim)


def test_a_request_whose_server_died_may_be_sent_again_and_the_dead_cannot_answer(store: Store) -> None:
    dead = store.answers.recall("key", b"body", NOW)
    assert store.answers.recall("key", b"body", NOW + LEASE) == Running()
    alive = store.answers.recall("key", b"body", NOW + LEASE + 1)
    assert isinstance(alive, Claim)
    assert isinstance(dead, Claim)
    store.answers.remember(dead, Answer(200, "dead"))
    store.answers.release(dead)
    store.answers.remember(alive, Answer(200, "alive"))
    assert store.answers.recall("key", b"body", NOW + LEASE + 2) == Answer(200, "alive")


def test_answers_are_forgotten_after_a_day(store: Store) -> None:
    claim = store.answers.recall("key", b"body", NOW)
    assert isinstance(claim, Claim)
    store.answers.remember(claim, Answer(200, "x"))
    assert store.answers.recall("key", b"body", NOW + KEPT) == Answer(200, "x")
    assert isinstance(store.answers.recall("key", b"other", NOW + KEPT + 1), Claim)


def test_of_many_at_the_same_time_one_is_done(store: Store) -> None:
    """200 requests, each sent by 4 clients at once: each is done once, and answered alike."""
    effects: list[int] = []
    lock = threading.Lock()

    def send(request: int) -> str:
        while True:
            recalled = store.answers.recall(f"key {request}", b"body", NOW)
            if isinstance(recalled, Claim):
                with lock:
                    effects.append(request)
                    number = len(effects)
                store.answers.remember(recalled, Answer(200, f"{request} was number {number}"))
            elif isinstance(recalled, Answer):
                return recalled.body

    requests = [request for request in range(50) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(send, requests))
    assert sorted(effects) == list(range(50))
    assert len(set(bodies)) == 50
