"""Pipedrive's API as far as a pull asks it: lists with cursors (v2), changelogs of deals (v1)."""

from __future__ import annotations

import base64
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.data.crm.fake_vendor import Answer, FakeVendor

PERSON = {
    "name": "Zaphod Beeblebrox",
    "first_name": "Zaphod",
    "emails": [{"value": "zaphod@example.com", "primary": True, "label": "work"}],
    "phones": [{"value": "+49 170 1234567", "primary": True, "label": "work"}],
}


def stamp(at: float) -> str:
    """A time as v2 writes it."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


@dataclass
class FakePipedrive(FakeVendor):
    """A Pipedrive account. records: kind -> id -> what the API says; changes: deal -> changelog, the newest first."""

    records: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    changes: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    last_id: int = 0
    page: int = 100

    def make(self, kind: str, at: float, **values: Any) -> dict[str, Any]:
        """A new record."""
        self.last_id += 1
        made = {"id": self.last_id, "add_time": stamp(at), "update_time": stamp(at), "is_deleted": False, **values}
        self.records.setdefault(kind, {})[self.last_id] = made
        return made

    def change(self, kind: str, key: int, at: float, **values: Any) -> None:
        """What a person does in Pipedrive; changes of deals are noted."""
        one = self.records[kind][key]
        for name, value in values.items():
            if kind == "deals":
                old = one.get(name)
                noted = {"field_key": name, "old_value": None if old is None else str(old), "new_value": str(value)}
                when = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"
                self.changes.setdefault(key, []).insert(0, noted | {"time": when, "actor_user_id": 1})
            one[name] = value
        one["update_time"] = stamp(at)

    def authorized(self, headers: Mapping[str, str]) -> bool:
        """By a header of its own."""
        return headers.get("x-api-token") == self.token

    def wait_headers(self) -> dict[str, str]:
        """Seconds until the window begins anew."""
        return {
            "x-ratelimit-limit": "80",
            "x-ratelimit-remaining": "0",
            "x-ratelimit-reset": f"{self.trouble.wait_s:g}",
        }

    def answer(self, method: str, path: str, params: Mapping[str, str], body: Any) -> Answer:
        """By the path."""
        parts = path.strip("/").split("/")
        if parts == ["v1", "users", "me"]:
            return 200, {"success": True, "data": {"id": 1, **PERSON, "company_id": self.account}}
        if parts[0] == "v1":
            return self._changelog(int(parts[2]), params)
        kind, is_archive = parts[2], parts[-1] == "archived"
        matches = [one for one in self.records.get(kind, {}).values() if _fits(one, kind, params, is_archive)]
        matches.sort(key=lambda one: int(one["id"]))
        return self._page(matches, params)

    def _changelog(self, deal: int, params: Mapping[str, str]) -> Answer:
        if deal not in self.records["deals"]:
            return 404, {"success": False, "error": "Deal not found"}
        rows = [{"id": n, **row} for n, row in enumerate(self.changes.get(deal, []), start=1)]
        return self._page(rows, params)

    def _page(self, records: list[dict[str, Any]], params: Mapping[str, str]) -> Answer:
        """A cursor is where the last page ended, by id; no page is longer than the account allows."""
        after = int(base64.b64decode(params["cursor"]).decode().removeprefix("id:")) if "cursor" in params else 0
        later, limit = [one for one in records if one["id"] > after], min(int(params.get("limit", 100)), self.page)
        page, following = later[:limit], None
        if len(later) > limit:
            following = base64.b64encode(f"id:{page[-1]['id']}".encode()).decode()
        return 200, {"success": True, "data": page, "additional_data": {"next_cursor": following}}


def _fits(one: Mapping[str, Any], kind: str, params: Mapping[str, str], is_archive: bool) -> bool:
    if "ids" in params and str(one["id"]) not in params["ids"].split(","):
        return False
    if one["update_time"] < params.get("updated_since", "") or str(one.get("org_id")) != params.get(
        "org_id", str(one.get("org_id"))
    ):
        return False
    if kind == "deals":
        status = "deleted" if one["is_deleted"] else one["status"]
        return (
            status in params.get("status", "open,won,lost").split(",") and one.get("is_archived", False) == is_archive
        )
    return not one["is_deleted"] and str(one.get("done", True)).lower() == params.get(
        "done", str(one.get("done", True)).lower()
    )


def pipedrive_with(n_persons: int, seed: int = 1, **settings: Any) -> FakePipedrive:
    """An account with persons that have histories: organizations, deals that move, activities."""
    vendor, dice = FakePipedrive(**settings), random.Random(seed)
    begin = vendor.clock() - 300 * 86400
    organizations = [
        vendor.make(
            "organizations",
            begin,
            name="Megadodo",
            industry=dice.randint(1, 5),
            employee_count=dice.randint(1, 999),
            address={"value": "Somewhere 1", "country": "DE"},
        )
        for _ in range(1 + n_persons // 5)
    ]
    for _ in range(n_persons):
        at = begin + dice.uniform(1, 200) * 86400
        person = vendor.make("persons", at, org_id=dice.choice(organizations)["id"], **PERSON)["id"]
        for kind in dice.sample(["call", "meeting", "email", "task"], dice.randint(0, 4)):
            at += dice.uniform(0.1, 3) * 86400
            who = [{"person_id": person, "primary": True}]
            vendor.make(
                "activities",
                at,
                person_id=person,
                type=kind,
                done=True,
                marked_as_done_time=stamp(at),
                due_date=stamp(at)[:10],
                participants=who,
                subject="Call Zaphod",
            )
        if dice.random() < 0.4:
            _sell(vendor, person, at, dice)
    return vendor


def _sell(vendor: FakePipedrive, person: int, at: float, dice: random.Random) -> None:
    deal = vendor.make("deals", at, title="Deal of Zaphod", person_id=person, value=500, status="open", stage_id=1)[
        "id"
    ]
    vendor.change("deals", deal, at + 86400, stage_id=2, title="Deal of Zaphod Beeblebrox")
    status, closed = dice.choice(("won", "lost")), at + 86400 * dice.uniform(2, 20)
    vendor.change("deals", deal, closed, status=status)
    vendor.records["deals"][deal][f"{status}_time"] = stamp(closed)
