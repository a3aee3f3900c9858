"""What sales does with a lead, for the CRM or dialler in which it was done."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from serving.http import idempotency
from serving.http.authentication import caller_of, needs
from serving.http.lead_paths import lead_routes
from serving.http.openapi import documented, lead_id
from serving.http.sales_actions import ActionWish, act_on
from serving.http.services import Services
from serving.messages.body import decode
from serving.messages.work_schemas import Reject, Snooze, WorkRequest, WorkStep
from serving.routes.lead_detail import work_step
from serving.routes.leads import lead_of

WORK: msgspec.json.Decoder[WorkRequest] = msgspec.json.Decoder(WorkRequest)
BODY = ("malformed", "too_slow", "too_large", "not_json", *idempotency.REFUSALS)
EXAMPLE = {"action": "reject", "seen": 1, "owner": "anna", "reason": "timing"}


@needs("ingest")
@documented(WorkStep, WorkRequest, EXAMPLE, (*BODY, "not_found"), parameters=[lead_id(), idempotency.ABOUT])
async def work_on_lead(request: Request) -> Response:
    """Take, assign, accept, reject, snooze or hand back a lead; 409 says what somebody else has done meanwhile."""
    services: Services = request.app.state.services
    services.work.writes.check()
    lead, body = lead_of(request), await services.bodies.json(request)
    asked, who = decode(WORK, body), caller_of(request).who
    reason = asked.reason if isinstance(asked, Reject) else None
    days = int(asked.days) if isinstance(asked, Snooze) else None
    wish = ActionWish(str(asked.__struct_config__.tag), int(asked.seen), asked.owner, reason, days)
    return await idempotency.answer_once(request, body, lambda: work_step(act_on(services, lead, wish, who, None)))


routes = [
    *lead_routes("/v1/leads/{lead_id}/work", work_on_lead, methods=["POST"]),
]
