"""The ledger beside the log: who was erased does not come back by any file, and who objects is not scored from it."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from data.contract import DataError
from data.erasure import ledger as ledgers
from data.erasure.ledger import ErasedAndObjecting, Ledger
from data.intake.check import check_sources
from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.log.removal import erase_from_log
from data.sources.mapping import IdentitiesPart
from tests.data.exports import NOW, into, rejected, write_csv
from tests.whole_workspace import RAW, events_of, holders

AT = 1_700_000_000_000_000
ALIASES = RAW.model_copy(update={"identities": (IdentitiesPart(lead_id="lead", alias="alias", valid_from="at"),)})
REASON = "the lead was erased; nothing more is taken in about it"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.beside(tmp_path / "log")


def test_it_knows_whole_ids_however_they_are_spelled_and_holds_none(ledger: Ledger) -> None:
    ledger.add("erased", ["Zo\u00e9", "1"], AT)
    assert ledger.known().erased([" Zoe\u0301\u200b", "1", "11", "", "zo\u00e9"]) == {" Zoe\u0301\u200b", "1"}
    assert b"Zo" not in ledger.path.read_bytes()


def test_it_is_private_and_makes_nothing_where_nothing_is_noted(ledger: Ledger) -> None:
    assert ledger.known() == ErasedAndObjecting()
    assert ledger.written() == []
    ledger.withdraw(["1"])
    assert list(ledger.path.parent.iterdir()) == []
    old = os.umask(0)
    try:
        ledger.add("objects", ["1"], AT)
    finally:
        os.umask(old)
    assert stat.S_IMODE(ledger.path.stat().st_mode) == 0o600


def test_who_objects_is_not_scored_until_that_is_withdrawn_and_is_not_erased(ledger: Ledger) -> None:
    ledger.add("objects", ["1"], AT)
    assert (ledger.known().withheld(["1", "2"]), ledger.known().erased(["1"])) == ({"1"}, set())
    ledger.withdraw(["1"])
    assert ledger.known().withheld(["1"]) == set()
    ledger.add("erased", ["1"], AT)
    ledger.withdraw(["1"])
    assert ledger.known().withheld(["1"]) == {"1"}


def test_two_ledgers_take_each_other_over_whatever_their_keys(ledger: Ledger, tmp_path: Path) -> None:
    other = Ledger(tmp_path / "other.db")
    ledger.add("erased", ["1"], AT)
    other.add("erased", ["2"], AT)
    for _ in range(2):
        ledger.take_over(other.known())
        other.take_over(ledger.known())
        assert ledger.known().erased("123") == other.known().erased("123") == {"1", "2"}
    ledger.add("erased", ["3"], AT)
    assert Ledger(ledger.path).known().erased("123") == {"1", "2", "3"}


@pytest.mark.parametrize("content", [b"", b"damaged", b"SQLite format 3\0" + b"x" * 5_000])
def test_a_damaged_ledger_closes_the_door(content: bytes, ledger: Ledger, tmp_path: Path) -> None:
    ledger.path.write_bytes(content)
    with pytest.raises(DataError, match=r"restore it from a backup"):
        ledger.known()
    with pytest.raises(DataError, match=r"erased\.db cannot be used"):
        into(tmp_path / "log", events_of(tmp_path / "a.parquet", ["1"]), mapping=RAW)
    assert not (tmp_path / "log" / "log.json").exists()


def test_nobody_is_added_while_a_list_is_written(ledger: Ledger) -> None:
    ledger.add("erased", ["1"], AT)
    adding = threading.Thread(target=ledger.add, args=("erased", ["2"], AT))
    with ledger.held() as known:
        adding.start()
        adding.join(0.3)
        assert adding.is_alive()
        assert known.erased("12") == {"1"}
    adding.join()
    assert ledger.known().erased("12") == {"1", "2"}


def test_of_those_who_make_it_at_once_one_does(ledger: Ledger) -> None:
    leads = [f"L{n}" for n in range(8)]
    adding = [threading.Thread(target=ledger.add, args=("erased", [lead], AT)) for lead in leads]
    for thread in adding:
        thread.start()
    for thread in adding:
        thread.join()
    assert ledger.known().erased(leads) == set(leads)
    assert [path.name for path in ledger.path.parent.iterdir()] == [ledgers.NAME]


def test_an_erased_lead_does_not_return_by_a_file_nor_as_an_alias(ledger: Ledger, tmp_path: Path) -> None:
    log, leads = tmp_path / "log", ["1", "11", "=1+1"]
    into(log, events_of(tmp_path / "a.parquet", leads), mapping=RAW)
    ledger.add("erased", ["1"], AT)
    erase_from_log(log, "1")
    names = write_csv(
        tmp_path / "ids.csv", [f"{a},{b},2024-01-01T00:00:00Z" for a, b in ("c1", "1d", "ef")], "alias,lead,at"
    )
    profiles = write_csv(
        tmp_path / "leads.csv", ["1,2024-01-01T00:00:00Z,DE", "11,2024-01-01T00:00:00Z,DE"], "lead_id,at,country"
    )
    later = events_of(tmp_path / "b.parquet", leads, "2024-06-01T00:00:00Z")
    report = into(log, later, leads=[profiles], mapping=ALIASES.model_copy(update={"identities": ()}))
    assert (report.events.accepted, report.events.rejected, report.leads.accepted, report.leads.rejected) == (
        4,
        2,
        1,
        1,
    )
    assert report.reasons == {REASON: 3}
    summary = ingest(log, ALIASES, [], [], [names], clock=lambda: NOW)
    assert (summary.identities.accepted, summary.identities.rejected) == (1, 2)
    assert "1" not in {lead for bucket in range(2) for lead in EventLog.open(log).bucket(bucket).lead_ids.to_pylist()}
    assert {reason for _, _, reason in rejected(summary)} == {REASON}
    checked = check_sources(log, RAW, [later], clock=lambda: NOW)
    assert [row[2] for row in checked.rejected] == [REASON] * 2


def test_an_id_that_turns_out_to_be_an_erased_lead_is_erased_too_and_so_are_its_own(
    ledger: Ledger, tmp_path: Path
) -> None:
    """An alias, one of it, and nobody else: not whom the erased lead was an alias of, nor a shared cookie."""
    ledger.add("erased", ["1"], AT)
    mapping = ALIASES.model_copy(
        update={"identities": (IdentitiesPart(lead_id="lead", alias="alias", valid_from="at", valid_until="until"),)}
    )
    rows = ["2,1,2024-01-01T00:00:00Z,", "cookie,2,2024-01-01T00:00:00Z,", "1,3,2024-01-01T00:00:00Z,",
            "shared,1,2024-01-01T00:00:00Z,2024-05-01T00:00:00Z"]  # fmt: skip
    names, leads = write_csv(tmp_path / "ids.csv", rows, "alias,lead,at,until"), ["2", "3", "cookie", "shared"]
    events = [events_of(tmp_path / f"{at}.parquet", leads, f"2024-0{at}-01T00:00:00Z") for at in (3, 6)]
    checked = check_sources(tmp_path / "log", mapping, events, [], [names], clock=lambda: NOW)
    assert ledger.known().erased(leads) == set(), "a check changes nothing"
    report = ingest(tmp_path / "log", mapping, events, [], [names], clock=lambda: NOW)
    assert ledger.known().erased([*leads, "1"]) == {"1", "2", "cookie"}
    assert (report.events.rejected, report.identities.accepted, report.identities.rejected) == (8, 1, 3)
    assert report.doubts == checked.examination.doubts
    assert report.doubts[-1].startswith("2 ids are aliases of leads that were erased")
    log = EventLog.open(tmp_path / "log")
    there = {lead for bucket in range(log.n_buckets) for lead in log.bucket(bucket).lead_ids.to_pylist()}
    assert there == {"3", "shared"}
    known = {lead: int(log.find(lead).known_at.min()) for lead in ("3", "shared")}
    assert known["shared"] > known["3"], "as long as the cookie was the lead's, what it did is nobody's"
    again = ingest(tmp_path / "log", mapping, events, [], [names], clock=lambda: NOW)
    assert (again.events.accepted, again.identities.accepted, again.identities.rejected) == (0, 0, 3)


def test_what_the_log_held_of_such_an_id_before_goes_with_the_ingest_that_says_so(
    ledger: Ledger, tmp_path: Path
) -> None:
    log, remaining = tmp_path / "log", ["3", "4"]
    into(log, events_of(tmp_path / "before.parquet", ["2", *remaining]), mapping=RAW)
    ledger.add("erased", ["1"], AT)
    names = write_csv(tmp_path / "ids.csv", ["2,1,2024-01-01T00:00:00Z"], "alias,lead,at")
    more = events_of(tmp_path / "more.parquet", remaining, "2024-06-01T00:00:00Z")
    report = ingest(log, ALIASES, [more], [], [names], clock=lambda: NOW)
    assert "are erased from the log with them" in report.doubts[-1]
    opened = EventLog.open(log)
    there = {lead for bucket in range(opened.n_buckets) for lead in opened.bucket(bucket).lead_ids.to_pylist()}
    assert there == set(remaining)
    assert not holders("2", log)
    assert all(opened.find(lead).n_events == 4 for lead in remaining)


def test_an_export_of_erased_leads_alone_is_no_wrong_mapping(ledger: Ledger, tmp_path: Path) -> None:
    ledger.add("erased", ["1"], AT)
    report = into(tmp_path / "log", events_of(tmp_path / "a.parquet", ["1"]), mapping=RAW)
    assert (report.events.received, report.events.rejected) == (2, 2)


def test_without_the_door_it_does(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault."""
    monkeypatch.setattr("data.intake.staged_export.reject_erased", lambda *given: None)
    ledger.add("erased", ["1"], AT)
    assert into(tmp_path / "log", events_of(tmp_path / "a.parquet", ["1"]), mapping=RAW).events.accepted == 2
