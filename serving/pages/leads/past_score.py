"""A score of the past: what was said then, made again from what the store knows of that time, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace

from starlette.responses import Response
from starlette.routing import Route

from features.dates import minute
from serving.http.queries import whole_number
from serving.messages.problems import Refused
from serving.messages.schemas import Reasons
from serving.messages.times import iso
from serving.pages.leads.why import one_in_words
from serving.pages.rendering.addresses import checked, lead_address
from serving.pages.rendering.page_context import PageContext
from serving.pages.rendering.page_guard import requires_role
from serving.scoring.reason_wording import reasons_of
from serving.scoring.scored_again import Change, ScoredAgain, score_again
from serving.scoring.served_model import ServedModel
from serving.store.scores.scores import ScoreRecord

SCORES = 500


@dataclass(frozen=True)
class Then:
    """A score made again, its reasons as they would have been told then, and what has changed since in words."""

    again: ScoredAgain
    reasons: Reasons
    changes: list[str]


@requires_role("viewer")
def then(context: PageContext) -> Response:
    """Why a lead had the score that it had at a moment. Another model than the one in place is not at hand here."""
    asked = dict(context.asked)
    if "lead" not in asked:
        return context.redirect("/leads")
    lead_id, moment = checked(asked.get("lead", "")), whole_number(asked.get("as_of", ""))
    store, live = context.services.store, context.services.champion.live
    if store.leads.shown(lead_id) is None:
        return context.render("no_lead.html", 404, here="leads")
    target = context.services.target_name
    scores = [score for score in store.scores.history(lead_id, SCORES) if score.target == target]
    stored = next((score for score in scores if score.as_of == moment), None)
    if stored is None:
        raise Refused("not_found", "there is no such score")
    is_at_hand = live is not None and live.model.digest == stored.model_digest
    return context.render(
        "then.html",
        here="leads",
        lead_id=lead_id,
        back=lead_address(lead_id),
        score=stored,
        then=_then(context, live, stored) if live and is_at_hand else None,
        command=f"leadscore explain {lead_id} --as-of {iso(stored.as_of)}",
    )


def _then(context: PageContext, live: ServedModel, stored: ScoreRecord) -> Then:
    manifest = live.scorer.model.manifest
    reader = context.services.store.histories
    history = reader.of([stored.lead_id], stored.as_of, manifest.profile_columns, manifest.bots)
    again = score_again(live.scorer, history, stored.as_of, stored.probability)
    reasons = reasons_of(again.reasons, live.scorer, replace(context.telling, now=stored.as_of))
    return Then(again, reasons, [_told(context, live, change) for change in again.changes])


def _told(context: PageContext, live: ServedModel, change: Change) -> str:
    at = minute(context.local(change.at), context.language)
    if change.kind == "profile":
        return context.telling.t("changed_profile", at=at)
    name = one_in_words(context, live, change.name)
    if change.since is None:
        return context.telling.t("changed_added", name=name, at=at)
    since = minute(context.local(change.since), context.language)
    return context.telling.t("changed_corrected", name=name, at=at, since=since)


routes = [
    Route("/then", then),
]
