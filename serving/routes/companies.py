"""Companies that the store knows: by their likeliest lead, and one of them with its leads."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from data.contract import UsageError
from data.ids import NoId, required_id
from serving.http.answers import json
from serving.http.authentication import needs
from serving.http.lead_paths import CompanyQueryRoute, LeadRoute
from serving.http.openapi import documented, lead_id, query
from serving.http.queries import Query
from serving.http.services import Services
from serving.messages.company_schemas import CompanyAnswer, CompanyLead, CompanyList
from serving.messages.problems import Refused
from serving.messages.times import at
from serving.store.database.cursor import LONGEST
from serving.store.leads.companies import Company

CURSOR = query("cursor", "`next` of the page before", {"type": "string", "minLength": 1, "maxLength": LONGEST})
ACCOUNT = lead_id() | {"name": "account_id"}


@needs("read")
@documented(CompanyList, refusals=("invalid", "not_found", "store_away"), parameters=[CURSOR])
async def list_companies(request: Request) -> Response:
    """Companies, each where its likeliest lead stands; a page may be empty and go on."""
    services: Services = request.app.state.services
    return json(await services.read(_page, services, Query(request, "cursor").cursor("cursor")))


@needs("read")
@documented(CompanyAnswer, refusals=("invalid", "not_found", "store_away"), parameters=[ACCOUNT])
async def get_company(request: Request) -> Response:
    """The leads of an account, the likeliest first, at most 500 of them: stages, newest activity, deals and trend."""
    services: Services = request.app.state.services
    try:
        account_id = required_id(request.path_params["account_id"])
    except NoId as error:
        raise Refused("invalid", f"account_id {error}") from None
    return json(await services.read(_one, services, account_id))


def _page(services: Services, cursor: str | None) -> CompanyList:
    try:
        page = services.store.companies.page(services.target_name, cursor)
    except UsageError:
        raise Refused("not_found", "there is no page of this cursor; begin without a cursor") from None
    return CompanyList([_answer(company) for company in page.companies], page.next)


def _one(services: Services, account_id: str) -> CompanyAnswer:
    live = services.champion.live
    company = services.store.companies.of(services.target_name, account_id, live.target.outcomes if live else ())
    if company is None:
        raise Refused("not_found", "no lead of the store is of this account")
    return _answer(company)


def _answer(company: Company) -> CompanyAnswer:
    active_at = company.active_at
    leads = [
        CompanyLead(
            member.lead_id,
            member.stage,
            member.probability,
            member.before,
            None if member.active_at is None else at(member.active_at),
        )
        for member in company.members
    ]
    return CompanyAnswer(
        company.account_id,
        leads,
        company.unscored,
        company.is_all,
        company.stages,
        None if active_at is None else at(active_at),
        dict(company.deals),
        company.expected,
        company.expected_before,
    )


routes = [
    LeadRoute("/v1/companies", list_companies),
    LeadRoute("/v1/companies/{account_id}", get_company),
    CompanyQueryRoute("/v1/company", get_company, name="get_company_by_query"),
]
