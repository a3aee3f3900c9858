"""Google Analytics 4 as BigQuery exports its events: JSON lines with parameters as a list, whole numbers as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.crm.files import Row, write_lines
from tests.crm.lives import Life
from tests.crm.visits import Visit, page_of, visits

FILES = ("events.jsonl",)
NAMES = {
    "pricing_view": "page_view", "identify": "sign_up", "chat": "chat_started", "demo_request": "generate_lead",
    "purchase": "close_convert_lead", "lost": "close_unconvert_lead",
}  # fmt: skip


def write(folder: Path, lives: Sequence[Life]) -> None:
    """Writes FILES."""
    write_lines(folder / "events.jsonl", map(_event, visits(lives)))


def _event(visit: Visit) -> Row:
    value = visit.life.deal.amount if visit.kind == "purchase" and visit.life.deal else None
    parameters: list[dict[str, Any]] = [
        {"key": "ga_session_id", "value": {"int_value": str(visit.life.number)}},
        {"key": "page_location", "value": {"string_value": page_of(visit)}},
    ]
    if value is not None:
        parameters.append({"key": "value", "value": {"double_value": float(value)}})
    return {
        "event_date": visit.at.strftime("%Y%m%d"),
        "event_timestamp": str(int(visit.at.timestamp() * 1_000_000)),
        "event_name": NAMES.get(visit.kind, visit.kind),
        "event_params": parameters,
        "user_id": visit.user,
        "user_pseudo_id": visit.cookie,
        "device": {"category": "mobile" if visit.life.number % 3 else "desktop"},
        "geo": {"country": visit.life.country, "city": "Berlin"},
        "traffic_source": {"medium": visit.life.source, "source": "google"},
        "collected_traffic_source": {"manual_medium": "email"} if visit.life.number % 2 else None,
    }
