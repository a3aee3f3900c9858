"""A CRM that changes from week to week, in HubSpot's shape, and its exports: by one mapping, all of it each time.

Contacts with a date for each stage they became, deals, engagements, and merges.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

from data.intake.ingest import ingest
from data.intake.next_part import IngestReport
from data.sources.mapping import read_mapping

MAPPING = """
name = "hubspot"
event_types = ["became_mql", "became_sql", "email_open", "meeting", "deal_won", "deal_lost"]

[[events]]
file = "contacts"
lead_id = "Record ID"
time_zone = "America/New_York"
constants = { source = "lifecycle" }

[[events.from_columns]]
column = "Became a Marketing Qualified Lead Date"
event_type = "became_mql"

[[events.from_columns]]
column = "Became a Sales Qualified Lead Date"
event_type = "became_sql"

[[events]]
file = "deals"
lead_id = "Associated Contact IDs"
event_id = "Record ID"
occurred_at = "Close Date"
time_zone = "America/New_York"
value = "Amount"
constants = { source = "deals" }
[events.event_type]
columns = ["Deal Stage"]
values = { "Closed Won" = "deal_won", "Closed Lost" = "deal_lost", "Appointment Scheduled" = "" }

[[events]]
file = "engagements"
lead_id = "Contact ID"
event_id = "Engagement ID"
occurred_at = "Activity Date"
event_type = "Activity Type"
time_zone = "America/New_York"
constants = { source = "engagements" }

[[leads]]
file = "contacts"
lead_id = "Record ID"
snapshot = true
created_at = "Create Date"
missing = "deleted"
categories = ["Country", "Lifecycle Stage"]
numbers = ["Annual Revenue"]
personal = ["Email", "First Name"]
unchanging = []
time_zone = "America/New_York"
rename = { "Country" = "country", "Lifecycle Stage" = "stage", "Annual Revenue" = "revenue" }

[[identities]]
file = "merges"
alias = "Merged Record ID"
lead_id = "Record ID"
valid_from = "Merged At"
time_zone = "America/New_York"
"""
HEADS = {
    "contacts": (
        *("Record ID", "First Name", "Email", "Country", "Lifecycle Stage", "Annual Revenue", "Create Date"),
        *("Became a Marketing Qualified Lead Date", "Became a Sales Qualified Lead Date"),
    ),
    "deals": ("Record ID", "Associated Contact IDs", "Deal Stage", "Amount", "Close Date"),
    "engagements": ("Engagement ID", "Contact ID", "Activity Type", "Activity Date"),
    "merges": ("Merged Record ID", "Record ID", "Merged At"),
}
BEGIN, WEEKS = date(2025, 3, 3), (date(2025, 4, 7), date(2025, 4, 14), date(2025, 4, 21))
CHANGED, AMENDED, GONE_INTO, SURVIVES, DELETED, NEW = "101", "102", "103", "104", "106", "201"
REDATED = "107"
"""One whose date was corrected."""


@dataclass(frozen=True)
class Contact:
    """A contact as it stands; mql, sql: when it became one."""

    id: str
    country: str = "US"
    stage: str = "lead"
    mql: str = ""
    sql: str = ""

    @property
    def row(self) -> tuple[str, ...]:
        person = f"Ann {self.id}", f"ann{self.id}@example.org"
        return self.id, *person, self.country, self.stage, "$1,200,000", "2025-03-03 09:00", self.mql, self.sql


@dataclass
class Crm:
    """What the CRM holds; each export writes all of it."""

    contacts: dict[str, Contact] = field(default_factory=dict)
    deals: dict[str, tuple[str, str, str, str]] = field(default_factory=dict)
    engagements: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    merges: list[tuple[str, str, str]] = field(default_factory=list)

    def export(self, folder: Path) -> dict[str, list[str]]:
        rows: dict[str, list[Sequence[str]]] = {
            "contacts": [contact.row for contact in self.contacts.values()],
            "deals": [(key, *deal) for key, deal in self.deals.items()],
            "engagements": [(key, *engagement) for key, engagement in self.engagements.items()],
            "merges": list(self.merges),
        }
        folder.mkdir()
        for name, of in rows.items():
            with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8-sig") as file:
                csv.writer(file).writerows([HEADS[name], *of])
        return {name: [str(folder / f"{name}.csv")] for name in rows if rows[name]}

    @property
    def told(self) -> int:
        """How many events an export holds: open deals are none."""
        stages = sum(bool(contact.mql) + bool(contact.sql) for contact in self.contacts.values())
        return stages + sum(deal[1] != "Appointment Scheduled" for deal in self.deals.values()) + len(self.engagements)


def first_week() -> Crm:
    crm = Crm()
    for number in range(101, 161):
        day = BEGIN + timedelta(days=number % 20)
        crm.contacts[str(number)] = Contact(str(number), mql=str(day) if number % 2 else "")
        for n in range(3):
            time = f"{day + timedelta(days=n)} 1{n}:00"
            crm.engagements[f"e{number}-{n}"] = (str(number), "email_open" if n else "meeting", time)
        if number % 3 == 0:
            crm.deals[f"d{number}"] = (str(number), "Closed Won", "$1,000.00", str(day + timedelta(days=5)))
    crm.deals["d101"] = (CHANGED, "Appointment Scheduled", "", "2025-06-30")
    return crm


def second_week(crm: Crm) -> None:
    """A profile changes, an amount is corrected, a stage is reached, a date is corrected, a contact comes."""
    crm.contacts[CHANGED] = replace(crm.contacts[CHANGED], country="CA", stage="opportunity", sql="2025-04-09")
    crm.deals["d102"] = (AMENDED, "Closed Won", "$1,500.00", crm.deals["d102"][3])
    crm.contacts[REDATED] = replace(crm.contacts[REDATED], mql="2025-03-02")
    crm.contacts[NEW] = Contact(NEW)
    crm.engagements["e201"] = (NEW, "email_open", "2025-04-12 10:00")


def third_week(crm: Crm) -> None:
    """A pair is merged: the CRM has all under the one that is left. A contact is deleted, a deal won."""
    del crm.contacts[GONE_INTO], crm.contacts[DELETED]
    crm.merges.append((GONE_INTO, SURVIVES, "2025-04-16 12:00"))
    for key, (contact, kind, time) in [*crm.engagements.items()]:
        if contact == GONE_INTO:
            crm.engagements[key] = (SURVIVES, kind, time)
        if contact == DELETED:
            del crm.engagements[key]
    crm.deals["d101"] = (CHANGED, "Closed Won", "$2,000.00", "2025-04-18")
    crm.engagements["e202"] = (NEW, "meeting", "2025-04-20 10:00")


def us(day: date, hours: int = 0) -> int:
    at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hours)
    return int(at.timestamp()) * 1_000_000


CHANGES: tuple[Callable[[Crm], None], ...] = (lambda crm: None, second_week, third_week)
"""What happens before each export."""


def exported(crm: Crm, folder: Path, number: int) -> IngestReport:
    """Takes the export of a week into the log in the folder."""
    at = us(WEEKS[number], 12)
    (folder / "hubspot.toml").write_text(MAPPING)
    files = crm.export(folder / f"week-{number}")
    mapping = read_mapping(folder / "hubspot.toml")
    return ingest(folder / "log", mapping, files=files, as_of=at, clock=partial(float, at / 1e6), buckets=4)
