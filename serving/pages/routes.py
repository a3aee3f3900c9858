"""All pages, one noun per file."""

from __future__ import annotations

from starlette.routing import BaseRoute

from serving.pages import (
    decisions,
    entry,
    erasure,
    exports,
    funnel,
    lead,
    leads,
    printed,
    publishing,
    thresholds,
    trust,
)

NOUNS = (
    entry,
    leads,
    printed,
    exports,
    lead,
    decisions,
    erasure,
    funnel,
    thresholds,
    publishing,
    trust,
)


def page_routes() -> list[BaseRoute]:
    """The routes of all pages."""
    return [route for noun in NOUNS for route in noun.router.routes]
