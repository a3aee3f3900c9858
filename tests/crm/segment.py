"""Segment's archive: one JSON object for each track, page and identify call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from tests.crm.files import Row, write_lines, zulu
from tests.crm.lives import Life
from tests.crm.visits import Visit, page_of, visits

FILES = ("events.jsonl",)
NAMES = {
    "form_submit": "Form Submitted", "chat": "Chat Started", "demo_request": "Demo Requested",
    "purchase": "Order Completed", "lost": "Deal Lost",
}  # fmt: skip


def write(folder: Path, lives: Sequence[Life]) -> None:
    """Writes FILES."""
    write_lines(folder / "events.jsonl", (_call(place, visit) for place, visit in enumerate(visits(lives))))


def _call(place: int, visit: Visit) -> Row:
    life = visit.life
    call = {
        "messageId": f"ajs-{place:08d}", "anonymousId": visit.cookie, "userId": visit.user,
        "timestamp": zulu(visit.at), "receivedAt": zulu(visit.at + timedelta(seconds=2)),
        "context": {"campaign": {"source": life.source, "medium": "cpc"}, "ip": "192.0.2.7"},
    }  # fmt: skip
    if visit.kind == "identify":
        traits = {
            "email": life.email, "name": " ".join(life.name), "industry": life.industry, "employees": life.employees,
            "country": life.country,
        }  # fmt: skip
        return call | {"type": "identify", "traits": traits}
    if visit.kind in ("page_view", "pricing_view"):
        return call | {"type": "page", "name": None, "properties": {"url": page_of(visit), "title": "Blog"}}
    properties = {"revenue": life.deal.amount} if visit.kind == "purchase" and life.deal else {"plan": "pro"}
    return call | {"type": "track", "event": NAMES[visit.kind], "properties": properties}
