"""Erasure: not a byte of the lead is left in the store's files, it cannot come back, and the receipt says so."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import event, select, text

import serving.store.database.connection
import serving.store.database.failures
import serving.store.privacy.erasure
from data.contract import DataError
from serving.store.access.replies import Answer, Claim
from serving.store.database.schema import events
from serving.store.events.event_validation import EventIn
from serving.store.leads.listing import Filters
from serving.store.leads.profile_validation import ProfileIn
from serving.store.privacy.erasure import Nowhere
from serving.store.privacy.residue import parts_without_rows
from serving.store.privacy.workspace_files import Removal
from serving.store.scores.scores import StoredScore
from serving.store.store import Store, open_store
from tests.postgres import Postgres
from training.thresholds.stages import StageThreshold

NOW = 1_700_000_000_000_000
LEAD, OTHER = "lead-Zaphod-42", "lead-Trillian-7"
TRACES = (LEAD, "Betelgeuse", "acct-HeartOfGold", "evt-of-the-erased")
"""The id, and values that nobody else has."""


@dataclass
class Beside(Nowhere):
    """Files that lose so many rows, or cannot."""

    counts: dict[str, int]
    trouble: str = ""

    def clean(self, lead_ids: Sequence[str]) -> Removal:
        if self.trouble:
            raise DataError(self.trouble)
        return Removal(self.counts)


def live(store: Store, lead: str, account: str, country: str, event_id: str) -> None:
    """A lead leaves traces everywhere in the store: often, and in between all others."""
    for step in range(20):
        store.events.add(
            [EventIn(lead, "page_view", NOW - step, country, event_id=f"{event_id}-{step}-{n}") for n in range(9)], NOW
        )
        store.events.add([EventIn(f"L{n}", "visit", NOW - step - n, event_id=f"{step}-{n}") for n in range(40)], NOW)
    store.events.add([EventIn(lead, "page_view", NOW, value=float("nan"), event_id=event_id)], NOW)
    for step in range(5):
        store.leads.put(lead, NOW - step, account, {"country": country, "n_x": step}, NOW)
        score = StoredScore(lead, "conversion", NOW + step, 0.1 * step, 0.0, 1.0, "1", "digest")
        store.scores.record([score], [StageThreshold("MQL", 0.15)], NOW)
    claim = store.answers.recall(f"key of {lead}", f"body of {lead}".encode(), NOW)
    assert isinstance(claim, Claim)
    store.answers.remember(claim, Answer(200, f'{{"lead_id": "{lead}", "stage": "MQL"}}'))
    store.audit.add("key", "score", NOW, lead)


def traces(folder: Path) -> dict[str, list[str]]:
    """In which files, write-ahead log included, which traces are left."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    traced = {path.name: [trace for trace in TRACES if trace.encode() in path.read_bytes()] for path in files}
    return {name: left for name, left in traced.items() if left}


@pytest.fixture
def lived(tmp_path: Path) -> Store:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    live(store, OTHER, "acct-Earth", "Islington", "evt-of-the-other")
    live(store, LEAD, "acct-HeartOfGold", "Betelgeuse", "evt-of-the-erased")
    return store


def test_no_byte_is_left(lived: Store, tmp_path: Path) -> None:
    assert traces(tmp_path)
    receipt = lived.erasure.forget(LEAD, "test", NOW)
    assert traces(tmp_path) == {}
    assert receipt.removed["events"] == 180
    assert receipt.removed["rejected"] == receipt.removed["answers"] == 1
    assert all(receipt.removed[name] == 5 for name in ("profiles", "scores"))
    lived.close()
    assert traces(tmp_path) == {}


def test_an_erasure_leaves_vacuuming_to_postgresql_and_says_so(postgres: Postgres) -> None:
    """Ten tables were vacuumed for each lead, as a whole; a role that does not own them could not even do that."""
    with open_store(postgres.database("vacuumed")) as store:
        live(store, LEAD, "acct-HeartOfGold", "Betelgeuse", "evt-of-the-erased")
        receipt = store.erasure.forget(LEAD, "test", NOW)
        assert "until its vacuum has come by" in receipt.limits[0]
        with store.database.read() as connection:
            assert not connection.scalar(text("SELECT sum(vacuum_count) FROM pg_stat_user_tables"))


def test_a_short_id_does_not_have_the_whole_file_written_anew(tmp_path: Path) -> None:
    """`7` is in nearly every row of others; only where no row is could a copy of its own have stayed."""
    statements: list[str] = []
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        store.events.add([EventIn(str(n), "visit", NOW, event_id=f"e{n}") for n in range(60)], NOW)
        event.listen(store.database.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
        for lead in ("7", "1", "42", "3"):
            store.erasure.forget(lead, "test", NOW)
            assert store.leads.get(lead) is None
    assert statements
    assert "VACUUM" not in statements


def test_unused_parts_of_pages_are_all_that_rows_do_not_take(tmp_path: Path) -> None:
    """Of a file whose rows are known: each one is once where rows are, and copies and deleted ones are elsewhere."""
    path = tmp_path / "pages.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA secure_delete = OFF")
        database.execute("CREATE TABLE pages (name TEXT)")
        database.executemany("INSERT INTO pages VALUES (?)", [(f"kept-{n}" + "x" * 90,) for n in range(500)])
        database.executemany("INSERT INTO pages VALUES (?)", [(f"gone-{n}" + "y" * 90,) for n in range(500)])
        database.execute("DELETE FROM pages WHERE name LIKE 'gone-1%'")
        database.commit()
    content = path.read_bytes()
    parts = b"|".join(parts_without_rows(lambda start, size: content[start : start + size]))
    assert b"gone-1" in parts
    for n in range(500):
        row = f"kept-{n}{'x' * 90}".encode()
        assert content.count(row) - parts.count(row) == 1


def test_nobody_else_is_touched(store: Store) -> None:
    live(store, OTHER, "acct-Earth", "Islington", "evt-of-the-other")
    before = (store.leads.get(OTHER), store.scores.history(OTHER), store.scores.changes(OTHER))
    live(store, LEAD, "acct-HeartOfGold", "Betelgeuse", "evt-of-the-erased")
    store.erasure.forget(LEAD, "test", NOW)
    assert (store.leads.get(OTHER), store.scores.history(OTHER), store.scores.changes(OTHER)) == before
    assert store.leads.get(LEAD) is None
    assert not any((store.scores.history(LEAD), store.scores.changes(LEAD), store.scores.standing(LEAD)))
    assert [rejection.event.lead_id for rejection in store.rejected.list()] == [OTHER]


def test_a_long_life_among_many_leaves_no_byte_either(tmp_path: Path) -> None:
    """Pages that were split and merged over and over, in random order, for a handful of leads erased in turn."""
    store, random_ = open_store(f"sqlite:///{tmp_path / 'store.db'}"), random.Random(5)
    erased = [f"erased-{n}-{random_.getrandbits(64):x}" for n in range(5)]
    for _ in range(60):
        leads = [random_.choice([*erased, *(f"L{n}" for n in range(50))]) for _ in range(40)]
        at = NOW - random_.getrandbits(40)
        ids = [f"{random_.getrandbits(64)}-{lead}" for lead in leads]
        batch = [
            EventIn(lead, "visit", at, lead[-9:], event_id=event_id) for lead, event_id in zip(leads, ids, strict=True)
        ]
        store.events.add(batch, NOW)
        store.leads.put(leads[0], NOW - random_.getrandbits(40), None, {"x": leads[0]}, NOW)
    for lead in erased:
        store.erasure.forget(lead, "test", NOW)
        files = [path.read_bytes() for path in tmp_path.iterdir()]
        assert len(files) >= 2
        assert not any(lead.encode() in content for content in files)


def test_no_copy_is_left_in_pages_that_were_split(tmp_path: Path) -> None:
    """Leads come in order within a bucket, as they are published: SQLite zeroes what is deleted, and not what a split
    has left in a page. First without the measure, as the planted fault."""
    leads, path = [f"L{n:07}" for n in range(3_000)], tmp_path / "store.db"
    with open_store(f"sqlite:///{path}") as store:
        for bucket in range(4):
            theirs = leads[bucket::4]
            store.events.add([EventIn(lead, "visit", NOW) for lead in theirs], NOW)
            store.leads.put_many([ProfileIn(lead, NOW, None, {"n": 1}) for lead in theirs], NOW)
        left = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(serving.store.privacy.erasure, "_write_anew", lambda database: None)
            for lead in leads[::30]:
                store.erasure.forget(lead, "test", NOW)
                left += [lead] if lead.encode() in path.read_bytes() else []
        assert left
        for lead in left:
            store.erasure.forget(lead, "test", NOW)
            assert lead.encode() not in path.read_bytes()
        assert len(store.listing.page(Filters(), limit=1000).leads) == 1000


@pytest.mark.parametrize("fault", ["no secure_delete", "no checkpoint"])
def test_what_deleting_alone_leaves_behind_is_found(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted faults: without either measure the traces are found."""
    if fault == "no secure_delete":
        pragmas = [
            pragma.replace("secure_delete = ON", "secure_delete = OFF")
            for pragma in serving.store.database.connection.PRAGMAS
        ]
        monkeypatch.setattr(serving.store.database.connection, "PRAGMAS", tuple(pragmas))
        monkeypatch.setattr(serving.store.privacy.erasure, "_write_anew", lambda database: None)
    else:
        monkeypatch.setattr(serving.store.privacy.erasure, "_empty_log", lambda database: None)
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    live(store, LEAD, "acct-HeartOfGold", "Betelgeuse", "evt-of-the-erased")
    store.erasure.forget(LEAD, "test", NOW)
    assert traces(tmp_path)


def test_late_events_are_refused_and_not_kept(store: Store) -> None:
    live(store, LEAD, "acct-HeartOfGold", "Betelgeuse", "evt-of-the-erased")
    store.erasure.forget(LEAD, "test", NOW)
    late = [EventIn(LEAD, "page_view", NOW - n, event_id=f"late-{n}") for n in range(50)]
    broken = [EventIn(f" {LEAD} ", "page_view", NOW, value=float("nan"), event_id=f"bad-{n}") for n in range(50)]
    results = store.events.add([*late, *broken], NOW)
    assert [result.status for result in results] == ["rejected"] * 100
    assert {result.reason for result in results} == {"the lead was erased; nothing more is taken in about it"}
    assert store.leads.get(LEAD) is None
    assert store.rejected.list() == []


def test_the_receipt_verifies_and_names_nobody(store: Store, tmp_path: Path) -> None:
    live(store, LEAD, "acct-HeartOfGold", "Betelgeuse", "evt-of-the-erased")
    receipt = store.erasure.forget(LEAD, "test", NOW, Beside({"event log": len(LEAD)}))
    assert receipt.removed["event log"] == len(LEAD)
    assert not any(trace in str(receipt) for trace in TRACES)
    assert store.erasure.verify(receipt)
    assert store.erasure.verify(receipt, LEAD)
    assert not store.erasure.verify(receipt, OTHER)
    assert not store.erasure.verify(replace(receipt, erased_at=NOW + 1))
    assert not store.erasure.verify(replace(receipt, removed={**receipt.removed, "events": 0}))
    with open_store(f"sqlite:///{tmp_path / 'elsewhere.db'}") as elsewhere:
        assert not elsewhere.erasure.verify(receipt)
    assert [entry.action for entry in store.audit.of(LEAD)] == ["forget", "score"]


def test_an_unknown_lead_is_blocked_all_the_same_and_may_be_forgotten_again(store: Store) -> None:
    for _ in range(2):
        receipt = store.erasure.forget(LEAD, "test", NOW)
        assert set(receipt.removed.values()) == {0}
        assert store.erasure.verify(receipt)
    assert store.events.add([EventIn(LEAD, "page_view", NOW)], NOW)[0].status == "rejected"


def test_a_reader_in_the_way_is_told_and_forgetting_again_works(
    lived: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.store.privacy.erasure, "BUSY_S", 0)
    with lived.database.read() as reader:
        assert reader.execute(select(events)).first() is not None
        with pytest.raises(serving.store.database.failures.StoreAway, match="forget the lead again"):
            lived.erasure.forget(LEAD, "test", NOW)
    assert lived.leads.get(LEAD) is None
    lived.erasure.forget(LEAD, "test", NOW)
    assert traces(tmp_path) == {}


HOSTILE = 'L-"ü%_\\x'
"""An id that JSON writes otherwise, and that holds what LIKE reads as a joker."""


@pytest.mark.parametrize("lead", [LEAD, HOSTILE])
def test_rejected_events_of_the_lead_go_and_no_others(store: Store, lead: str) -> None:
    """By its id, however it was written; other leads' stay, also those that name it, and neighbours that look alike."""
    bad = float("nan")
    alike = [f"{lead[:-1]}3", f"x{lead[1:]}", *([lead.replace("%", "y").replace("_", "z")] if lead == HOSTILE else [])]
    sent = [EventIn(lead, "visit", NOW, value=bad), EventIn("L1", "visit", NOW, source=f"about {lead}", value=bad),
            EventIn(f" {lead} ", "visit", NOW, value=bad), EventIn("L2", "visit", f"at {lead}"),
            *(EventIn(neighbour, "visit", NOW, value=bad) for neighbour in alike)]  # fmt: skip
    results = store.events.add(sent, NOW)
    assert len({result.rejected_id for result in results}) == len(store.rejected.list()) == 4 + len(alike)
    receipt = store.erasure.forget(lead, "test", NOW)
    assert [left.event.lead_id for left in store.rejected.list()] == ["L1", "L2", *alike]
    assert receipt.removed["rejected"] == 2


@pytest.mark.parametrize("lead", [LEAD, HOSTILE])
def test_a_rejected_event_of_nobody_goes_with_the_lead_that_one_of_its_texts_mentions(store: Store, lead: str) -> None:
    store.events.add([EventIn("", "visit", NOW, source=f"about {mentioned}") for mentioned in (lead, OTHER)], NOW)
    assert store.erasure.forget(lead, "test", NOW).removed["rejected"] == 1
    assert [left.event.source for left in store.rejected.list()] == [f"about {OTHER}"]


def test_a_receipt_counts_what_was_removed_and_says_what_the_database_keeps(store: Store) -> None:
    live(store, LEAD, "acct-HeartOfGold", "Betelgeuse", "evt-of-the-erased")
    receipt = store.erasure.forget(LEAD, "test", NOW + 3)
    expected = {"events": 180, "profiles": 5, "scores": 5, "rejected": 1, "answers": 1, "leads": 1}
    assert {name: receipt.removed[name] for name in expected} == expected
    assert receipt.erased_at == NOW + 3
    assert bool(receipt.limits) == (not store.database.is_sqlite)
    entry = store.audit.of(LEAD)[0]
    assert (entry.at, entry.who, entry.action) == (NOW + 3, "test", "forget")


def test_a_receipt_is_about_one_lead_and_of_this_store(store: Store) -> None:
    receipt = store.erasure.forget(LEAD, "test", NOW)
    other = store.erasure.forget(OTHER, "test", NOW)
    forged = replace(receipt, subject=other.subject)
    assert store.erasure.verify(other, OTHER)
    assert not store.erasure.verify(forged, OTHER), "its subject is right and its signature is not"
    assert not store.erasure.verify(forged)


def test_when_another_place_fails_there_is_no_receipt_and_it_can_be_repeated(store: Store) -> None:
    live(store, LEAD, "acct-HeartOfGold", "Betelgeuse", "evt-of-the-erased")

    with pytest.raises(DataError, match="is away"):
        store.erasure.forget(LEAD, "test", NOW, Beside({}, "the event log is away"))
    assert store.leads.get(LEAD) is None
    assert store.events.add([EventIn(LEAD, "visit", NOW)], NOW)[0].status == "rejected"
    assert store.erasure.forget(LEAD, "test", NOW, Beside({"event log": 7})).removed["event log"] == 7
