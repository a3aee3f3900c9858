"""Leads that the store keeps: their profile, history, score, stage, objection and erasure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from data.contract import UsageError
from data.numbers import NoNumber, number_from_text
from serving.http import idempotency
from serving.http.answers import json
from serving.http.authentication import caller_of, needs
from serving.http.data_subject_requests import forget, note_objection
from serving.http.lead_paths import lead_routes, sent_id
from serving.http.openapi import EXTRAS, documented, lead_id, query
from serving.http.queries import MOST_OF_ONE, Query, extra_of
from serving.http.services import Services
from serving.messages.body import decode
from serving.messages.examples import PROFILE
from serving.messages.lead_schemas import (
    LeadAnswer,
    LeadPage,
    LeadPut,
    LeadRequest,
    ListedLead,
    ObjectionRequest,
    ReceiptAnswer,
)
from serving.messages.problems import Refused
from serving.messages.schemas import ScoreAnswer
from serving.messages.times import at, earliest_of, written_us
from serving.routes.lead_detail import lead_detail
from serving.routes.stored_scores import score_of
from serving.scoring.served_model import ServedModel
from serving.store.database.cursor import LONGEST
from serving.store.leads.listing import ORDERS, Filters, Listed

PROFILE_SENT: msgspec.json.Decoder[LeadRequest] = msgspec.json.Decoder(LeadRequest)
OBJECTION: msgspec.json.Decoder[ObjectionRequest] = msgspec.json.Decoder(ObjectionRequest)
LEAD = lead_id()
BODY = ("malformed", "too_slow", "too_large", "not_json", "not_encoded", *idempotency.REFUSALS)
TIME = {"type": "string", "format": "date-time"}
SHARE = {"type": "number", "minimum": 0, "maximum": 1}
TEXT = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[ -~]+$"}
PAIR = {"type": "string", "pattern": "^[!-9;-~]+:[ -~]+$", "maxLength": 400}
FILTERS = (
    query("stage", "only this stage", TEXT),
    query("score_from", "lowest probability", SHARE),
    query("score_to", "highest probability", SHARE),
    query("changed_since", "only leads that changed since", TIME),
    query(
        "profile",
        "COLUMN:VALUE of the profile; repeatable, each column once",
        {
            "type": "array",
            "maxItems": MOST_OF_ONE,
            "items": {"type": "string", "pattern": "^[!-9;-~]+:[ -~]+$", "maxLength": 400},
        },
    ),
    query(
        "order",
        "by id, by probability (highest first), by time of change (newest first), or change by change (oldest first)",
        {"enum": [*ORDERS]},
    ),
    query("limit", "leads on a page", {"type": "integer", "minimum": 1, "maximum": 1000}),
    query("cursor", "`next` of the page before", TEXT | {"maxLength": LONGEST}),
)
AS_OF = query("as_of", "the moment to score at, default now", TIME)


@needs("read")
@documented(LeadPage, refusals=("invalid", "not_found", "store_away"), parameters=FILTERS)
async def list_leads(request: Request) -> Response:
    """Leads by stage, score, change and profile, page by page."""
    services: Services = request.app.state.services
    names = ("stage", "score_from", "score_to", "changed_since", "order", "limit", "cursor")
    asked = Query(request, *names, many="profile")
    filters = _filters(asked, services.champion.live)
    cursor, limit = asked.cursor("cursor"), asked.whole("limit", 1, 1000, 100)
    return json(await services.read(_page, services, filters, cursor, limit))


@needs("read")
@documented(LeadAnswer, refusals=("invalid", "not_found", "store_away"), parameters=[LEAD])
async def get_lead(request: Request) -> Response:
    """Profile, newest events, scores that were recorded and stage changes of a lead."""
    services: Services = request.app.state.services
    return json(await services.read(lead_detail, services, lead_of(request)))


@needs("ingest")
@documented(LeadPut, LeadRequest, PROFILE, (*BODY, "gone"), parameters=[LEAD, idempotency.ABOUT])
async def put_lead(request: Request) -> Response:
    """Add a version of a lead's profile; on disk when the answer is sent."""
    services: Services = request.app.state.services
    services.work.writes.check()
    lead, body = lead_of(request), await services.bodies.json(request)
    who = caller_of(request).who
    return await idempotency.answer_once(request, body, lambda: _put(services, lead, decode(PROFILE_SENT, body), who))


@needs("admin")
@documented(ReceiptAnswer, refusals=("invalid", "store_away", "unfinished"), parameters=[LEAD])
async def forget_lead(request: Request) -> Response:
    """Erase a lead and all that is kept of it, and refuse late events about it; repeatable."""
    services: Services = request.app.state.services
    return json(await services.work.writes.run(_forget, services, lead_of(request), caller_of(request).who))


@needs("admin")
@documented(ObjectionRequest, ObjectionRequest, {"objects": True}, (*BODY, "not_found"), parameters=[LEAD])
async def object_to_scores(request: Request) -> Response:
    """Note that a lead objects to being scored, or no longer does; its data stays."""
    services: Services = request.app.state.services
    lead = lead_of(request)
    asked = decode(OBJECTION, await services.bodies.json(request))
    return json(await services.work.writes.run(_object, services, lead, asked, caller_of(request).who))


@needs("score")
@documented(
    ScoreAnswer,
    refusals=("invalid", "conflict", "not_found", "objection", "too_large", "not_ready", "store_away"),
    parameters=[LEAD, AS_OF, *EXTRAS],
)
async def score_lead(request: Request) -> Response:
    """How likely a stored lead is to convert, by all that was known strictly before `as_of`."""
    services: Services = request.app.state.services
    asked = Query(request, "as_of", "features", "reasons", "horizons")
    extra, as_of, live = extra_of(request, asked), asked.time("as_of"), services.champion.current()
    moment = services.clock() if as_of is None else as_of
    return json(await services.work.by_id.run(score_of, services, live, lead_of(request), moment, extra))


def lead_of(request: Request) -> str:
    """The lead that the address names. Raises Refused for what is no id."""
    return sent_id(request.path_params["lead_id"])


def _filters(asked: Query, live: ServedModel | None) -> Filters:
    kinds = {} if live is None else live.profile_columns
    attributes = [_attribute(pair, kinds) for pair in asked.many]
    if len(attributes) > len({column.lower() for column, _ in attributes}):
        raise Refused("invalid", "profile: a column has one value; ask for one at a time")
    return Filters(
        target="conversion" if live is None else live.target.name,
        stage=asked.text("stage"),
        score_from=asked.number("score_from", 0, 1),
        score_to=asked.number("score_to", 0, 1),
        changed_since=asked.time("changed_since"),
        attributes=dict(attributes),
        order=asked.choice("order", ORDERS, "lead_id"),
    )


def _attribute(given: str, kinds: Mapping[str, str]) -> tuple[str, str | float]:
    column, colon, value = given.partition(":")
    if not column or not colon or not value or not given.isprintable():
        raise Refused("invalid", "profile: COLUMN:VALUE, printable characters")
    if kinds.get(column) != "number":
        return column, value
    try:
        return column, number_from_text(value)
    except NoNumber:
        raise Refused("invalid", "profile: this column holds numbers") from None


def _page(services: Services, filters: Filters, cursor: str | None, limit: int) -> LeadPage:
    try:
        page = services.store.listing.page(filters, cursor, limit)
    except UsageError:
        raise Refused("not_found", "there is no page of this cursor in this order; begin without a cursor") from None
    return LeadPage([_listed(row) for row in page.leads], page.next)


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
        None if row.chain is None else msgspec.json.decode(row.chain, type=dict[str, float]),
    )


def _put(services: Services, lead_id: str, asked: LeadRequest, who: str) -> LeadPut:
    now = services.clock()
    since = now if asked.valid_from is None else written_us(asked.valid_from, "$.valid_from")
    earliest = earliest_of(asked.earliest)
    added = services.store.leads.put(lead_id, since, asked.account_id, asked.profile, now, earliest, who)
    return LeadPut("accepted" if added else "duplicate")


def _object(services: Services, lead_id: str, asked: ObjectionRequest, who: str) -> ObjectionRequest:
    note_objection(services, lead_id, asked.objects, who)
    return asked


def _forget(services: Services, lead_id: str, who: str) -> ReceiptAnswer:
    receipt = forget(services, lead_id, who)
    values = asdict(receipt) | {"erased_at": at(receipt.erased_at), "limits": list(receipt.limits)}
    return ReceiptAnswer(**values)


routes = [
    Route("/v1/leads", list_leads),
    *lead_routes("/v1/leads/{lead_id}", get_lead),
    *lead_routes("/v1/leads/{lead_id}", put_lead, methods=["PUT"]),
    *lead_routes("/v1/leads/{lead_id}", forget_lead, methods=["DELETE"]),
    *lead_routes("/v1/leads/{lead_id}/objection", object_to_scores, methods=["PUT"]),
    *lead_routes("/v1/leads/{lead_id}/score", score_lead),
]
