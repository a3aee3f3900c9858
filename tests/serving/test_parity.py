"""Training row = serving row: the server answers what the batch scorer does, through JSON and both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast
from urllib.parse import quote

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from data.histories import Histories
from data.log.eventlog import EventLog, bucket_of
from data.visibility import is_visible
from features.kernel import Moments, compute, compute_arrays
from serving.app import create_app
from serving.http.services import Services
from serving.messages.times import at, us
from serving.scoring.scorer import Scorer, Trees
from serving.store.events.event_validation import EventIn
from serving.store.store import Store
from serving.trees.matrix import MatrixPlan
from serving.trees.predictor import Predictor
from tests.serving.inside import Inside
from tests.serving.workshop import Workshop, log_of
from training.artifact.loaded_model import load_model

pytestmark = pytest.mark.proof("parity")


@dataclass(frozen=True)
class Pair:
    """A lead at a moment, as the batch scorer judges it, and as a caller would tell it."""

    lead_id: str
    as_of: int
    probability: float
    features: dict[str, Any]
    request: dict[str, Any]


def pairs(log: EventLog, scorer: Scorer, most: int) -> Iterator[Pair]:
    """Leads of all buckets at moments of their lives, some exactly at one of their events."""
    rng = np.random.default_rng(5)
    for number in range(log.n_buckets):
        histories = log.bucket(number)
        raw = raw_events(log, number)
        moments_per_lead = -(-most // max(1, log.n_leads))
        lead = np.repeat(np.arange(histories.n_leads, dtype=np.int32), moments_per_lead)
        as_of = np.concatenate(
            [np.sort(moments_of(histories, i, moments_per_lead, rng)) for i in range(histories.n_leads)]
        )
        scores = scorer.score(histories, Moments(lead, as_of))
        rows = scores.features.to_pylist()
        for i in range(len(lead)):
            lead_id = histories.lead_ids[int(lead[i])].as_py()
            request = told(histories, raw[lead_id], int(lead[i]), int(as_of[i]))
            yield Pair(lead_id, int(as_of[i]), float(scores.probability[i]), rows[i], request)


def moments_of(histories: Histories, lead: int, n: int, rng: np.random.Generator) -> np.ndarray:
    known = histories.known_at[histories.starts[lead] : histories.starts[lead + 1]]
    if not len(known):
        return np.full(n, histories.profiles.valid_from[histories.profiles.starts[lead]], np.int64)
    drawn = rng.integers(known.min(), known.max() + 40 * 86_400_000_000, n)
    return np.where(rng.random(n) < 0.3, rng.choice(known, n), drawn)


def raw_events(log: EventLog, bucket: int) -> dict[str, list[dict[str, Any]]]:
    """The events of a bucket by lead, as they stand on disk."""
    folder = log.path / log.generation
    leads = pq.read_table(folder / f"leads-{bucket:02d}.parquet").to_pylist()
    rows = iter(pq.read_table(folder / f"events-{bucket:02d}.parquet").to_pylist())
    return {lead["lead_id"]: [next(rows) for _ in range(lead["events"])] for lead in leads}


def told(histories: Histories, events: list[dict[str, Any]], lead: int, as_of: int) -> dict[str, Any]:
    """A request in random order, with a duplicate, and with what lies in the future: it must make no difference."""
    rng = np.random.default_rng(as_of % 2**32)
    sent = [
        {
            "event_type": event["event_type"],
            "occurred_at": event["occurred_at"],
            "received_at": event["known_at"],
            "channel": event["channel"],
            "value": event["value"],
            "source": event["source"] or None,
            "event_id": event["event_id"],
        }
        for event in events
    ]
    order = [*rng.permutation(len(sent)).tolist(), *range(min(len(sent), 1))]
    profiles = histories.profiles
    first, last = int(profiles.starts[lead]), int(profiles.starts[lead + 1])
    version = max(
        (row for row in range(first, last) if is_visible(int(profiles.valid_from[row]), as_of)), default=first
    )
    attributes = profiles.columns.slice(version, 1).to_pylist()[0] if last > first else {}
    since = int(profiles.valid_from[first]) if last > first else as_of
    return {
        "events": [sent[i] for i in order],
        "profile": attributes,
        "known_since": at(since),
        "as_of": at(as_of),
    }


@pytest.fixture(scope="module")
def reference(workshop: Workshop) -> Scorer:
    return Scorer(cast(Trees, load_model(workshop.artifact)))  # LightGBM itself predicts


def test_a_told_lead_scores_as_in_the_batch(inside: Inside, reference: Scorer, workshop: Workshop, full: bool) -> None:
    tried = 0
    for pair in pairs(log_of(workshop), reference, 10_000 if full else 700):
        if not full and tried >= 400:
            break
        body = msgspec.json.encode(pair.request)
        answer = inside.post("/v1/score?features=true", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 200, answer.text
        score = answer.json()["score"]
        assert score["probability"] == pytest.approx(pair.probability, rel=0, abs=1e-12)
        assert score["features"] == {k: None if v != v else v for k, v in pair.features.items()}
        tried += 1
    assert tried >= (10_000 if full else 300)


def test_a_stored_lead_scores_as_in_the_batch(
    services: Services, store: Store, reference: Scorer, workshop: Workshop, full: bool
) -> None:
    stored, tried, log = set(), 0, log_of(workshop)
    server = Inside(create_app(replace(services, store=store)))
    for pair in pairs(log, reference, 10_000 if full else 700):
        if not full and tried >= 60:
            break
        if pair.lead_id not in stored:
            put(store, log, pair.lead_id)
            stored.add(pair.lead_id)
        answer = server.get(f"/v1/leads/{quote(pair.lead_id, safe='')}/score", params={"as_of": at(pair.as_of)})
        assert answer.status_code == 200, answer.text
        assert answer.json()["score"]["probability"] == pytest.approx(pair.probability, rel=0, abs=1e-12)
        tried += 1
    server.close()
    assert tried >= (10_000 if full else 60)


def test_the_matrix_of_a_request_is_the_encoders(workshop: Workshop) -> None:
    """On random leads at random moments, bit for bit; one that swaps two columns would be seen."""
    scorer = Scorer(Predictor.load(workshop.artifact))
    log, rng = log_of(workshop), np.random.default_rng(8)
    plan, compared = MatrixPlan(scorer.catalogue, scorer.model.manifest.features), 0
    for number in range(log.n_buckets):
        histories = log.bucket(number)
        if not histories.n_leads:
            continue
        as_of = np.concatenate([moments_of(histories, lead, 1, rng) for lead in range(histories.n_leads)])
        moments = Moments(np.arange(histories.n_leads, dtype=np.int32), as_of)
        expected = scorer.encoder.matrix(compute(scorer.plan, histories, moments)).astype(np.float64)
        versions = histories.profiles.columns.to_pylist()
        matrix = plan.matrix(compute_arrays(scorer.plan, histories, moments), histories, versions)
        np.testing.assert_array_equal(matrix, expected)
        assert not np.array_equal(matrix[:, ::-1], expected, equal_nan=True)
        compared += len(matrix)
    assert compared > 300


def put(store: Store, log: EventLog, lead_id: str) -> None:
    """Sends a lead's whole story to the store."""
    now = log.observed_until_us + 10**9
    number = bucket_of(lead_id, log.n_buckets)
    history = log.find(lead_id)
    sent = [
        EventIn(
            lead_id,
            row["event_type"],
            us(row["occurred_at"]),
            row["channel"],
            row["value"],
            us(row["known_at"]),
            row["source"],
            row["event_id"],
        )
        for row in raw_events(log, number)[lead_id]
    ]
    results = store.events.add(sent, now) if sent else []
    assert {result.status for result in results} <= {"accepted"}
    for row, valid_from in enumerate(history.profiles.valid_from.tolist()):
        store.leads.put(lead_id, valid_from, None, history.profiles.columns.slice(row, 1).to_pylist()[0], now)
    if not len(history.profiles.valid_from) and not sent:
        raise AssertionError(f"{lead_id} has no story")
