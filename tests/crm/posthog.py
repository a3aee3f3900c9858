"""PostHog's batch export of events as JSON lines: names with a dollar sign, cookies joined by $identify."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.crm.files import Row, write_lines
from tests.crm.lives import Life
from tests.crm.visits import Visit, page_of, visits

FILES = ("events.jsonl",)
NAMES = {
    "page_view": "$pageview", "pricing_view": "$pageview", "identify": "$identify", "form_submit": "form submitted",
    "chat": "chat started", "demo_request": "demo requested", "purchase": "order completed", "lost": "deal lost",
}  # fmt: skip


def write(folder: Path, lives: Sequence[Life]) -> None:
    """Writes FILES."""
    write_lines(folder / "events.jsonl", (_event(place, visit) for place, visit in enumerate(visits(lives))))


def _event(place: int, visit: Visit) -> Row:
    properties: dict[str, Any] = {"$current_url": page_of(visit), "$lib": "web", "$ip": "192.0.2.7"}
    if visit.kind == "identify":
        properties |= {
            "$anon_distinct_id": visit.cookie,
            "$set": {
                "email": visit.life.email, "industry": visit.life.industry, "employees": visit.life.employees,
                "country": visit.life.country,
            },
            "$set_once": {"$initial_utm_source": visit.life.source},
        }  # fmt: skip
    if visit.kind == "purchase" and visit.life.deal:
        properties["revenue"] = visit.life.deal.amount
    return {
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, str(place))),
        "event": NAMES[visit.kind],
        "distinct_id": visit.user or visit.cookie,
        "person_id": str(uuid.uuid5(uuid.NAMESPACE_URL, visit.cookie)),
        "timestamp": visit.at.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00"),
        "created_at": visit.at.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00"),
        "properties": properties,
        "elements_chain": "",
    }
