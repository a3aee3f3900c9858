"""What people decide about a lead: its stage against the model, and that it objects or no longer does."""

from __future__ import annotations

from fastapi import APIRouter, Response

from data.contract import US_PER_DAY
from serving.http.lead_rights import note_objection
from serving.messages.problems import Refused
from serving.pages.leads.lead import DAYS
from serving.pages.rendering.addresses import asked_lead, lead_address
from serving.pages.rendering.page_context import Visit, shows
from serving.store.leads.decisions import REASONS, Decision
from training.thresholds.stages import UNQUALIFIED

router = APIRouter()


@router.post("/decisions")
@shows("editor")
def decide(visit: Visit) -> Response:
    """Sets a lead's stage, with a reason and for a time."""
    lead_id, form = _known(visit), visit.form
    live = visit.services.champion.current()
    stage, reason, days = form.get("stage", ""), form.get("reason", ""), form.get("days", "")
    stages = {UNQUALIFIED, *(each.stage for each in live.thresholds)}
    if stage not in stages or reason not in REASONS or days not in ("", *map(str, DAYS)):
        raise Refused("invalid", "the form has a value that cannot be")
    until = visit.now + int(days) * US_PER_DAY if days else None
    decision = Decision(stage, reason, visit.who, visit.now, until)
    visit.services.store.decisions.make(lead_id, live.target.name, decision)
    return visit.to(f"{lead_address(lead_id)}#decision")


@router.post("/decisions/lift")
@shows("editor")
def lift(visit: Visit) -> Response:
    """Gives the stage back to the model."""
    lead_id, live = _known(visit), visit.services.champion.current()
    visit.services.store.decisions.lift(lead_id, live.target.name, visit.who, visit.now)
    return visit.to(f"{lead_address(lead_id)}#decision")


@router.get("/objections")
@shows("editor")
def objections(visit: Visit) -> Response:
    """Where an objection is noted or taken back by id, because a lead that objects is shown nowhere."""
    return visit.page("objections.html", noted=visit.request.query_params.get("noted") == "1")


@router.post("/objections")
@shows("editor")
def note(visit: Visit) -> Response:
    """Notes that a lead objects, or no longer does."""
    lead_id, objects = asked_lead(visit), visit.form.get("objects", "")
    if objects not in ("yes", "no"):
        raise Refused("invalid", "the form has a value that cannot be")
    note_objection(visit.services, lead_id, objects == "yes", visit.who)
    return visit.to("/objections?noted=1" if objects == "yes" else lead_address(lead_id))


def _known(visit: Visit) -> str:
    """The lead that a form is about. Raises Refused for one that is not shown."""
    lead_id = asked_lead(visit)
    if visit.services.store.leads.shown(lead_id) is None:
        raise Refused("not_found", "there is no such lead")
    return lead_id
