"""All pages, one noun per file. Who may see one: its `@requires_role` (serving/pages/rendering/page_guard.py)."""

from __future__ import annotations

from starlette.routing import Route

from serving.pages import funnel, publishing, sales, sign_in, thresholds, trust
from serving.pages.exports import exports
from serving.pages.leads import companies, decisions, erasure, lead, leads, past_score, print_list, today, work

NOUNS = (
    sign_in,
    today,
    work,
    leads,
    companies,
    print_list,
    exports,
    past_score,
    lead,
    decisions,
    erasure,
    sales,
    funnel,
    thresholds,
    publishing,
    trust,
)


def page_routes() -> list[Route]:
    """The routes of all pages."""
    return [route for noun in NOUNS for route in noun.routes]
