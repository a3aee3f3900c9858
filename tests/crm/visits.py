"""What a web tracker sees of the made lives: cookies, who is behind them once they say so, and strangers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.crm.lives import Life

WEB = {
    "page_view": "page_view", "pricing_view": "pricing_view", "email_click": "page_view", "form_submit": "form_submit",
    "call": "chat", "meeting": "demo_request",
}  # fmt: skip
"""What of a life happens on a site, and what it is there."""


@dataclass(frozen=True)
class Visit:
    """One hit. cookie: always there. user: the id of an account, where somebody is signed in. kind: of WEB, or
    identify, purchase, lost. life: whose it is."""

    at: datetime
    cookie: str
    user: str | None
    kind: str
    life: Life


def visits(lives: Sequence[Life]) -> list[Visit]:
    """All hits in the order of time. A lead signs in when it becomes known; later on every third hit is without."""
    return sorted((visit for life in lives for visit in _visits(life)), key=lambda visit: (visit.at, visit.cookie))


def _visits(life: Life) -> Iterator[Visit]:
    cookie, user = f"{life.number:06d}.{1_700_000_000 + life.number}", f"u{life.number}"
    for place, (at, kind) in enumerate(life.acts):
        if kind in WEB:
            signed_in = at >= life.created and place % 3 > 0
            yield Visit(at, cookie, user if signed_in else None, WEB[kind], life)
    yield Visit(life.created, cookie, user, "identify", life)
    if life.deal is not None and life.deal.closed is not None:
        yield Visit(life.deal.closed, cookie, user, "purchase" if life.deal.won else "lost", life)
    if life.number % 4 == 0:
        for hours in (1, 2):
            at = life.created - timedelta(hours=hours)
            yield Visit(at, f"stranger.{life.number}", None, "page_view", life)


def page_of(visit: Visit) -> str:
    """The address of the page."""
    return "https://example.org/" + ("pricing?plan=pro" if visit.kind == "pricing_view" else "blog/1")
