"""The event log, taken over into the store: what counts now is there, whatever exports, services and people did before.

Beside a log with all that companies' data does, whose histories are the second implementation.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from data.contract import US_PER_SECOND, DataError
from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.log.removal import erase_from_log
from data.sources.mapping import EventsPart, IdentitiesPart, LeadsPart, Mapping
from data.times import time_from_text
from serving.store.database.schema import attributes, events, leads, profiles
from serving.store.events.event_validation import EventIn
from serving.store.events.log_export import ingest_store
from serving.store.leads.decisions import Decision
from serving.store.leads.worklist_query import WantedLeads
from serving.store.publication import log_state, publication
from serving.store.publication.publication import Published
from serving.store.publication.published_events import put_events
from serving.store.scores.scores import StoredScore
from serving.store.store import Store, open_store
from tests.data.exports import NOW, PLAIN, into, write_csv
from tests.oracles.known_leads import Seen, logged_events, logged_profiles
from tests.serving.messy_year import Year
from training.thresholds.stages import StageThreshold

NOW_US = int(NOW * US_PER_SECOND)
BOTH = PLAIN.model_copy(
    update={
        "events": (PLAIN.events[0].model_copy(update={"retracted": "gone"}),),
        "identities": (IdentitiesPart(alias="cookie", lead_id="contact", valid_from="since"),),
    }
)
HEADER = "lead,type,at,received,channel,value,origin,id,gone"
VISIT = "l1,page_view,2024-01-05T10:00:00Z,,web,1.5,crm,7,"
OTHERS = [f"l{n},page_view,2024-01-0{n}T00:00:00Z,,web,,crm,v{n}," for n in (2, 3)]


def published(store: Store, path: Path, now: int = NOW_US) -> Published:
    return store.publication.run(EventLog.open(path), now)


def in_log(log: EventLog, as_of: int) -> tuple[Seen, dict[str, dict[str, Any]]]:
    seen: Seen = Counter()
    known: dict[str, dict[str, Any]] = {}
    for number in range(log.n_buckets):
        histories = log.bucket(number)
        seen += logged_events(histories, as_of)
        known |= logged_profiles(histories, as_of)
    return seen, known


def in_store(store: Store, log: EventLog, as_of: int) -> tuple[Seen, dict[str, dict[str, Any]]]:
    with store.database.read() as connection:
        present = select(leads.c.lead_id).where(leads.c.away_since.is_(None)).order_by(leads.c.lead_id)
        ids = list(connection.scalars(present))
    histories = store.histories.of(ids, as_of, log.profile_columns, log.bots)
    return logged_events(histories, as_of), logged_profiles(histories, as_of)


def tables(store: Store) -> dict[str, list[str]]:
    """All that the store holds of leads, but for when it heard of them."""
    with store.database.read() as connection:
        lead_columns = [column for column in leads.c if column.name not in ("created_at", "changed_at")]
        kinds = {
            "events": list(events.c),
            "profiles": list(profiles.c),
            "attributes": list(attributes.c),
            "leads": lead_columns,
        }
        return {
            name: sorted(repr(row) for row in connection.execute(select(*columns))) for name, columns in kinds.items()
        }


def of_store(store: Store, lead_id: str) -> list[tuple[Any, ...]]:
    """Type, value and known_at of a lead's events in the store."""
    query = select(events.c.event_type, events.c.value, events.c.known_at).where(events.c.lead_id == lead_id)
    with store.database.read() as connection:
        return sorted((tuple(row) for row in connection.execute(query)), key=repr)


def export(folder: Path, log: Path, lines: list[str], aliases: tuple[str, ...] = (), mapping: Mapping = BOTH) -> None:
    ids = [write_csv(folder / "ids.csv", aliases, "cookie,contact,since")] if aliases else []
    ingest(log, mapping, [write_csv(folder / "e.csv", lines, HEADER)], [], ids, clock=lambda: NOW, buckets=4)


def test_after_each_export_the_store_says_what_the_log_says(store: Store, year: Year, tmp_path: Path) -> None:
    """Corrections, retractions, merges, deletions and late rows of a messy year, published after every export."""
    totals: Counter[str] = Counter()
    for log, now in year:
        done = store.publication.run(log, now)
        totals.update({"events": done.events, "removed": done.removed, "kept": done.kept})
        assert in_store(store, log, now) == in_log(log, now)
    again = store.publication.run(log, now)
    assert (again.changed, again.events, again.profiles, again.removed) == (0, 0, 0, 0)
    with open_store(f"sqlite:///{tmp_path / 'fresh.db'}") as fresh:
        fresh.publication.run(log, now)
        # Who went away is kept, hidden, where it had been published before.
        assert set(tables(fresh)["events"]) <= set(tables(store)["events"])
        assert in_store(fresh, log, now) == in_store(store, log, now)
    assert totals["events"] > 3_000
    assert totals["removed"] > 0
    assert totals["kept"] == 0


def test_an_event_that_was_taken_back_would_be_noticed(
    year: Year, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted fault: all versions count for ever."""
    is_wrong = "coalesce(epoch_us(superseded_at) < $now, false)"
    assert is_wrong in log_state.EVENTS
    monkeypatch.setattr(log_state, "EVENTS", log_state.EVENTS.replace(is_wrong, "false"))
    log, now = year[-1]
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        store.publication.run(log, now)
        assert in_store(store, log, now) != in_log(log, now)


def test_a_newer_version_replaces_what_was_published_and_a_retraction_takes_it_out(
    store: Store, tmp_path: Path
) -> None:
    export(tmp_path, tmp_path / "log", [VISIT, *OTHERS])
    assert published(store, tmp_path / "log").events == 3
    export(tmp_path, tmp_path / "log", [VISIT.replace("1.5", "2.5"), *OTHERS])
    done = published(store, tmp_path / "log", NOW_US + 1)
    assert (done.changed, done.events, done.removed, done.leads) == (1, 1, 0, 3)
    assert of_store(store, "l1") == [("page_view", 2.5, NOW_US)]
    later = replace_clock(tmp_path, [f"{VISIT}true", *OTHERS])
    done = published(store, tmp_path / "log", later + 1)
    assert (done.removed, done.leads, of_store(store, "l1")) == (1, 2, [])
    assert store.leads.get("l1") is None


def replace_clock(folder: Path, lines: list[str]) -> int:
    """An export a day later; its time."""
    later = NOW + 86_400
    file = write_csv(folder / "later.csv", lines, HEADER)
    ingest(folder / "log", BOTH, [file], [], [], clock=lambda: later, buckets=4)
    return int(later * US_PER_SECOND)


def test_an_event_moves_with_its_lead(store: Store, tmp_path: Path) -> None:
    export(tmp_path, tmp_path / "log", [VISIT, *OTHERS])
    published(store, tmp_path / "log")
    export(tmp_path, tmp_path / "log", [VISIT.replace("l1", "l9"), *OTHERS])
    published(store, tmp_path / "log", NOW_US + 1)
    assert of_store(store, "l9") == [("page_view", 1.5, NOW_US)]
    assert store.leads.get("l1") is None


def scored(store: Store, *lead_ids: str) -> None:
    batch = [StoredScore(lead_id, "conversion", 1, 0.5, 0.4, 0.6, "1", "d") for lead_id in lead_ids]
    store.scores.record(batch, [StageThreshold("MQL", 0.1)], 1)


def listed(store: Store) -> list[str]:
    return sorted(entry.lead_id for entry in store.worklist.page(WantedLeads("conversion")).entries)


def test_a_merged_lead_is_listed_nowhere_and_nothing_decided_about_it_is_lost(store: Store, tmp_path: Path) -> None:
    export(tmp_path, tmp_path / "log", [VISIT, *OTHERS])
    published(store, tmp_path / "log")
    scored(store, "l1", "l2", "l3")
    store.decisions.make("l1", "conversion", Decision("SQL", "talked", "anna", 5, None))
    export(tmp_path, tmp_path / "log", OTHERS, ("l1,l2,2024-02-01T00:00:00Z",))
    published(store, tmp_path / "log")
    assert listed(store) == ["l2", "l3"]
    assert [row[0] for row in of_store(store, "l2")] == ["page_view", "page_view"]
    assert of_store(store, "l1") == []
    [stands] = store.scores.standing("l1")
    assert (stands.stage, stands.override) == ("SQL", "SQL")


def test_what_a_service_sent_and_the_log_does_not_know_stays(store: Store, tmp_path: Path) -> None:
    """Until the log has taken it in: then versions have their order, and the newest counts."""
    export(tmp_path, tmp_path / "log", [VISIT, *OTHERS])
    sent = EventIn("l1", "page_view", "2024-01-05T10:00:00Z", "web", 9.0, source="crm", event_id="7")
    store.events.add([sent, EventIn("l1", "email_click", "2024-03-01T00:00:00Z", event_id="own")], NOW_US - 5)
    done = published(store, tmp_path / "log")
    assert (done.events, done.kept) == (2, 1)
    assert of_store(store, "l1") == [("email_click", None, NOW_US - 5), ("page_view", 9.0, NOW_US - 5)]
    ingest_store(tmp_path / "log", store.database, clock=lambda: NOW)
    export(tmp_path, tmp_path / "log", [VISIT.replace("1.5", "2.5"), *OTHERS])
    done = published(store, tmp_path / "log", NOW_US + 1)
    assert done.kept == 0
    assert of_store(store, "l1") == [("email_click", None, NOW_US - 5), ("page_view", 2.5, NOW_US)]


def test_what_a_service_sent_follows_the_log_when_it_is_retracted(store: Store, tmp_path: Path) -> None:
    store.events.add([EventIn("l1", "page_view", "2024-01-05T10:00:00Z", "web", 1.5, None, "crm", "7")], NOW_US - 9)
    ingest_store(tmp_path / "log", store.database, PLAIN, clock=lambda: NOW)
    assert published(store, tmp_path / "log").events == 0
    later = replace_clock(tmp_path, [f"{VISIT}true"])
    assert published(store, tmp_path / "log", later + 1).removed == 1
    assert store.leads.get("l1") is None


def test_a_copy_counts_from_when_it_was_known_first(store: Store, tmp_path: Path) -> None:
    export(tmp_path, tmp_path / "log", [VISIT, *OTHERS])
    copy = EventIn("l1", "page_view", "2024-01-05T10:00:00Z", "web", 1.5, "2024-01-09T00:00:00Z", "crm", "7")
    store.events.add([copy], NOW_US)
    done = published(store, tmp_path / "log")
    assert done.kept == 0
    assert of_store(store, "l1") == [("page_view", 1.5, time_from_text("2024-01-05T10:00:00Z"))]


def test_the_store_gives_back_to_the_log_only_what_services_sent(store: Store, tmp_path: Path) -> None:
    profiles_file = write_csv(
        tmp_path / "p.csv", ["l1,2024-01-01T00:00:00Z,Software,12"], "lead,since,industry,employees"
    )
    into(tmp_path / "log", write_csv(tmp_path / "e.csv", [VISIT, *OTHERS], HEADER), leads=[profiles_file], mapping=BOTH)
    published(store, tmp_path / "log")
    before = EventLog.open(tmp_path / "log").digest
    with pytest.raises(DataError, match="no profiles yet that a service has sent"):
        ingest_store(tmp_path / "log", store.database, clock=lambda: NOW)
    store.leads.put("l4", NOW_US - 5, None, {"industry": "retail"}, NOW_US)
    report = ingest_store(tmp_path / "log", store.database, clock=lambda: NOW)
    assert (report.events.received, report.leads.received) == (0, 1)
    assert EventLog.open(tmp_path / "log").digest != before


def test_the_erased_and_those_who_object_stay_out(store: Store, tmp_path: Path) -> None:
    export(tmp_path, tmp_path / "log", [VISIT, *OTHERS])
    store.leads.put("l2", 1, None, {}, 1, earliest=1)
    store.leads.object("l2", True, 1)
    store.erasure.forget("l1", "test", 1)
    done = published(store, tmp_path / "log")
    assert (done.withheld, done.leads, done.events) == (2, 1, 1)
    assert of_store(store, "l1") == of_store(store, "l2") == []
    store.leads.object("l2", False, 2)
    assert published(store, tmp_path / "log").events == 1
    assert [row[0] for row in of_store(store, "l2")] == ["page_view"]


def test_what_the_log_has_no_more_is_taken_out_and_what_services_sent_is_not(store: Store, tmp_path: Path) -> None:
    export(tmp_path, tmp_path / "log", [VISIT, *OTHERS])
    store.events.add([EventIn("l2", "email_click", "2024-03-01T00:00:00Z", event_id="own")], NOW_US - 5)
    published(store, tmp_path / "log")
    for lead_id in ("l1", "l2"):
        erase_from_log(tmp_path / "log", lead_id)
    assert published(store, tmp_path / "log").removed == 2
    assert of_store(store, "l2") == [("email_click", None, NOW_US - 5)]
    assert store.leads.get("l1") is None
    assert published(store, tmp_path / "log").changed == 0


def test_what_was_replaced_in_the_log_is_replaced_in_the_store(store: Store, tmp_path: Path) -> None:
    """Rows of the earlier ingest go, also of a lead of which nothing else is left; the store is as a new one."""
    moved, other = OTHERS[0].replace("l2", "l4"), VISIT.replace(",crm,", ",web,")
    export(tmp_path, tmp_path / "log", [VISIT, *OTHERS, other])
    store.events.add([EventIn("l3", "email_click", "2024-03-01T00:00:00Z", event_id="own")], NOW_US - 5)
    published(store, tmp_path / "log")
    fewer = write_csv(tmp_path / "right.csv", [VISIT.replace("1.5", "2.5").replace("T10", "T09"), moved], HEADER)
    ingest(tmp_path / "log", BOTH, [fewer], [], [], clock=lambda: NOW, buckets=4, replacing=["crm"])
    done = published(store, tmp_path / "log", NOW_US + 1)
    assert (done.events, done.removed, done.leads) == (2, 1, 2)
    assert [len(of_store(store, lead)) for lead in ("l1", "l2", "l3", "l4")] == [2, 0, 1, 1]
    assert store.leads.get("l2") is None
    assert published(store, tmp_path / "log", NOW_US + 2).changed == 0
    with open_store(f"sqlite:///{tmp_path / 'fresh.db'}") as fresh:
        published(fresh, tmp_path / "log", NOW_US + 1)
        own = [row for row in tables(store)["events"] if "'own'" in row]
        assert sorted(tables(fresh)["events"] + own) == tables(store)["events"]


def test_one_that_was_cut_off_goes_on_and_ends_as_one_that_was_not(
    store: Store, year: Year, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a single lead has more events than one transaction writes."""
    monkeypatch.setattr(publication, "EVENTS_AT_ONCE", 40)
    monkeypatch.setattr(log_state, "EVENTS_AT_ONCE", 40)
    last, at = year[-1]
    calls = iter(range(10**6))

    def dies(*args: Any) -> tuple[int, int]:
        if next(calls) in (3, 30):
            raise KeyboardInterrupt
        return put_events(*args)

    monkeypatch.setattr(publication, "put_events", dies)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            store.publication.run(last, at)
    store.publication.run(last, at)
    assert in_store(store, last, at) == in_log(last, at)
    with open_store(f"sqlite:///{tmp_path / 'fresh.db'}") as fresh:
        fresh.publication.run(last, at)
        assert tables(fresh) == tables(store)


PEOPLE = Mapping(
    name="people",
    event_types=("page_view",),
    events=EventsPart(lead_id="lead", event_type="type", occurred_at="at"),
    leads=LeadsPart(
        lead_id="lead",
        valid_from="since",
        account_id="firm",
        categories=("Industry", "street", "note"),
        as_is=("note",),
        numbers=("employees",),
    ),
)


def test_profiles_are_taken_over_by_the_rules_of_the_door(store: Store, tmp_path: Path) -> None:
    """A column of personal data stays out, and so does an address in another; both are told."""
    header = "lead,since,firm,Industry,street,note,employees"
    lines = [
        "l1,2024-01-01T00:00:00Z,A,Software,High Street,someone@example.org,12",
        "l1,2024-02-01T00:00:00Z,B,Retail,High Street,fine,13.5",
        "l2,2024-02-01T00:00:00Z,,,,,",
    ]
    file = write_csv(tmp_path / "p.csv", lines, header)
    ingest(tmp_path / "log", PEOPLE, [], [file], clock=lambda: NOW, buckets=2)
    done = published(store, tmp_path / "log")
    assert (done.leads, done.profiles, done.unknown, list(done.refused)) == (2, 3, {"note": 1}, ["street"])
    lead = store.leads.get("l1")
    assert lead is not None
    assert lead.account_id == "B"
    assert [version.attributes for version in lead.versions] == [
        {"industry": "Software", "employees": 12.0},
        {"industry": "Retail", "note": "fine", "employees": 13.5},
    ]
    store.leads.put("l1", NOW_US - 9, None, {"industry": "own"}, NOW_US)
    again = [line.replace("13.5", "14") for line in lines]
    ingest(tmp_path / "log", PEOPLE, [], [write_csv(tmp_path / "p.csv", again, header)], clock=lambda: NOW, buckets=2)
    assert published(store, tmp_path / "log", NOW_US + 1).profiles == 1
    lead = store.leads.get("l1")
    assert lead is not None
    assert [version.attributes.get("employees") for version in lead.versions] == [12.0, 13.5, None, 14.0]


def test_columns_that_the_store_cannot_tell_apart_are_refused(store: Store, tmp_path: Path) -> None:
    part = LeadsPart(lead_id="lead", valid_from="since", categories=("Size",))
    for name in ("Size", "size"):
        mapping = PEOPLE.model_copy(update={"leads": (part.model_copy(update={"categories": (name,)}),)})
        file = write_csv(tmp_path / "p.csv", [f"{name},2024-01-01T00:00:00Z,big"], f"lead,since,{name}")
        ingest(tmp_path / "log", mapping, [], [file], clock=lambda: NOW, buckets=2)
    with pytest.raises(DataError, match="'size' differs from another one in case alone"):
        published(store, tmp_path / "log")
    assert store.leads.get("Size") is None


def test_an_erasure_waits_for_what_is_being_written(store: Store, tmp_path: Path) -> None:
    """Else rows that are on their way would come back after it."""
    from threading import Thread

    blocked = store.publication._blocked
    with store.database.write() as connection:
        assert not blocked.among(connection, ["l1"])
        forgetting = Thread(target=store.erasure.forget, args=("l1", "test", 1))
        forgetting.start()
        forgetting.join(0.3)
        assert forgetting.is_alive()
        row = {"source": "", "event_id": "1", "lead_id": "l1", "event_type": "x", "occurred_at": 1, "received_at": 1}
        connection.execute(events.insert().values(**row, known_at=1, body="b"))
    forgetting.join()
    assert of_store(store, "l1") == []


def test_what_becomes_known_later_waits(store: Store, tmp_path: Path) -> None:
    export(tmp_path, tmp_path / "log", [VISIT, *OTHERS])
    second = time_from_text("2024-01-02T00:00:00Z")
    assert published(store, tmp_path / "log", second + 1).leads == 1
    assert published(store, tmp_path / "log").leads == 3
