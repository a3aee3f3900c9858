"""Snowplow's atomic.events as a warehouse unloads them: JSON lines with the columns that were asked for."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

from tests.crm.files import Row, write_lines
from tests.crm.lives import Life
from tests.crm.visits import Visit, page_of, visits

FILES = ("events.jsonl",)
ACTIONS = {"form_submit": "submit_form", "chat": "chat_started", "demo_request": "demo_requested"}


def write(folder: Path, lives: Sequence[Life]) -> None:
    """Writes FILES."""
    write_lines(folder / "events.jsonl", (_event(place, visit) for place, visit in enumerate(visits(lives))))


def _event(place: int, visit: Visit) -> Row:
    deal, is_page = visit.life.deal, visit.kind in ("page_view", "pricing_view", "identify")
    time = visit.at.strftime("%Y-%m-%d %H:%M:%S.%f")
    return {
        "event_id": str(uuid.uuid5(uuid.NAMESPACE_OID, str(place))), "app_id": "web", "platform": "web",
        "collector_tstamp": time, "derived_tstamp": time,
        "event": "page_view" if is_page else "struct" if visit.kind in ACTIONS else "unstruct",
        "event_name": "page_view" if is_page else "event" if visit.kind in ACTIONS else f"order_{visit.kind}",
        "user_id": visit.user, "domain_userid": visit.cookie, "user_ipaddress": "192.0.2.7",
        "page_urlpath": page_of(visit).removeprefix("https://example.org").partition("?")[0],
        "mkt_medium": visit.life.source, "geo_country": visit.life.country[:2].upper(),
        "dvce_type": "Mobile" if visit.life.number % 3 else "Computer",
        "se_category": "web", "se_action": ACTIONS.get(visit.kind),
        "tr_total": deal.amount if visit.kind == "purchase" and deal else None,
    }  # fmt: skip
