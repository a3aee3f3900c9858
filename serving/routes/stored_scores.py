"""Scores a lead by what the store holds of it."""

from __future__ import annotations

from msgspec.structs import replace

from data.histories import Histories
from features.numbers_in_words import number
from features.views import still_held
from serving.http.answers import single
from serving.http.services import Services
from serving.messages.problems import Refused
from serving.messages.schemas import Extra, ScoreAnswer
from serving.scoring.request_histories import RequestHistories
from serving.scoring.served_model import ServedModel
from serving.store.store import Store


def histories_of(store: Store, live: ServedModel, lead_id: str, as_of: int) -> Histories:
    """What was known of a lead before `as_of`, µs UTC, and still held then, as the model reads it."""
    return still_held(store.histories.of([lead_id], as_of, live.profile_columns, live.reader.bots), as_of)


def score_of(services: Services, live: ServedModel, lead_id: str, as_of: int, extra: Extra) -> ScoreAnswer:
    """The answer for a stored lead. Raises Refused for one that is unknown, away, objects or has too long a history."""
    lead = services.store.leads.get(lead_id)
    if lead is None:
        raise Refused("not_found", "there is no such lead in the store; put it or send its events first")
    if lead.away_since is not None:
        raise Refused("not_found", "this lead was merged into another one, or deleted: it is in no list and not scored")
    if lead.objection:
        raise Refused("objection", "this lead objects to being scored; PUT /v1/leads/ID/objection changes that")
    if lead.events > services.limits.stored_events:
        raise Refused("too_large", f"this lead has {number(lead.events)} events, more than a server may read")
    histories = histories_of(services.store, live, lead_id, as_of)
    requests = RequestHistories(histories, histories.profiles.columns.to_pylist())
    scored = live.score(requests, [as_of])
    services.metrics.scored(live, scored)
    unused = sorted(set(histories.types) - live.known_types)
    return _standing(services.store, single(live, requests, scored, as_of, unused, extra), lead_id)


def _standing(store: Store, answer: ScoreAnswer, lead_id: str) -> ScoreAnswer:
    """The answer with the stage that lists show; a lead that was never scored stands where its probability puts it."""
    stages = {standing.target: standing.stage for standing in store.scores.standing(lead_id)}
    stage = answer.score.stage
    score = replace(answer.score, stage=stages.get(answer.target, stage), stage_without_history=stage)
    return replace(answer, score=score)
