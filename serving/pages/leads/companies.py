"""Companies: by their likeliest lead, and one of them with its leads, stages, deals and how its chances move."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import Response

from serving.http.lead_paths import CompanyQueryRoute, LeadRoute
from serving.messages.problems import Refused
from serving.pages.leads.leads import STEPS, LeadLine, line_of
from serving.pages.rendering.addresses import checked, company_address, lead_address
from serving.pages.rendering.page_context import PageContext
from serving.pages.rendering.page_guard import requires_role
from serving.store.leads.companies import Company

SHOWN = 25
"""Leads that the page of a company shows."""


@dataclass(frozen=True)
class CompanyLine:
    """A company as the list shows it; best: its likeliest lead."""

    company: Company
    best: LeadLine
    trend: int


@requires_role("viewer")
def companies(context: PageContext) -> Response:
    """Companies, each where its likeliest lead stands in the list."""
    store, live = context.services.store, context.services.champion.live
    after = dict(context.asked).get("after")
    page = store.companies.page(context.services.target_name, after)
    return context.render(
        "companies.html",
        here="leads",
        lines=[
            CompanyLine(company, line_of(best, live, context), trend(company))
            for company in page.companies
            for best in company.shown
        ],
        more=f"/companies?{urlencode({'after': page.next})}" if page.next else "",
        is_first=after is None,
        live=live,
        days=live.target.horizon_days if live else 0,
        lead_address=lead_address,
        company_address=company_address,
    )


@requires_role("viewer")
def company(context: PageContext) -> Response:
    """One company."""
    live, target = context.services.champion.live, context.services.target_name
    account_id = checked(context.request.path_params["account_id"])
    deals = live.target.outcomes if live else ()
    known = context.services.store.companies.of(target, account_id, deals, shown=SHOWN)
    if known is None:
        raise Refused("not_found", "no lead is of this company")
    return context.render(
        "company.html",
        here="leads",
        company=known,
        lines=[line_of(entry, live, context) for entry in known.shown],
        trend=trend(known),
        live=live,
        days=live.target.horizon_days if live else 0,
        lead_address=lead_address,
        steps=STEPS,
    )


def trend(company: Company) -> int:
    """Whether what is expected of a company has moved by more than a tenth of itself within a week: -1, 0, 1."""
    before = company.expected_before
    if before is None:
        return 0
    now = sum(member.probability or 0.0 for member in company.members if member.before is not None)
    return int(now > 1.1 * before) - int(now < 0.9 * before)


routes = [
    LeadRoute("/companies", companies),
    LeadRoute("/companies/{account_id}", company),
    CompanyQueryRoute("/company", company, name="company_by_query"),
]
