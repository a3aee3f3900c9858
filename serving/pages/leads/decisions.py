"""What people decide about a lead: its stage against the model, and that it objects or no longer does."""

from __future__ import annotations

from urllib.parse import unquote, urlencode

from starlette.responses import Response
from starlette.routing import Route

from data.contract import US_PER_DAY
from serving.http.data_subject_requests import note_objection
from serving.messages.problems import Refused
from serving.pages.leads.lead import DAYS
from serving.pages.rendering.addresses import asked_lead, checked, key_of, lead_address
from serving.pages.rendering.page_context import PageContext
from serving.pages.rendering.page_guard import requires_role
from serving.store.leads.decisions import REASONS, Decision
from training.thresholds.stages import UNQUALIFIED


@requires_role("editor")
def decide(context: PageContext) -> Response:
    """Sets a lead's stage, with a reason and for a time."""
    lead_id, form = _known(context), context.form
    live = context.services.champion.current()
    stage, reason, days = form.get("stage", ""), form.get("reason", ""), form.get("days", "")
    stages = {UNQUALIFIED, *(threshold.stage for threshold in live.thresholds)}
    if stage not in stages or reason not in REASONS or days not in ("", *map(str, DAYS)):
        raise Refused("invalid", "the form has a value that cannot be")
    until = context.now + int(days) * US_PER_DAY if days else None
    decision = Decision(stage, reason, context.who, context.now, until)
    context.services.store.decisions.make(lead_id, live.target.name, decision)
    return context.redirect(f"{lead_address(lead_id)}#decision")


@requires_role("editor")
def lift(context: PageContext) -> Response:
    """Gives the stage back to the model."""
    lead_id, live = _known(context), context.services.champion.current()
    context.services.store.decisions.lift(lead_id, live.target.name, context.who, context.now)
    return context.redirect(f"{lead_address(lead_id)}#decision")


@requires_role("editor")
def objections(context: PageContext) -> Response:
    """Where an objection is noted or taken back by id, because a lead that objects is shown nowhere."""
    asked = dict(context.asked)
    noted, lead_id = (checked(unquote(asked[name])) if asked.get(name) else "" for name in ("noted", "lead"))
    there = context.services.store.leads.get(noted) if noted else None
    if there is None or not there.objection:
        noted = ""  # whatever the address says
    return context.render("objections.html", noted=noted, lead_id=lead_id, key_of=key_of, lead_address=lead_address)


@requires_role("editor")
def note(context: PageContext) -> Response:
    """Notes that a lead objects, or no longer does."""
    lead_id, objects = asked_lead(context), context.form.get("objects", "")
    if objects not in ("yes", "no"):
        raise Refused("invalid", "the form has a value that cannot be")
    note_objection(context.services, lead_id, objects == "yes", context.who)
    noted = f"/objections?{urlencode({'noted': key_of(lead_id)})}"
    return context.redirect(noted if objects == "yes" else lead_address(lead_id))


def _known(context: PageContext) -> str:
    """The lead that a form is about. Raises Refused for one that is not shown."""
    lead_id = asked_lead(context)
    if context.services.store.leads.shown(lead_id) is None:
        raise Refused("not_found", "there is no such lead")
    return lead_id


routes = [
    Route("/decisions", decide, methods=["POST"]),
    Route("/decisions/lift", lift, methods=["POST"]),
    Route("/objections", objections),
    Route("/objections", note, methods=["POST"]),
]
