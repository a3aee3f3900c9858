"""Salesforce as the Data Loader exports it: quoted, names in capitals; what converts hands its tasks to a contact."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from tests.crm.files import Row, write_csv, zulu
from tests.crm.lives import Life

FILES = ("leads.csv", "opportunities.csv", "opportunity_history.csv", "tasks.csv", "campaign_members.csv")
SOURCES = {"organic": "Web", "paid_search": "Advertisement", "email": "Email", "referral": "Partner Referral"}


def write(folder: Path, lives: Sequence[Life]) -> None:
    """Writes FILES."""
    rows = {
        "leads": [row for life in lives for row in _leads(life)],
        "opportunities": [_opportunity(life) for life in lives if life.deal],
        "opportunity_history": [row for life in lives for row in _history(life)],
        "tasks": [row for life in lives for row in _tasks(life)],
        "campaign_members": [row for life in lives for row in _members(life)],
    }
    for name, some in rows.items():
        write_csv(
            folder / f"{name}.csv", [{key.upper(): value for key, value in row.items()} for row in some], csv.QUOTE_ALL
        )


def id_of(life: Life, kind: str = "00Q") -> str:
    """The id of a lead (00Q), its contact (003), account (001) or opportunity (006)."""
    return f"{kind}5e00000{life.number:07d}AAE"


def _day(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d") if at else ""


def _leads(life: Life) -> Iterator[Row]:
    converted = life.deal is not None
    own = {
        "Id": id_of(life),
        "IsDeleted": "false",
        "MasterRecordId": "",
        "FirstName": life.name[0],
        "LastName": life.name[1],
        "Email": life.email,
        "Phone": "(030) 1234 567" if life.number % 3 else "",
        "LeadSource": SOURCES.get(life.source, "Other"),
        "Industry": life.industry,
        "Country": life.country,
        "NumberOfEmployees": life.employees,
        "Status": "Closed - Converted" if converted else "Open - Not Contacted",
        "Description": 'Asked:\n"how much?"' if life.number % 6 == 0 else "",
        "IsConverted": str(converted).lower(),
        "ConvertedDate": _day(life.deal.created if life.deal else None),
        "ConvertedAccountId": id_of(life, "001") if converted else "",
        "ConvertedContactId": id_of(life, "003") if converted else "",
        "ConvertedOpportunityId": id_of(life, "006") if converted else "",
        "CreatedDate": zulu(life.created),
        "SystemModstamp": zulu(life.acts[-1][0]),
    }
    yield own
    if life.number % 50 == 0:  # a double that was merged into it
        yield own | {
            "Id": id_of(life, "00X"), "IsDeleted": "true", "MasterRecordId": id_of(life), "IsConverted": "false",
            "ConvertedDate": "", "ConvertedAccountId": "", "ConvertedContactId": "", "ConvertedOpportunityId": "",
        }  # fmt: skip


def _stage(life: Life) -> str:
    if life.deal is None or life.deal.closed is None:
        return "Proposal/Price Quote"
    return "Closed Won" if life.deal.won else "Closed Lost"


def _opportunity(life: Life) -> Row:
    if life.deal is None:
        raise ValueError("a lead without an opportunity")
    deal = life.deal
    return {
        "Id": id_of(life, "006"),
        "IsDeleted": "false",
        "AccountId": id_of(life, "001"),
        "Name": f"{life.name[1]} {life.industry}",
        "StageName": _stage(life),
        "Amount": f"{deal.amount}.0",
        "CloseDate": _day(deal.closed or deal.created),
        "IsClosed": str(deal.closed is not None).lower(),
        "IsWon": str(deal.closed is not None and deal.won).lower(),
        "CreatedDate": zulu(deal.created),
        "LastStageChangeDate": zulu(deal.closed),
    }


def _history(life: Life) -> Iterator[Row]:
    if life.deal is None:
        return
    steps = [
        (life.deal.created, "Qualification"),
        (life.deal.created + (min(life.created - life.acts[0][0], timedelta(minutes=90))), "Proposal/Price Quote"),
    ]
    if life.deal.closed:
        steps = [step for step in steps if step[0] < life.deal.closed] + [(life.deal.closed, _stage(life))]
    for place, (at, stage) in enumerate(steps):
        yield {
            "Id": f"008{life.number:09d}{place}", "OpportunityId": id_of(life, "006"), "StageName": stage,
            "Amount": life.deal.amount, "CreatedDate": zulu(at),
        }  # fmt: skip


def _tasks(life: Life) -> Iterator[Row]:
    kinds = {"email_sent": "Email", "call": "Call", "meeting": "Task"}
    for place, (at, kind) in enumerate(life.acts):
        if kind in kinds:
            done = place % 9 > 0
            yield {
                "Id": f"00T{life.number:06d}{place:06d}",
                "WhoId": id_of(life, "003" if life.deal else "00Q") if place % 30 else "",
                "Subject": "Call, then\nwrite" if place % 4 == 0 else "Follow up",
                "TaskSubtype": kinds[kind],
                "Type": "Meeting" if kind == "meeting" else "",
                "Status": "Completed" if done else "Not Started",
                "IsClosed": str(done).lower(),
                "ActivityDate": _day(at),
                "CompletedDateTime": zulu(at) if done else "",
                "CreatedDate": zulu(at),
            }


def _members(life: Life) -> Iterator[Row]:
    for place, (at, kind) in enumerate(life.acts):
        if kind in ("form_submit", "email_click"):
            yield {
                "Id": f"00v{life.number:06d}{place:06d}",
                "CampaignId": "7015e000000AbcDAAS",
                "LeadId": id_of(life),
                "ContactId": id_of(life, "003") if life.deal else "",
                "Status": "Responded",
                "HasResponded": "true",
                "FirstRespondedDate": _day(at),
                "CreatedDate": zulu(at),
            }
