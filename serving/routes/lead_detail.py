"""All that is known of one stored lead, for people and services that ask."""

from __future__ import annotations

from itertools import islice

from data.histories import Histories
from serving.http.services import Services
from serving.messages.lead_schemas import LeadAnswer, PastEvent, PastScore, ProfileVersion, StageDecision, StageStep
from serving.messages.problems import Refused
from serving.messages.times import at
from serving.messages.work_schemas import WorkStep
from serving.routes.stored_scores import histories_of
from serving.store.leads.decisions import Decision
from serving.store.leads.work import Step

NEWEST = 100
"""Events that are shown."""


def lead_detail(services: Services, lead_id: str) -> LeadAnswer:
    """Profile, newest events, scores and stage changes; no probability while it objects. Raises Refused for a lead that
    the store does not know."""
    store = services.store
    lead = store.leads.get(lead_id)
    if lead is None:
        raise Refused("not_found", "there is no such lead in the store")
    live = services.champion.current()
    histories = histories_of(store, live, lead_id, services.clock() + 1)
    return LeadAnswer(
        lead.lead_id,
        lead.account_id,
        lead.objection,
        at(lead.created_at),
        at(lead.changed_at),
        lead.events,
        [ProfileVersion(at(version.valid_from), version.account_id, version.attributes) for version in lead.versions],
        list(islice((_event(histories, row) for row in reversed(range(histories.n_events))), NEWEST)),
        [
            PastScore(
                score.target,
                at(score.as_of),
                at(score.scored_at),
                score.probability,
                (score.low, score.high),
                score.stage,
                score.model_version,
                score.model_digest,
            )
            for score in ([] if lead.objection else store.scores.history(lead_id))
        ],
        [
            StageStep(
                change.target,
                at(change.at),
                change.before,
                change.after,
                change.cause,
                None if lead.objection else change.probability,
                change.model_version,
            )
            for change in store.scores.changes(lead_id)
        ],
        _decision(store.decisions.of(lead_id, live.target.name)),
        [work_step(step) for step in store.work.of(lead_id)],
    )


def work_step(step: Step) -> WorkStep:
    """A step of sales' work as it is told."""
    until = None if step.until is None else at(step.until)
    return WorkStep(
        step.number, at(step.at), step.action, step.worker, step.reason, until, step.stage, step.probability
    )


def _decision(made: Decision | None) -> StageDecision | None:
    if made is None:
        return None
    return StageDecision(made.stage, made.reason, made.by, at(made.at), None if made.until is None else at(made.until))


def _event(histories: Histories, row: int) -> PastEvent:
    channel, value = int(histories.channel[row]), float(histories.value[row])
    return PastEvent(
        histories.types[histories.event_type[row]],
        at(int(histories.occurred_at[row])),
        at(int(histories.known_at[row])),
        None if channel < 0 else histories.channels[channel],
        None if value != value else value,
        bool(histories.bot[row]),
    )
