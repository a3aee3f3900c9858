"""Files that an erasure cannot read cost a line, those that others are at the receipt, and never the erasure itself."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.contract import DataError
from data.erasure import replacing
from data.log import manifest
from data.log.eventlog import EventLog
from data.pull.folder import LANDING, only_puller
from data.pull.landing import Landing, Position
from serving.store.privacy import workspace_files
from serving.store.privacy.workspace_files import Unfinished, WorkspaceFiles
from serving.store.store import open_store
from tests.data.exports import into
from tests.whole_workspace import RAW, events_of
from training.registry.workspace_lock import writing

LEAD, AT = "Zaphod-42", 1_700_000_000_000_000
LIST = f"lead_id,p\n{LEAD},1\nL1,0\n"
REST = "lead_id,p\nL1,0\n"


@pytest.fixture
def at(tmp_path: Path) -> WorkspaceFiles:
    root = tmp_path / "var"
    root.mkdir()
    into(root / "log", events_of(tmp_path / "a.parquet", [LEAD, "L1"]), mapping=RAW)
    (root / "list.csv").write_text(LIST)
    return WorkspaceFiles(root, root / "log")


def test_what_cannot_be_read_costs_a_line_each_and_the_rest_is_erased(at: WorkspaceFiles) -> None:
    (at.root / "a.parquet").write_bytes(b"PAR1 damaged")
    (at.root / "b.xlsx").write_bytes(b"PK damaged")
    (at.root / "c.json").write_text('{"lead_id": ')
    (at.root / "d.csv").write_text('lead_id,p\n"L1,0\n' + "x,1\n" * 2_000)
    (at.root / "e.csv").write_bytes("lead_id,p\n".encode("utf-16"))
    (at.root / "f.csv").write_text(f"Contact,p\n{LEAD},0\n")
    pq.write_table(pa.table({"Contact": [LEAD]}), at.root / "g.parquet")
    (at.root / f"about {LEAD}.pdf").write_bytes(b"%PDF")
    removal = at.clean([LEAD])
    assert (removal.counts["exports"], removal.counts["event log"]) == (1, 3)
    assert (at.root / "list.csv").read_text() == REST
    lines = dict(line.split(" ", 1) for line in removal.limits)
    assert lines.keys() == {"a.parquet", "b.xlsx", "c.json", "d.csv", "e.csv", "f.csv", "g.parquet", "1"}
    assert lines["f.csv"] == "could not be searched: line 2 has the id in a column that is not called lead_id"
    assert lines["1"] == "files of forms that are not known were not searched: about ….pdf"
    assert LEAD not in str(removal)


def test_a_damaged_part_of_the_log_costs_its_line_and_the_others_are_written_anew(
    at: WorkspaceFiles, tmp_path: Path
) -> None:
    into(at.log_path, events_of(tmp_path / "b.parquet", [LEAD], "2024-06-01T00:00:00Z"), mapping=RAW)
    delta = EventLog.open(at.log_path).folders[1]
    (delta / "leads.arrow").write_bytes(b"damaged")
    removal = at.clean([LEAD])
    assert removal.counts["event log"] == 3
    assert len(removal.limits) == 1
    assert removal.limits[0].startswith(f"event log: {delta.name} cannot be read: ")


def test_a_pull_that_was_cut_short_begins_anew_and_one_that_is_at_work_is_told(at: WorkspaceFiles) -> None:
    folder = at.root / "pull" / "hubspot"
    with only_puller(folder):
        landing = Landing.open(folder / LANDING, "asked", None)
        landing.land("contacts", {"contacts": [{"id": LEAD}, {"id": "L1"}]}, Position(done=True))
        removal = at.clean([LEAD])
        assert removal.counts["pulls"] == 0
        assert removal.limits == (
            f"another pull is writing to {folder}; wait until it is done; what it holds goes then",
        )
    assert at.clean([LEAD]).counts["pulls"] == 1
    assert Landing.open(folder / LANDING, "asked", None).position("contacts") == Position()


def test_links_are_cleaned_where_they_lie_or_told(at: WorkspaceFiles, tmp_path: Path) -> None:
    elsewhere, disk = tmp_path / "elsewhere", tmp_path / "disk"
    (disk / "conversion").mkdir(parents=True)
    elsewhere.mkdir()
    for path in (elsewhere / "a.csv", elsewhere / "b.csv", disk / "conversion" / "c.csv"):
        path.write_text(LIST)
    (at.root / "a.csv").symlink_to(elsewhere / "a.csv")
    (at.root / "theirs").symlink_to(elsewhere)
    (at.root / "training_set").symlink_to(disk)
    (at.root / "gone.csv").symlink_to(elsewhere / "nothing.csv")
    (at.root / "circle").symlink_to(at.root)
    os.link(at.root / "list.csv", tmp_path / "hard.csv")
    limits = at.clean([LEAD]).limits
    assert (at.root / "a.csv").is_symlink()
    assert (elsewhere / "a.csv").read_text() == (disk / "conversion" / "c.csv").read_text() == REST
    assert (elsewhere / "b.csv").read_text() == LIST
    assert sorted(line.split(" ")[0] for line in limits) == ["circle", "theirs"]
    assert (tmp_path / "hard.csv").read_text() == LIST


def test_what_killed_writers_left_of_lists_is_gone_wherever_those_lie(at: WorkspaceFiles, tmp_path: Path) -> None:
    elsewhere, disk = tmp_path / "elsewhere", tmp_path / "disk"
    for folder in (elsewhere, disk):
        folder.mkdir()
    listed, linked = elsewhere / "best [1].csv", elsewhere / "linked.csv"
    for path in (listed, linked):
        path.write_text(LIST)
    at.ledger.note_written(listed)
    (at.root / "linked.csv").symlink_to(linked)
    (at.root / "training_set").symlink_to(disk)
    ours = [elsewhere / ".best [1].csv.99.draft", elsewhere / ".linked.csv.7.draft", disk / ".rows.csv.8.draft"]
    theirs = [elsewhere / ".other.csv.99.draft", elsewhere / ".best [1].csv.draft"]
    for path in (*ours, *theirs):
        path.write_text(LIST)
    assert at.clean([LEAD]).limits == ()
    assert not any(path.exists() for path in ours)
    assert all(path.read_text() == LIST for path in theirs)


def test_a_command_at_work_and_a_full_disk_cost_the_receipt(
    at: WorkspaceFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_disk: Path
) -> None:
    monkeypatch.setattr(workspace_files, "WAITS_FOR_OTHERS_S", 0)
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        with (
            writing(at.root, "leadscore train"),
            pytest.raises(Unfinished, match=r"train .* is at work .*forget the lead again"),
        ):
            store.erasure.forget(LEAD, "test", AT, at)
        (small_disk / "list.csv").write_text(LIST + "".join(f"L{n},0\n" for n in range(80_000)))
        shutil.copy(at.root / "list.csv", small_disk / "small.csv")
        fill = small_disk / "fill"
        with suppress(OSError), fill.open("wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
        (at.root / "training_set").symlink_to(small_disk)
        with pytest.raises(Unfinished, match="the disk is full"):
            store.erasure.forget(LEAD, "test", AT, at)
        assert (small_disk / "list.csv").read_text().startswith(LIST)
        fill.unlink()
        assert store.erasure.forget(LEAD, "test", AT, at).removed["training sets"] == 2
        assert store.erasure.forget(LEAD, "test", AT, at).limits == ()


def test_what_another_program_writes_meanwhile_is_not_overwritten(
    at: WorkspaceFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read again; one that is written to all the time is told."""
    path, again, sync = at.root / "list.csv", [1], manifest.sync

    def meanwhile(draft: Path) -> None:
        if again and draft.name != path.name and again.pop():
            with path.open("a") as file:
                file.write("L2,0\n")
        sync(draft)

    monkeypatch.setattr(replacing, "sync", meanwhile)
    at.clean([LEAD])
    assert path.read_text() == f"{REST}L2,0\n"
    path.write_text(LIST)
    again += [1] * 10
    assert at.clean([LEAD]).limits == ("list.csv could not be searched: another program writes to it all the time",)


def test_aliases_are_erased_wherever_they_are_also_when_the_log_is_clean_already(
    at: WorkspaceFiles, tmp_path: Path
) -> None:
    """The log is cleaned last: what is a lead's is known until all else is done."""
    order: list[str] = []
    (at.root / "list.csv").write_text("lead_id,p\ncookie,1\n")

    def dies(log_path: Path, lead_id: str) -> None:
        order.append((at.root / "list.csv").read_text())
        raise ZeroDivisionError

    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store, pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkspaceFiles, "ids", lambda self, lead: [lead, "cookie"])
        patch.setattr(workspace_files, "erase_from_log", dies)
        with pytest.raises(ZeroDivisionError):
            store.erasure.forget(LEAD, "test", AT, at)
        assert order == ["lead_id,p\n"]
        assert at.ledger.known().erased([LEAD, "cookie", "L1"]) == {LEAD, "cookie"}
        with store.database.read() as connection:
            assert store.events._blocked.among(connection, [LEAD, "cookie", "L1"]) == {LEAD, "cookie"}


def test_documents_lose_objects_that_name_the_lead_and_nothing_else(at: WorkspaceFiles) -> None:
    content = {
        "version": "1",
        "top": [{"lead_id": "1", "p": 1}, {"lead_id": "11", "about": {"lead_id": 1}}],
        "ids": ["1"],
    }
    (at.root / "a.json").write_text(json.dumps(content))
    assert at.clean(["1"]).counts["exports"] == 2
    assert json.loads((at.root / "a.json").read_text()) == {"version": "1", "top": [{"lead_id": "11"}], "ids": ["1"]}


def test_a_log_that_is_not_there_yet_loses_what_a_killed_ingest_left(tmp_path: Path) -> None:
    staged = tmp_path / "var" / "log" / "staging" / "events"
    staged.mkdir(parents=True)
    (staged / "a.parquet").write_text(LEAD)
    WorkspaceFiles(tmp_path / "var", tmp_path / "var" / "log").clean([LEAD])
    assert not staged.parent.exists()


def test_a_damaged_ledger_stops_an_erasure_before_anything_is_done(at: WorkspaceFiles, tmp_path: Path) -> None:
    at.ledger.path.write_bytes(b"damaged")
    with (
        open_store(f"sqlite:///{tmp_path / 'store.db'}") as store,
        pytest.raises(DataError, match="restore it from a backup"),
    ):
        store.erasure.forget(LEAD, "test", AT, at)
    assert (at.root / "list.csv").read_text() == LIST
