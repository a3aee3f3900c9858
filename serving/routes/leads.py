"""Leads that the store keeps: their profile, history, score, stage, objection and erasure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from data.contract import UsageError
from serving.http import idempotency
from serving.http.answers import json
from serving.http.authentication import caller_of, needs
from serving.http.lead_rights import forget, note_objection
from serving.http.openapi import EXTRAS, describe, lead_id, query
from serving.http.queries import Query, extra_of
from serving.http.services import Services
from serving.messages.body import decode, read
from serving.messages.examples import PROFILE
from serving.messages.problems import Refused
from serving.messages.schemas import (
    LeadAnswer,
    LeadPage,
    LeadPut,
    LeadRequest,
    ListedLead,
    ObjectionRequest,
    ReceiptAnswer,
    ScoreAnswer,
)
from serving.messages.times import at, us
from serving.routes.lead_detail import story_of
from serving.routes.stored_scores import score_of
from serving.scoring.served_model import ServedModel
from serving.store.leads.listing import Filters, Listed

router = APIRouter()
PROFILE_SENT: msgspec.json.Decoder[LeadRequest] = msgspec.json.Decoder(LeadRequest)
OBJECTION: msgspec.json.Decoder[ObjectionRequest] = msgspec.json.Decoder(ObjectionRequest)
LEAD = lead_id()
BODY = ("malformed", "too_slow", "too_large", "not_json", *idempotency.REFUSALS)
TIME = {"type": "string", "format": "date-time"}
SHARE = {"type": "number", "minimum": 0, "maximum": 1}
TEXT = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[ -~]+$"}
FILTERS = (
    query("stage", "only this stage", TEXT),
    query("score_from", "lowest probability", SHARE),
    query("score_to", "highest probability", SHARE),
    query("changed_since", "only leads that changed since", TIME),
    query(
        "profile",
        "COLUMN:VALUE of the profile; repeatable",
        {"type": "array", "items": {"type": "string", "pattern": "^[!-9;-~]+:[ -~]+$", "maxLength": 400}},
    ),
    query(
        "order",
        "by id, by probability (highest first) or by change (newest first)",
        {"enum": ["lead_id", "probability", "changed_at"]},
    ),
    query("limit", "leads on a page", {"type": "integer", "minimum": 1, "maximum": 1000}),
    query("cursor", "`next` of the page before", TEXT),
)
AS_OF = query("as_of", "the moment to score at, default now", TIME)


@router.get(
    "/v1/leads", openapi_extra=describe(LeadPage, refusals=("invalid", "not_found", "store_away"), parameters=FILTERS)
)
@needs("read")
async def list_leads(request: Request) -> Response:
    """Leads by stage, score, change and profile, page by page."""
    services: Services = request.app.state.services
    names = ("stage", "score_from", "score_to", "changed_since", "order", "limit", "cursor")
    asked = Query(request, *names, many="profile")
    filters = _filters(asked, services.champion.live)
    return json(
        await run_in_threadpool(_page, services, filters, asked.text("cursor"), asked.whole("limit", 1, 1000, 100))
    )


@router.get(
    "/v1/leads/{lead_id}",
    openapi_extra=describe(LeadAnswer, refusals=("invalid", "not_found", "store_away"), parameters=[LEAD]),
)
@needs("read")
async def get_lead(request: Request, lead_id: str) -> Response:
    """Profile, newest events, scores that were recorded and stage changes of a lead."""
    services: Services = request.app.state.services
    return json(await run_in_threadpool(story_of, services, _checked(lead_id)))


@router.put(
    "/v1/leads/{lead_id}",
    openapi_extra=describe(LeadPut, LeadRequest, PROFILE, (*BODY, "gone"), parameters=[LEAD, idempotency.ABOUT]),
)
@needs("ingest")
async def put_lead(request: Request, lead_id: str) -> Response:
    """Add a version of a lead's profile; on disk when the answer is sent."""
    services: Services = request.app.state.services
    lead, body = _checked(lead_id), await read(request, services.limits)
    asked = decode(PROFILE_SENT, body)
    return await idempotency.once(request, body, lambda: _put(services, lead, asked))


@router.delete(
    "/v1/leads/{lead_id}", openapi_extra=describe(ReceiptAnswer, refusals=("invalid", "store_away"), parameters=[LEAD])
)
@needs("admin")
async def forget_lead(request: Request, lead_id: str) -> Response:
    """Erase a lead and all that is kept of it, and refuse late events about it; repeatable."""
    services: Services = request.app.state.services
    return json(await run_in_threadpool(_forget, services, _checked(lead_id), caller_of(request).who))


@router.put(
    "/v1/leads/{lead_id}/objection",
    openapi_extra=describe(
        ObjectionRequest, ObjectionRequest, {"objects": True}, (*BODY, "not_found"), parameters=[LEAD]
    ),
)
@needs("admin")
async def object_to_scores(request: Request, lead_id: str) -> Response:
    """Note that a lead objects to being scored, or no longer does; its data stays."""
    services: Services = request.app.state.services
    lead = _checked(lead_id)
    asked = decode(OBJECTION, await read(request, services.limits))
    return json(await run_in_threadpool(_object, services, lead, asked, caller_of(request).who))


@router.get(
    "/v1/leads/{lead_id}/score",
    openapi_extra=describe(
        ScoreAnswer,
        refusals=("invalid", "conflict", "not_found", "objection", "too_large", "not_ready", "store_away"),
        parameters=[LEAD, AS_OF, *EXTRAS],
    ),
)
@needs("score")
async def score_lead(request: Request, lead_id: str) -> Response:
    """How likely a stored lead is to convert, by all that was known strictly before `as_of`."""
    services: Services = request.app.state.services
    asked = Query(request, "as_of", "features", "reasons", "horizons")
    extra, as_of, live = extra_of(request, asked), asked.time("as_of"), services.champion.current()
    moment = services.clock() if as_of is None else as_of
    return json(await run_in_threadpool(score_of, services, live, _checked(lead_id), moment, extra))


def _checked(lead_id: str) -> str:
    if not 0 < len(lead_id) <= 200 or any(each < " " or each == "\x7f" for each in lead_id):
        raise Refused("invalid", "lead_id: 1 to 200 characters, no control characters")
    return lead_id


def _filters(asked: Query, live: ServedModel | None) -> Filters:
    order: Any = asked.values.get("order", "lead_id")
    if order not in ("lead_id", "probability", "changed_at"):
        raise Refused("invalid", "order: lead_id, probability or changed_at")
    kinds = {} if live is None else live.profile_columns
    return Filters(
        target="conversion" if live is None else live.target.name,
        stage=asked.text("stage"),
        score_from=asked.number("score_from", 0, 1),
        score_to=asked.number("score_to", 0, 1),
        changed_since=asked.time("changed_since"),
        attributes=dict(_attribute(each, kinds) for each in asked.many),
        order=order,
    )


def _attribute(given: str, kinds: Mapping[str, str]) -> tuple[str, str | float]:
    column, colon, value = given.partition(":")
    if not column or not colon or not value or not given.isprintable():
        raise Refused("invalid", "profile: COLUMN:VALUE, printable characters")
    if kinds.get(column) != "number":
        return column, value
    try:
        return column, float(value)
    except ValueError:
        raise Refused("invalid", "profile: this column holds numbers") from None


def _page(services: Services, filters: Filters, cursor: str | None, limit: int) -> LeadPage:
    try:
        page = services.store.listing.page(filters, cursor, limit)
    except UsageError:
        raise Refused("not_found", "there is no page of this cursor in this order; begin without a cursor") from None
    return LeadPage([_listed(each) for each in page.leads], page.next)


def _listed(row: Listed) -> ListedLead:
    interval = None if row.low is None or row.high is None else (row.low, row.high)
    return ListedLead(
        row.lead_id,
        row.account_id,
        row.objection,
        at(row.created_at),
        at(row.changed_at),
        row.stage,
        row.model_stage,
        row.override,
        row.probability,
        interval,
        None if row.as_of is None else at(row.as_of),
        row.model_version,
    )


def _put(services: Services, lead_id: str, asked: LeadRequest) -> LeadPut:
    now = services.clock()
    since = now if asked.valid_from is None else us(asked.valid_from)
    added = services.store.leads.put(lead_id, since, asked.account_id, asked.profile, now)
    return LeadPut("accepted" if added else "duplicate")


def _object(services: Services, lead_id: str, asked: ObjectionRequest, who: str) -> ObjectionRequest:
    note_objection(services, lead_id, asked.objects, who)
    return asked


def _forget(services: Services, lead_id: str, who: str) -> ReceiptAnswer:
    receipt = forget(services, lead_id, who)
    values = asdict(receipt) | {"erased_at": at(receipt.erased_at), "limits": list(receipt.limits)}
    return ReceiptAnswer(**values)
