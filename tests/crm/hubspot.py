"""HubSpot's CSV exports: contacts with the dates of their stages, deals, and engagements with all their contacts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.crm.files import Row, local, write_csv
from tests.crm.lives import Life

FILES = ("contacts.csv", "deals.csv", "engagements.csv")
SOURCES = {
    "organic": "Organic Search", "paid_search": "Paid Search", "email": "Email Marketing", "referral": "Referrals",
    "social": "Organic Social",
}  # fmt: skip
STAGES = ("lead", "mql", "sql", "opportunity", "customer")
LIFECYCLE = ("Lead", "Marketing Qualified Lead", "Sales Qualified Lead", "Opportunity", "Customer")
ENGAGEMENTS = {"email_sent": "EMAIL", "email_click": "INCOMING_EMAIL", "call": "CALL", "meeting": "MEETING"}


def write(folder: Path, lives: Sequence[Life]) -> None:
    """Writes FILES."""
    write_csv(folder / "contacts.csv", (_contact(life) for life in lives))
    write_csv(folder / "deals.csv", (row for life in lives for row in _deals(life, lives)))
    write_csv(folder / "engagements.csv", (row for life in lives for row in _engagements(life)))


def id_of(life: Life) -> int:
    """The Record ID of a contact."""
    return 75_000_000_000 + life.number * 51


def _contact(life: Life) -> Row:
    reached = [stage for stage in STAGES if stage in life.stages]
    return {
        "Record ID": id_of(life),
        "First Name": life.name[0],
        "Last Name": life.name[1],
        "Email": life.email,
        "Phone Number": "+49 30 1234567" if life.number % 3 else "",
        "Lifecycle Stage": LIFECYCLE[STAGES.index(reached[-1])],
        "Lead Status": "Connected" if len(reached) > 2 else "New",
        "Create Date": local(life.created),
        "Became a Subscriber Date": local(life.created) if life.number % 2 else "",
        "Became a Lead Date": local(life.stages.get("lead")),
        "Became a Marketing Qualified Lead Date": local(life.stages.get("mql")),
        "Became a Sales Qualified Lead Date": local(life.stages.get("sql")),
        "Became an Opportunity Date": local(life.stages.get("opportunity")),
        "Became a Customer Date": local(life.stages.get("customer")),
        "First Conversion Date": local(next((at for at, kind in life.acts if kind == "form_submit"), None)),
        "Original Traffic Source": SOURCES[life.source],
        "Industry": life.industry,
        "Country/Region": life.country,
        "Number of Employees": life.employees,
        "Primary Associated Company ID": 9_000_000 + life.number // 3,
        "Message": "Hello,\nplease call me.\n" if life.number % 5 == 0 else "",
        "Last Activity Date": local(life.acts[-1][0]),
    }


def _deals(life: Life, lives: Sequence[Life]) -> Iterator[Row]:
    if life.deal is None:
        return
    deal, second = life.deal, lives[life.number - 2] if life.number % 20 == 0 else None
    stage = ("Closed Won" if deal.won else "Closed Lost") if deal.closed else "Contract Sent"
    yield {
        "Record ID": 12_000_000_000 + life.number,
        "Deal Name": f"{life.name[1]} – {life.industry}",
        "Pipeline": "Sales Pipeline",
        "Deal Stage": f"{stage} (Sales Pipeline)",
        "Amount": f"{deal.amount}.00",
        "Create Date": local(deal.created),
        "Close Date": local(deal.closed),
        "Associated Contact IDs": f"{id_of(life)};{id_of(second)}" if second else id_of(life),
        "Deal owner": "Sam Sales",
    }


def _engagements(life: Life) -> Iterator[Row]:
    for place, (at, kind) in enumerate(life.acts):
        if kind in ENGAGEMENTS:
            yield {
                "Record ID": life.number * 1000 + place,
                "Activity type": ENGAGEMENTS[kind],
                "Activity date": local(at),
                "Associated Contact IDs": id_of(life) if place % 40 else "",
                "Body": 'He said: "yes",\nthen no.' if place % 7 == 0 else "",
            }
