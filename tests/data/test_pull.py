"""A vendor's account comes into the log, whole and once, whatever goes wrong on the way; later only what changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import data.pull.connection
import data.pull.pull
from data.contract import DataError, UsageError
from data.histories import FAR
from data.log.eventlog import EventLog
from data.pull.connector import Endpoint
from data.pull.into_log import Brought
from data.pull.pages import Page, pages
from data.pull.pull import Pull, World
from tests.data.crm.accounts import VENDORS, Account, account_of
from tests.data.crm.fake_hubspot import ACCOUNT_PATH, FakeHubSpot
from tests.data.crm.fake_pipedrive import FakePipedrive
from tests.data.crm.fake_salesforce import FakeSalesforce, stamp
from tests.data.crm.fake_vendor import Trouble
from tests.data.crm.openapi import described, description
from tests.oracles.pulled_naive import told_by

PERSONAL = re.compile(rb"zaphod|beeblebrox|4917|49 170", re.IGNORECASE)
DAY = 86_400


def troubles() -> Trouble:
    """Every kind of trouble, again and again."""
    return Trouble(throttled=7, failing=11, cut=13, short=17)


@dataclass
class Whole:
    """An account with a whole pull behind it; leaks: files that said who people are, and what was being done then."""

    account: Account
    brought: Brought
    leaks: list[tuple[str, str]]


@pytest.fixture(scope="module", params=VENDORS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    leaks = list[tuple[str, str]]()
    with account_of(request.param, 110, tmp_path_factory.mktemp(request.param), trouble=troubles()) as account:

        def look(stage: str) -> None:
            files = [path for path in account.folder.rglob("*") if path.is_file()]
            leaks.extend((str(path), stage) for path in files if PERSONAL.search(path.read_bytes()))

        brought = account.pull(look)
        look("the end")
        yield Whole(account, brought, leaks)


@pytest.fixture
def hubspot(tmp_path: Path) -> Iterator[Account]:
    with account_of("hubspot", 25, tmp_path) as made:
        yield made


def fake(account: Account) -> FakeHubSpot:
    assert isinstance(account.vendor, FakeHubSpot)
    return account.vendor


def test_all_that_an_account_has_is_in_the_log_once_and_nobody_was_asked_too_early(whole: Whole) -> None:
    account, brought = whole.account, whole.brought
    assert account.told() == told_by(account.vendor)
    assert (account.vendor.too_early, account.vendor.refused) == (0, [])
    assert brought.report is not None
    assert brought.report.reasons == {}
    stated = EventLog.open(account.log).watermarks.by_source()[account.connector.name]
    assert stated == brought.pulled.began_us
    assert not account.landing.exists()


@pytest.mark.parametrize("name", ["hubspot", "pipedrive"])
def test_what_is_asked_is_what_the_vendor_describes(name: str, tmp_path: Path) -> None:
    """Also in a second pull, which asks for deletions."""
    check = description(described(name)).check

    def validate(method: str, path: str, params: Mapping[str, str], body: Any) -> None:
        if path != ACCOUNT_PATH:  # described in a file that is not among these
            check(method, path, params, body)

    with account_of(name, 20, tmp_path, validate=validate) as made:
        for _ in range(2):
            made.pull()
            made.vendor.now += DAY
        assert made.vendor.refused == []


def test_a_request_that_is_not_described_is_caught(tmp_path: Path) -> None:
    with account_of("pipedrive", 5, tmp_path, validate=description(described("pipedrive")).check) as made:
        deals = next(one for one in made.connector.resources if one.name == "deals")
        endpoint = deals.endpoint.model_copy(update={"params": {"changed_since": "{since}"}})
        made.connector = made.connector.model_copy(
            update={"resources": (deals.model_copy(update={"endpoint": endpoint}),)}
        )
        with pytest.raises(DataError, match=r"refuses /api/v2/deals \(400\)"):
            made.pull()
        assert "there is no parameter changed_since" in made.vendor.refused[0]


def test_who_people_are_is_never_written(whole: Whole) -> None:
    """Neither while a pull is under way nor after it, in the workspace, and by HubSpot not even sent."""
    assert whole.leaks == []
    assert not isinstance(whole.account.vendor, FakeHubSpot) or whole.account.vendor.personal_sent == 0


def test_a_name_that_is_written_is_caught(tmp_path: Path) -> None:
    with account_of("pipedrive", 5, tmp_path) as made:
        persons = next(one for one in made.connector.resources if one.name == "persons changed")
        table = persons.tables[0].model_copy(update={"columns": {"lead_id": "id", "name": "name"}})
        changed = persons.model_copy(update={"tables": (table,)})
        pull = Pull(
            made.connector.model_copy(update={"resources": (changed,)}),
            tmp_path / "landing",
            None,
            World(made.environ, made.vendor.sleep, made.vendor.clock),
        )
        pull.run()
        assert any(PERSONAL.search(path.read_bytes()) for path in (tmp_path / "landing").iterdir())


def test_nothing_has_changed(whole: Whole) -> None:
    account, before = whole.account, whole.account.digest()
    account.vendor.now += DAY
    brought = account.pull()
    assert (brought.report, account.digest()) == (None, before)
    assert sum(brought.pulled.rows.values()) <= 3  # Salesforce tells what its stages mean


def test_a_second_pull_brings_only_what_has_changed(hubspot: Account) -> None:
    vendor = fake(hubspot)
    hubspot.pull()
    vendor.now += DAY
    contact = next(iter(vendor.records["contacts"].values()))
    contact.set(vendor.now, lifecyclestage="customer")
    new = vendor.make("contacts", vendor.now, lifecyclestage="lead", associatedcompanyid="1001")
    deal = vendor.make("deals", vendor.now, [new.id, contact.id], dealstage="new", hs_is_closed_won="false")
    deal.set(vendor.now + 60, hs_is_closed_won="true", amount="900", dealstage="closedwon")
    vendor.now += DAY
    brought = hubspot.pull()
    assert hubspot.told() == told_by(vendor)
    assert brought.pulled.rows["contacts"] == 2
    assert brought.pulled.rows["deals"] == 1
    assert brought.report is not None
    assert brought.report.leads.received < 8


def test_what_has_changed_in_pipedrive(tmp_path: Path) -> None:
    with account_of("pipedrive", 30, tmp_path) as made:
        vendor = made.vendor
        assert isinstance(vendor, FakePipedrive)
        made.pull()
        vendor.now += DAY
        deals = vendor.records["deals"]
        won = next(key for key, one in deals.items() if one["status"] == "won")
        vendor.change("deals", won, vendor.now, status="open")
        gone = next(key for key in deals if key != won)
        vendor.change("deals", gone, vendor.now, is_deleted=True)
        person = vendor.make("persons", vendor.now, name="Zaphod")["id"]
        new = vendor.make("deals", vendor.now, person_id=person, status="open", value=7)["id"]
        vendor.now += DAY
        vendor.change("deals", new, vendor.now, status="lost")
        brought = made.pull()
        assert made.told() == told_by(vendor)
        assert (brought.pulled.rows["persons"], brought.pulled.rows["deals"]) == (1, 3)


def test_what_has_changed_in_salesforce(tmp_path: Path) -> None:
    """Also a contact that gets a role in an opportunity that has not changed itself: its history is the contact's."""
    with account_of("salesforce", 30, tmp_path) as made:
        vendor = made.vendor
        assert isinstance(vendor, FakeSalesforce)
        made.pull()
        vendor.now += DAY
        contacts, deals = list(vendor.records["Contact"]), list(vendor.records["Opportunity"])
        vendor.make("OpportunityContactRole", vendor.now, OpportunityId=deals[0], ContactId=contacts[5])
        vendor.change("Opportunity", deals[1], vendor.now, IsDeleted=True)
        vendor.change("Task", next(iter(vendor.records["Task"])), vendor.now, IsDeleted=True)
        vendor.make(
            "Task",
            vendor.now,
            WhoId=contacts[3],
            TaskSubtype="Call",
            IsClosed=True,
            CompletedDateTime=stamp(vendor.now),
        )
        vendor.now += DAY
        brought = made.pull()
        assert made.told() == told_by(vendor)
        assert (brought.pulled.rows["tasks"], brought.pulled.rows["opportunities"]) == (2, 2)
        assert "leads" not in brought.pulled.rows or brought.pulled.rows["leads"] == 0


def test_many_new_contacts_are_no_other_account(hubspot: Account) -> None:
    """A trade show: more leads than the log knew, and none of them known."""
    vendor = fake(hubspot)
    hubspot.pull()
    vendor.now += DAY
    for _ in range(120):
        vendor.make("contacts", vendor.now, lifecyclestage="lead")
    hubspot.pull()
    assert hubspot.told() == told_by(vendor)


@pytest.mark.proof("pull")
def test_more_contacts_than_a_search_may_show_with_one_and_the_same_time(full: bool, tmp_path: Path) -> None:
    """An import sets one time for all: pages by time would stand still, pages by number end at 10,000."""
    most = 10_000 if full else 400
    with account_of("hubspot", 0, tmp_path, most_found=most) as made:
        for _ in range(most + 50):
            fake(made).make("contacts", made.vendor.now - DAY, lifecyclestage="lead")
        assert made.pull().pulled.rows["contacts"] == most + 50


def test_a_company_that_has_changed_is_known_of_its_contacts(hubspot: Account) -> None:
    vendor = fake(hubspot)
    hubspot.pull()
    vendor.now += DAY
    key, company = next(iter(vendor.records["companies"].items()))
    theirs = [
        str(one.id) for one in vendor.records["contacts"].values() if one.value("associatedcompanyid", "") == str(key)
    ]
    company.set(vendor.now, industry="FARMING")
    hubspot.pull()
    log = EventLog.open(hubspot.log)
    assert theirs
    for lead in theirs:
        profiles = log.find(lead).profiles
        assert _newest(profiles, "company_industry") == "FARMING"


def test_whoever_changes_the_company_is_known_by_the_new_one(tmp_path: Path) -> None:
    """From then on, and as that one was then: what becomes of the old one later says nothing of the contact."""
    with account_of("hubspot", 0, tmp_path) as made:
        vendor, begin = fake(made), made.vendor.now - 90 * DAY
        old = vendor.make("companies", begin, industry="RETAIL", country="DE")
        new = vendor.make("companies", begin, industry="BANKING")
        new.set(begin + 30 * DAY, industry="FARMING")
        old.set(begin + 40 * DAY, industry="MINING")
        contact = vendor.make("contacts", begin + 5 * DAY, associatedcompanyid=str(old.id))
        contact.set(begin + 20 * DAY, associatedcompanyid=str(new.id))
        made.pull()
        profiles = EventLog.open(made.log).find(str(contact.id)).profiles
        days = [round((at / 1e6 - begin) / DAY) for at in profiles.valid_from.tolist()]
        known = (profiles.columns[name].to_pylist() for name in ("company_industry", "company_country"))
        assert list(zip(days, *known, strict=True)) == [
            (5, "RETAIL", "DE"),
            (20, "BANKING", None),
            (30, "FARMING", None),
        ]


def _newest(profiles: Any, column: str) -> Any:
    return profiles.columns[column].to_pylist()[-1]


def test_contacts_that_are_merged_are_one_lead_from_then_on(hubspot: Account) -> None:
    vendor = fake(hubspot)
    hubspot.pull()
    vendor.now += DAY
    winner, loser = list(vendor.records["contacts"])[:2]
    theirs = {(what, at) for lead, what, at in told_by(vendor) if lead == str(loser)}
    vendor.merge(winner, loser)
    hubspot.pull()
    assert theirs <= {(what, at) for lead, what, at in hubspot.told() if lead == str(winner)}


@pytest.mark.parametrize("name", ["hubspot", "salesforce"])
def test_contacts_that_are_deleted_are_gone_from_then_on(name: str, tmp_path: Path) -> None:
    with account_of(name, 25, tmp_path) as made:
        made.pull()
        vendor = made.vendor
        vendor.now += DAY
        if isinstance(vendor, FakeHubSpot):
            key, other = map(str, list(vendor.records["contacts"])[:2])
            vendor.delete("contacts", int(key))
        elif isinstance(vendor, FakeSalesforce):
            key, other = list(vendor.records["Contact"])[:2]
            vendor.change("Contact", key, vendor.now, IsDeleted=True)
        vendor.now += DAY
        brought = made.pull()
        assert (is_away(made, key), is_away(made, other)) == (True, False)
        assert brought.report is not None
        assert (brought.report.leads.accepted, brought.report.reasons) == (1, {})


def is_away(account: Account, lead: str) -> bool:
    """Whether a lead is gone at the end, and not by a merge."""
    absences = EventLog.open(account.log).find(lead).absences
    return absences is not None and FAR in absences.until[~np.asarray(absences.merged)]


def test_a_deal_that_is_deleted_is_taken_back(hubspot: Account) -> None:
    vendor = fake(hubspot)
    hubspot.pull()
    vendor.now += DAY
    deals = list(vendor.records["deals"])
    vendor.delete("deals", deals[0])
    made_and_deleted = vendor.make("deals", vendor.now, vendor.links["deals"][deals[1]], dealstage="new")
    vendor.now += DAY
    vendor.delete("deals", made_and_deleted.id)
    vendor.now += DAY
    brought = hubspot.pull()
    assert hubspot.told() == told_by(vendor)
    assert brought.report is not None
    assert brought.report.reasons == {}


def test_who_changes_while_pages_are_turned_is_neither_lost_nor_doubled(hubspot: Account) -> None:
    """Contacts are made, changed and deleted between any two requests; a second pull has what the first could not."""
    vendor = fake(hubspot)
    contacts = list(vendor.records["contacts"])

    def meddle(number: int) -> None:
        if 6 <= number <= 16:
            vendor.now += 1
            vendor.make("contacts", vendor.now, lifecyclestage="lead")
            vendor.records["contacts"][contacts[number]].set(vendor.now, lifecyclestage="customer")
            vendor.delete("contacts", contacts[-number])

    vendor.before = meddle
    hubspot.pull()
    vendor.before, vendor.now = lambda number: None, vendor.now + 60
    hubspot.pull()
    deleted = {str(one.id) for one in vendor.records["contacts"].values() if one.archived is not None}
    facts = {row for row in hubspot.told() if row[0] not in deleted}
    assert facts == {row for row in told_by(vendor) if row[0] not in deleted}


def lost_page(client: Any, endpoint: Endpoint, values: Mapping[str, Any], after: Any) -> Iterator[Page]:
    """Turns one page too many."""
    turned = list(pages(client, endpoint, values, after))
    yield from turned[1:] or turned


def test_a_page_that_is_lost_is_caught(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(data.pull.pull, "pages", lost_page)
    with account_of("pipedrive", 120, tmp_path) as made:
        made.pull()
        assert made.told() < told_by(made.vendor)


def test_a_retry_that_does_not_wait_is_caught(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def hasty(status: int, headers: Mapping[str, str], now: datetime) -> float:
        return 0.0

    monkeypatch.setattr(data.pull.connection, "asked_wait", hasty)
    with account_of("pipedrive", 60, tmp_path, trouble=troubles()) as made:
        made.pull()
        assert made.vendor.too_early > 0


def test_a_log_that_is_deleted_or_older_is_brought_up_to_date_again(hubspot: Account) -> None:
    """What was pulled stands in the log, so no cursor outlives it."""
    hubspot.pull()
    hubspot.log.rename(hubspot.folder / "away")
    hubspot.vendor.now += DAY
    assert hubspot.pull().since_us is None
    assert hubspot.told() == told_by(hubspot.vendor)


def test_who_asks_for_more_asks_from_the_beginning(hubspot: Account) -> None:
    hubspot.pull()
    lists = {**hubspot.connector.lists, "company_properties": ("industry", "country")}
    hubspot.connector = hubspot.connector.model_copy(update={"lists": lists})
    hubspot.vendor.now += DAY
    assert hubspot.pull().since_us is None


def test_a_place_in_a_list_that_the_vendor_has_forgotten(tmp_path: Path) -> None:
    """Salesforce keeps a query for two days; then the list is asked for from its beginning."""
    with account_of("salesforce", 450, tmp_path) as made:

        def fail(number: int) -> None:
            if number == 4:
                made.vendor.trouble = Trouble(failing=1)

        made.vendor.before = fail
        with pytest.raises(DataError, match="answers 503, 8 times; what has come stays"):
            made.pull()
        made.vendor.before, made.vendor.trouble = lambda number: None, Trouble()
        vars(made.vendor)["locators"].clear()
        made.pull()
        assert made.told() == told_by(made.vendor)


def test_two_pulls_at_once(hubspot: Account) -> None:
    def again(stage: str) -> None:
        with pytest.raises(UsageError, match="another pull is writing"):
            hubspot.pull()

    hubspot.pull(again)
