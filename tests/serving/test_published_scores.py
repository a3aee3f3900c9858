"""From log to page: a published lead scores online as in the batch of the log, and a server goes on meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast
from urllib.parse import quote

import httpx
import pyarrow as pa
import pytest
from sqlalchemy import func, select

from data.log.eventlog import EventLog
from features.kernel import Moments
from features.moments import open_moments
from serving.app import create_app
from serving.http.services import Services
from serving.messages.times import at
from serving.scoring.rescoring import Rescorer
from serving.scoring.scorer import Scorer, Trees
from serving.store.database.schema import events, leads
from serving.store.leads.worklist_query import WantedLeads
from serving.store.store import Store, open_store
from serving.trees.predictor import Predictor
from tests.serving.inside import Inside
from tests.serving.messy_year import Year
from tests.serving.server_process import ServerProcess
from tests.serving.workshop import Workshop, log_of
from training.artifact.loaded_model import load_model


def in_batch(log: EventLog, scorer: Scorer, now: int) -> dict[str, float]:
    """Probabilities of all open leads of a log."""
    scored: dict[str, float] = {}
    for number in range(log.n_buckets):
        histories = log.bucket(number)
        moments: Moments = open_moments(histories, scorer.target, now)
        names = histories.lead_ids.take(pa.array(moments.lead)).to_pylist()
        scored |= zip(names, scorer.score(histories, moments).probability.tolist(), strict=True) if names else {}
    return scored


def test_a_published_lead_scores_online_as_in_the_batch(
    services: Services, store: Store, workshop: Workshop, year: Year
) -> None:
    """By id, from the store, at the moment of the publication; LightGBM itself predicts in the batch."""
    reference = Scorer(cast(Trees, load_model(workshop.artifact)))
    server = Inside(create_app(replace(services, store=store)))
    tried = 0
    for log, now in year[-3:]:
        store.publication.run(log, now)
        for lead_id, probability in in_batch(log, reference, now).items():
            answer = server.get(f"/v1/leads/{quote(lead_id, safe='')}/score", params={"as_of": at(now)})
            assert answer.status_code == 200, answer.text
            assert answer.json()["score"]["probability"] == pytest.approx(probability, rel=0, abs=1e-12)
            tried += 1
    server.close()
    assert tried > 100


def test_the_list_holds_the_open_leads_of_the_log_and_their_probabilities(
    store: Store, workshop: Workshop, year: Year
) -> None:
    """Who is away, or was not there yet, is not in it; those who bought are customers."""
    scorer = Scorer(Predictor.load(workshop.artifact))
    for log, now in (year[2], year[-1]):
        store.publication.run(log, now)
        Rescorer(store, scorer, "1", "digest").run(lambda now=now: now)  # type: ignore[misc]
        entries = [entry for page in store.worklist.walk(WantedLeads(scorer.target.name)) for entry in page]
        probabilities = {entry.lead_id: entry.probability for entry in entries if entry.probability is not None}
        assert probabilities == pytest.approx(in_batch(log, scorer, now), rel=0, abs=1e-12)
        assert len(probabilities) > 30


def test_a_server_takes_events_in_while_a_log_is_published(
    start: Callable[..., ServerProcess], workshop: Workshop, tmp_path: Path
) -> None:
    """Nothing is refused, lost or doubled, on either side; the server scores what was published."""
    server, log = start(), log_of(workshop)
    server.ready()
    done, statuses, sent = threading.Event(), list[int](), list[str]()

    def send() -> None:
        with httpx.Client(base_url=server.url, timeout=60) as client:
            while not done.is_set() or len(sent) < 20:
                number = len(sent)
                event = {"lead_id": f"own-{number % 7}", "event_type": "page_view", "event_id": f"own-{number}"}
                body = {"events": [event | {"occurred_at": "2024-05-06T10:00:00Z"}]}
                statuses.append(client.post("/v1/events", json=body).status_code)
                sent.append(event["event_id"])

    sender = threading.Thread(target=send)
    sender.start()
    try:
        with open_store(f"sqlite:///{tmp_path / 'var' / 'store.db'}") as store:
            published = store.publication.run(log, log.observed_until_us + 1)
    finally:
        done.set()
        sender.join()
    assert set(statuses) == {200}
    with open_store(f"sqlite:///{tmp_path / 'var' / 'store.db'}") as store, store.database.read() as connection:
        known = connection.execute(select(func.count()).where(events.c.published)).scalar_one()
        own = set(connection.scalars(select(events.c.event_id).where(~events.c.published)))
        of_log = connection.scalars(select(leads.c.lead_id).where(leads.c.published.is_not(None)).limit(3)).all()
    assert known == published.events == log.n_events
    assert own == set(sent)
    for lead_id in of_log:
        assert httpx.get(f"{server.url}/v1/leads/{lead_id}/score", timeout=60).status_code == 200
