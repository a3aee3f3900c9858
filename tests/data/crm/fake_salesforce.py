"""Salesforce's REST API as far as a pull asks it: tokens, SOQL of one object, pages by nextRecordsUrl."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.data.crm.fake_vendor import Answer, FakeVendor

PATH = "/services/data/v62.0"
SELECT = re.compile(r"SELECT ([\w.,]+) FROM (\w+)(?: WHERE (.+))?")
TERM = re.compile(r"([\w.]+) (>=|<=|=) ([^\s()]+)|([\w.]+) IN \(([^)]*)\)")
TIMES = "Id CreatedDate SystemModstamp IsDeleted"
FIELDS = {
    "Lead": f"{TIMES} MasterRecordId ConvertedContactId ConvertedDate LeadSource Industry Country NumberOfEmployees "
    "Email",
    "LeadHistory": "Id LeadId Field NewValue CreatedDate",
    "Contact": f"{TIMES} MasterRecordId AccountId LeadSource Email Account.Industry Account.BillingCountry "
    "Account.NumberOfEmployees Account.SystemModstamp",
    "Opportunity": f"{TIMES} Amount Name",
    "OpportunityHistory": "Id OpportunityId StageName CreatedDate",
    "OpportunityContactRole": f"{TIMES} OpportunityId ContactId",
    "Organization": "Id Name",
    "OpportunityStage": "ApiName IsWon IsClosed IsActive",
    "Task": f"{TIMES} WhoId TaskSubtype CompletedDateTime ActivityDate IsClosed Subject",
    "Event": f"{TIMES} WhoId EndDateTime Subject",
    "CampaignMember": f"{TIMES} LeadOrContactId FirstRespondedDate Email",
}


def stamp(at: float) -> str:
    """A time as Salesforce writes it."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S.000+0000}"


@dataclass
class FakeSalesforce(FakeVendor):
    """A Salesforce org. records: object -> id -> fields. locators: queries that go on, by number."""

    records: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    locators: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    last_id: int = 0
    page: int = 200
    client: tuple[str, str] = ("client-of-the-fake", "secret-of-the-fake")

    def make(self, kind: str, at: float, **values: Any) -> str:
        """A new record; its id."""
        self.last_id += 1
        key = f"{kind[:3]}{self.last_id:015d}"
        times = {"Id": key, "CreatedDate": stamp(at), "SystemModstamp": stamp(at), "IsDeleted": False}
        self.records.setdefault(kind, {})[key] = {**times, **values}
        return key

    def change(self, kind: str, key: str, at: float, **values: Any) -> None:
        """What a person does in Salesforce."""
        self.records[kind][key] |= {**values, "SystemModstamp": stamp(at)}

    def answer(self, method: str, path: str, params: Mapping[str, str], body: Any) -> Answer:
        """By the path."""
        if path == "/services/oauth2/token":
            given = (body.get("client_id"), body.get("client_secret"))
            if given != self.client or body.get("grant_type") != "client_credentials":
                return 400, {"error": "invalid_client", "error_description": f"invalid client {given[1]}"}
            return 200, {"access_token": self.token, "token_type": "Bearer", "instance_url": "ignored"}
        verb, _, locator = path.removeprefix(f"{PATH}/").partition("/")
        if locator:
            if locator not in self.locators:
                return 404, [{"errorCode": "INVALID_QUERY_LOCATOR", "message": "invalid query locator"}]
            return self._page(self.locators[locator], verb)
        return self._query(params["q"], verb)

    def _query(self, text: str, verb: str) -> Answer:
        match = SELECT.fullmatch(text)
        if match is None:
            return 400, [{"errorCode": "MALFORMED_QUERY", "message": text}]
        names, kind, condition = match[1].split(","), match[2], match[3] or "True"
        known = FIELDS[kind].split()
        for name in names:
            if name not in known:
                message = f"No such column '{name}' on entity '{kind}'."
                return 400, [{"errorCode": "INVALID_FIELD", "message": message}]
        if kind == "Organization":
            return self._page([{"Id": self.account, "Name": "Megadodo"}], verb)
        rows = [one for one in self.records.get(kind, {}).values() if verb == "queryAll" or not one["IsDeleted"]]
        fit = [one for one in rows if _holds(condition, one)]
        fit.sort(key=lambda one: str(one["Id"]))
        return self._page([_shown(one, names, kind) for one in fit], verb)

    def _page(self, rows: list[dict[str, Any]], verb: str) -> Answer:
        answer: dict[str, Any] = {"totalSize": len(rows), "done": True, "records": rows[: self.page]}
        if len(rows) > self.page:
            locator = f"01g{len(self.locators):012d}-{self.page}"
            self.locators[locator] = rows[self.page :]
            answer |= {"done": False, "nextRecordsUrl": f"{PATH}/{verb}/{locator}"}
        return 200, answer


def _shown(one: Mapping[str, Any], names: list[str], kind: str) -> dict[str, Any]:
    """Fields of related objects stand in an object of their own, which is null where there is none."""
    shown: dict[str, Any] = {"attributes": {"type": kind}}
    for name in names:
        outer, _, inner = name.partition(".")
        if not inner:
            shown[name] = one.get(name)
        elif one.get(name) is None:
            shown.setdefault(outer, None)
        else:
            shown[outer] = {**(shown.get(outer) or {}), inner: one[name]}
    return shown


def _holds(condition: str, one: Mapping[str, Any]) -> bool:
    """Whether a record fits; the terms become truths, and what is left is Python."""

    def truth(term: re.Match[str]) -> str:
        if term[4]:
            return str(repr(str(one.get(term[4]))) in term[5].split(","))
        value, bound = one.get(term[1]), term[3].strip("'")
        if term[2] == "=":
            return str(str(value).lower() == bound.lower())
        seen, other = str(value or "")[:19], bound[:19]
        return str(bool(value) and (seen >= other if term[2] == ">=" else seen <= other))

    rest = TERM.sub(truth, condition).replace("AND", "and").replace("OR", "or")
    if not re.fullmatch(r"(True|False|and|or|[()\s])+", rest):
        raise ValueError(condition)
    return bool(eval(rest))


def salesforce_with(n_leads: int, seed: int = 1, **settings: Any) -> FakeSalesforce:
    """An org with leads, of which some became contacts with opportunities, tasks, meetings and campaigns."""
    vendor, dice = FakeSalesforce(**settings), random.Random(seed)
    begin = vendor.clock() - 300 * 86400
    for name, is_won, is_closed in (
        ("Prospecting", False, False),
        ("Closed Won", True, True),
        ("Closed Lost", False, True),
    ):
        vendor.make("OpportunityStage", begin, ApiName=name, IsWon=is_won, IsClosed=is_closed, IsActive=True)
    for _ in range(n_leads):
        at = begin + dice.uniform(1, 200) * 86400
        who = {"Name": "Zaphod Beeblebrox", "Email": "zaphod@example.com"}
        lead = vendor.make(
            "Lead", at, LeadSource="Web", Industry="Retail", Country="DE", NumberOfEmployees=dice.randint(1, 99), **who
        )
        vendor.make("LeadHistory", at + 3600, LeadId=lead, Field="Status", NewValue="Working")
        vendor.make("CampaignMember", at + 7200, LeadOrContactId=lead, FirstRespondedDate=stamp(at + 86400)[:10], **who)
        if dice.random() < 0.5:
            _convert(vendor, lead, at + 5 * 86400, dice, who)
    return vendor


def _convert(vendor: FakeSalesforce, lead: str, at: float, dice: random.Random, who: Mapping[str, Any]) -> None:
    account = {
        "AccountId": f"Acc{dice.randint(1, 50):015d}",
        "Account.Industry": "Banking",
        "Account.SystemModstamp": stamp(at),
    }
    contact = vendor.make("Contact", at, LeadSource="Web", **account, **who)
    vendor.change("Lead", lead, at, ConvertedContactId=contact, ConvertedDate=stamp(at)[:10])
    at += 86400 * dice.uniform(1, 4)
    vendor.make(
        "Task", at, WhoId=contact, TaskSubtype="Call", CompletedDateTime=stamp(at), IsClosed=True, Subject="Call Zaphod"
    )
    vendor.make("Event", at, WhoId=contact, EndDateTime=stamp(at + 86400), Subject="Meet Zaphod")
    deal = vendor.make("Opportunity", at, Amount=500.0, Name="Deal of Zaphod")
    vendor.make("OpportunityContactRole", at, OpportunityId=deal, ContactId=contact)
    won = "Closed Won" if dice.random() < 0.5 else "Closed Lost"
    for stage, when in (("Prospecting", at), (won, at + 86400 * dice.uniform(2, 20))):
        vendor.make("OpportunityHistory", when, OpportunityId=deal, StageName=stage)
        vendor.change("Opportunity", deal, when)
