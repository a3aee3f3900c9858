"""The same export of a CRM three weeks in a row, by one mapping: every row accounted for, and its changes are seen.

In HubSpot's shape: contacts with a date for each stage they became, deals, engagements, and merges.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from data.intake.ingest import ingest
from data.intake.next_part import Counts, IngestReport
from data.log.eventlog import EventLog
from data.sources.mapping import read_mapping
from features.compiler import compile_plan
from features.kernel import compute
from features.kinds import Count, Profile, Sum
from features.labels import Target
from features.population import population_of
from serving.scoring.batch import one_moment

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

Weeks = tuple[EventLog, list[tuple[int, IngestReport]]]


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
            "engagements": [(key, *told) for key, told in self.engagements.items()],
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
    crm.contacts["107"] = replace(crm.contacts["107"], mql="2025-03-02")
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


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Weeks:
    """The log after three weeks; of each week how many events were told, and what became of them."""
    folder, crm, reports = tmp_path_factory.mktemp("weeks"), first_week(), list[tuple[int, IngestReport]]()
    (folder / "hubspot.toml").write_text(MAPPING)
    for number, week in enumerate(WEEKS):
        if number:
            (second_week, third_week)[number - 1](crm)
        at = us(week, 12)
        files = crm.export(folder / f"week-{number}")
        mapping = read_mapping(folder / "hubspot.toml")
        report = ingest(folder / "log", mapping, files=files, as_of=at, clock=partial(float, at / 1e6), buckets=4)
        reports.append((crm.told, report))
    return EventLog.open(folder / "log"), reports


def test_every_row_is_accounted_for_and_none_is_refused(
    weeks: Weeks,
) -> None:
    for told, report in weeks[1]:
        for counts in (report.events, report.leads, report.identities):
            assert (counts.accepted + counts.duplicate, counts.rejected) == (counts.received, 0)
        assert report.events.received == told
        assert (report.reasons, report.cells, report.left_out.get("leads", 0)) == ({}, {}, 0)
    (told, first), (_, second), (_, third) = weeks[1]
    assert first.events == Counts(told, told, 0, 0, 0)
    assert (second.events.accepted, second.events.corrected) == (4, 2)
    assert (second.leads.accepted, second.leads.duplicate) == (2, 59)
    assert (third.events.accepted, third.events.corrected, third.leads.accepted) == (5, 3, 0)
    assert third.identities.accepted == 1


def known(log: EventLog, lead: str, at: int) -> dict[str, Any]:
    catalogue = (Profile("country"), Profile("stage"), Sum("deal_won", None), Count("any", None))
    plan = compile_plan(catalogue, log.vocabulary, ())
    history = log.find(lead)
    row = compute(plan, history, one_moment(at)).to_pylist()[0]
    return {definition.name: row[definition.name] for definition in catalogue}


def test_a_week_sees_what_its_export_said_and_no_earlier_one_does(
    weeks: Weeks,
) -> None:
    log, after = weeks[0], [us(week, 13) for week in WEEKS]
    seen = [[*known(log, CHANGED, at).values()] for at in after]
    assert seen == [["US", "lead", 0.0, 4.0], ["CA", "opportunity", 0.0, 5.0], ["CA", "opportunity", 2000.0, 6.0]]
    assert [known(log, AMENDED, at)["sum_deal_won_ever"] for at in after] == [1000.0, 1500.0, 1500.0]
    assert [known(log, SURVIVES, at)["count_any_ever"] for at in after] == [3.0, 3.0, 7.0]


def test_the_merged_and_the_deleted_are_in_no_population_of_the_third_week(
    weeks: Weeks,
) -> None:
    there = []
    for week in WEEKS:
        ids = set[str]()
        for number in range(weeks[0].n_buckets):
            histories = weeks[0].bucket(number)
            places = population_of(histories, Target("conversion", ("deal_won",))).at(us(week, 13))
            ids |= {histories.lead_ids[place].as_py() for place in places.tolist()}
        there.append(ids)
    assert [{GONE_INTO, DELETED} & ids for ids in there] == [{GONE_INTO, DELETED}, {GONE_INTO, DELETED}, set()]
    assert SURVIVES in there[2]
