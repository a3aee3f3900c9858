"""Marketo's bulk extracts of leads and activities: `null` for nothing, attributes as JSON in a column."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.crm.files import Row, write_csv
from tests.crm.lives import Life

FILES = ("leads.csv", "activities.csv")
TYPES = {
    "page_view": 1, "pricing_view": 1, "form_submit": 2, "email_sent": 6, "email_open": 10, "email_click": 11,
    "call": 46, "meeting": 104,
}  # fmt: skip
LIFECYCLE = {"mql": "MQL", "sql": "SQL", "customer": "Customer"}


def write(folder: Path, lives: Sequence[Life]) -> None:
    """Writes FILES."""
    write_csv(folder / "leads.csv", (_lead(life) for life in lives))
    write_csv(folder / "activities.csv", (row for life in lives for row in _activities(life)))


def id_of(life: Life) -> int:
    return 5_414_000 + life.number


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _lead(life: Life) -> Row:
    return {
        "id": id_of(life), "createdAt": _time(life.created), "updatedAt": _time(life.acts[-1][0]),
        "firstName": life.name[0], "lastName": life.name[1], "email": life.email,
        "phone": "+49 30 1234567" if life.number % 3 else "null", "leadSource": life.source,
        "industry": life.industry if life.number % 8 else "null", "country": life.country,
        "numberOfEmployees": life.employees, "leadScore": 12 * len(life.acts), "leadStatus": "Open",
    }  # fmt: skip


def _activities(life: Life) -> Iterator[Row]:
    acts: list[tuple[datetime, int, str, dict[str, Any]]] = [(life.created, 12, "null", {"Source Type": "Web form"})]
    for at, kind in life.acts:
        page = "/pricing" if kind == "pricing_view" else "/blog"
        acts.append((at, TYPES[kind], page, {"Webpage URL": page, "Client IP Address": "192.0.2.1"}))
    for stage, name in LIFECYCLE.items():
        if stage in life.stages:
            acts.append((life.stages[stage], 13, "Lifecycle Status", {"New Value": name, "Old Value": "Lead"}))
    if life.deal is not None:
        acts.append((life.deal.created, 34, "77", {"Role": "Decision maker"}))
        if life.deal.closed is not None and not life.deal.won:
            acts.append((life.deal.closed, 13, "Lifecycle Status", {"New Value": "Disqualified", "Old Value": "SQL"}))
    if life.number % 40 == 0:
        acts.append(
            (life.acts[-1][0], 32, "null", {"Merge IDs": f"[{9_000_000 + life.number}]", "Merge Source": "CRM"})
        )
    for place, (at, activity, value, attributes) in enumerate(sorted(acts, key=lambda act: act[0])):
        yield {
            "marketoGUID": f"{life.number:06d}-{place:04d}", "leadId": id_of(life), "activityDate": _time(at),
            "activityTypeId": activity, "campaignId": "null", "primaryAttributeValueId": "null",
            "primaryAttributeValue": value, "attributes": json.dumps(attributes),
        }  # fmt: skip
