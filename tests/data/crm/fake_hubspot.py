"""HubSpot's CRM API (2026-03) as far as a pull asks it: searches, batches, archives, associations, properties."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.data.crm.fake_vendor import Answer, FakeVendor

MOST_WITH_HISTORY = 50
STAGES = ("subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer")
ACCOUNT_PATH = "/account-info/2026-03/details"
KINDS = {"0-3": "deals"}
STAMPS = {"contacts": "lastmodifieddate"}
PERSONAL = {"email": "zaphod@example.com", "firstname": "Zaphod", "lastname": "Beeblebrox", "phone": "+49 170 1234567"}
CONNECTED = "f240bbac-87c9-4f6e-bf70-924b57d47db7"
KNOWN = {
    "contacts": (
        *(
            "lifecyclestage",
            "associatedcompanyid",
            "hs_merged_object_ids",
            "hs_analytics_source",
            "industry",
            "country",
        ),
        *("numemployees", *PERSONAL),
    ),
    "companies": ("industry", "country", "numberofemployees"),
    "deals": ("dealstage", "hs_is_closed_won", "hs_is_closed_lost", "amount"),
}


def stamp(at: float) -> str:
    """A time as HubSpot writes it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Record:
    """A contact, company, deal or engagement. history: property -> (value, seconds since 1970), the newest first."""

    id: int
    created: float
    updated: float
    history: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    archived: float | None = None

    def set(self, at: float, **values: str) -> None:
        """What a person does in HubSpot."""
        for name, value in values.items():
            self.history.setdefault(name, []).insert(0, (value, at))
        self.updated = at

    def value(self, name: str, kind: str) -> str | None:
        """What a property holds now."""
        if name == "hs_object_id":
            return str(self.id)
        if name == STAMPS.get(kind, "hs_lastmodifieddate"):
            return str(int(self.updated * 1000))
        return self.history[name][0][0] if name in self.history else None


@dataclass
class FakeHubSpot(FakeVendor):
    """A HubSpot account. records: kind -> id -> record. links: kind -> id -> contacts."""

    records: dict[str, dict[int, Record]] = field(default_factory=dict)
    links: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    most_found: int = 10_000
    personal_sent: int = 0
    last_id: int = 1000

    def make(self, kind: str, at: float, contacts: list[int] | None = None, **values: str) -> Record:
        """A new record."""
        self.last_id += 1
        made = Record(self.last_id, at, at)
        made.set(at, **values)
        self.records.setdefault(kind, {})[made.id] = made
        if contacts is not None:
            self.links.setdefault(kind, {})[made.id] = contacts
        return made

    def delete(self, kind: str, key: int) -> None:
        """A person puts it into the bin."""
        self.records[kind][key].archived = self.clock()

    def merge(self, winner: int, loser: int) -> None:
        """A person merges two contacts: what belonged to the one belongs to the other."""
        contact = self.records["contacts"][winner]
        contact.set(self.clock(), hs_merged_object_ids=str(loser))
        del self.records["contacts"][loser]
        for kind, links in self.links.items():
            for key, of in links.items():
                if loser in of:
                    links[key] = [winner if one == loser else one for one in of]
                    self.records[kind][key].updated = self.clock()

    def wait_headers(self) -> dict[str, str]:
        """Without Retry-After: the window in which requests are counted."""
        return {"X-HubSpot-RateLimit-Interval-Milliseconds": f"{self.trouble.wait_s * 1000:.0f}"}

    def answer(self, method: str, path: str, params: Mapping[str, str], body: Any) -> Answer:
        """By the path."""
        parts = path.strip("/").split("/")
        if path == ACCOUNT_PATH:
            return 200, {"portalId": self.account, "accountType": "STANDARD", "timeZone": "US/Eastern"}
        if parts[1] == "properties":
            return 200, {"results": [{"name": name} for name in KNOWN[parts[3]]]}
        if parts[1] == "associations":
            return 200, {"status": "COMPLETE", "results": self._linked(parts[3], body)}
        kind, rest = KINDS.get(parts[3], parts[3]), parts[4:]
        if rest == ["search"]:
            return self._search(kind, body)
        return self._read(kind, body) if rest == ["batch", "read"] else self._archived(kind, params)

    def _linked(self, kind: str, body: Any) -> list[Any]:
        links, linked = self.links.get(kind, {}), []
        for one in body["inputs"]:
            to = [{"toObjectId": str(contact), "associationTypes": []} for contact in links.get(int(one["id"]), [])]
            if to:
                linked.append({"from": {"id": one["id"]}, "to": to})
        return linked

    def _search(self, kind: str, body: Any) -> Answer:
        """At most `most_found` rows of a search can be seen, and at most 200 in a page."""
        after, limit = int(body["after"]), body["limit"]
        if limit > 200 or after + limit > self.most_found:
            return 400, {"message": "a search has at most 10,000 results, 200 a page"}
        (group,) = body["filterGroups"]
        matches = [
            one for one in self.records.get(kind, {}).values() if one.archived is None and _fits(one, kind, group)
        ]
        (order,) = body["sorts"]
        matches.sort(key=lambda one: int(one.value(order, kind) or 0))
        page = matches[after : after + limit]
        answer: dict[str, Any] = {"total": len(matches), "results": [self._shown(one, kind, body) for one in page]}
        if after + limit < len(matches):
            answer["paging"] = {"next": {"after": str(after + limit)}}
        return 200, answer

    def _read(self, kind: str, body: Any) -> Answer:
        if len(body["inputs"]) > MOST_WITH_HISTORY:
            return 400, {"message": "at most 50 records with history"}
        ids = [int(one["id"]) for one in body["inputs"]]
        there = [one for one in map(self.records.get(kind, {}).get, ids) if one is not None and one.archived is None]
        results = [self._shown(one, kind, body) for one in there]
        if len(results) == len(ids):
            return 200, {"status": "COMPLETE", "results": results}
        errors = [{"status": "error", "category": "OBJECT_NOT_FOUND", "message": "some are not there"}]
        return 207, {"status": "COMPLETE", "results": results, "numErrors": 1, "errors": errors}

    def _archived(self, kind: str, params: Mapping[str, str]) -> Answer:
        gone = sorted((one for one in self.records.get(kind, {}).values() if one.archived), key=lambda one: one.id)
        later = [one for one in gone if one.id > int(params.get("after", 0))]
        limit = int(params["limit"])
        wanted = {name: params[name].split(",") for name in ("properties", "propertiesWithHistory") if name in params}
        answer: dict[str, Any] = {"results": [self._shown(one, kind, wanted) for one in later[:limit]]}
        if len(later) > limit:
            answer["paging"] = {"next": {"after": str(later[limit - 1].id)}}
        return 200, answer

    def _shown(self, one: Record, kind: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """A record; without a choice of properties also who it is."""
        chosen = wanted.get("properties") or ["hs_object_id", *PERSONAL]
        self.personal_sent += sum(name in PERSONAL for name in chosen)
        values = {name: one.value(name, kind) for name in chosen} | {
            name: PERSONAL[name] for name in chosen if name in PERSONAL and kind == "contacts"
        }
        shown: dict[str, Any] = {
            "id": str(one.id),
            "createdAt": stamp(one.created),
            "updatedAt": stamp(one.updated),
            "archived": one.archived is not None,
            "properties": values,
        }
        if one.archived is not None:
            shown["archivedAt"] = stamp(one.archived)
        if wanted.get("propertiesWithHistory"):
            shown["propertiesWithHistory"] = {
                name: [
                    {"value": value, "timestamp": stamp(at), "sourceType": "CRM_UI"} for value, at in one.history[name]
                ]
                for name in wanted["propertiesWithHistory"]
                if name in one.history
            }
        return shown


def _fits(one: Record, kind: str, group: Any) -> bool:
    for test in group["filters"]:
        value = one.value(test["propertyName"], kind)
        if test["operator"] == "IN":
            fits = value in test["values"]
        else:
            number, bound = int(value or 0), int(test["value"])
            fits = number >= bound if test["operator"] == "GTE" else number > bound
        if not fits:
            return False
    return True


def hubspot_with(n_contacts: int, seed: int = 1, **settings: Any) -> FakeHubSpot:
    """An account with contacts that have histories: stages, companies, deals, calls, e-mails, meetings."""
    vendor, dice = FakeHubSpot(**settings), random.Random(seed)
    begin = vendor.clock() - 300 * 86400
    companies = [
        vendor.make(
            "companies", begin, industry=dice.choice(("RETAIL", "BANKING")), numberofemployees=str(dice.randint(1, 999))
        )
        for _ in range(1 + n_contacts // 5)
    ]
    for _ in range(n_contacts):
        at = begin + dice.uniform(1, 200) * 86400
        company = str(dice.choice(companies).id)
        contact = vendor.make("contacts", at, lifecyclestage="lead", associatedcompanyid=company, country="DE")
        for stage in STAGES[2 : 2 + dice.randint(0, 3)]:
            at += dice.uniform(0.5, 10) * 86400
            contact.set(at, lifecyclestage=stage)
        _engage(vendor, contact.id, at, dice)
    return vendor


def _engage(vendor: FakeHubSpot, contact: int, at: float, dice: random.Random) -> None:
    for kind, values in (
        ("calls", {"hs_call_direction": "OUTBOUND", "hs_call_disposition": CONNECTED}),
        ("emails", {"hs_email_direction": "EMAIL"}),
        ("meetings", {"hs_meeting_outcome": "COMPLETED"}),
    ):
        for _ in range(dice.randint(0, 2)):
            at += dice.uniform(0.1, 3) * 86400
            vendor.make(kind, at, [contact], hs_timestamp=stamp(at), **values)
    if dice.random() < 0.4:
        deal = vendor.make("deals", at, [contact], dealstage="appointment", hs_is_closed_won="false", amount="500")
        won = dice.random() < 0.5
        closed = {"hs_is_closed_won": "true"} if won else {"hs_is_closed_lost": "true"}
        deal.set(at + 86400 * dice.uniform(1, 20), dealstage="closedwon" if won else "closedlost", **closed)
