"""All pages, one noun per file."""

from __future__ import annotations

from starlette.routing import BaseRoute

from serving.pages import decisions, entry, erasure, exports, lead, leads, printed, publishing, thresholds

NOUNS = (
    entry,
    leads,
    printed,
    exports,
    lead,
    decisions,
    erasure,
    thresholds,
    publishing,
)


def page_routes() -> list[BaseRoute]:
    """The routes of all pages."""
    return [route for noun in NOUNS for route in noun.router.routes]
