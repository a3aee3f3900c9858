"""Erasure from files: the event log stays a log, without the lead; tables lose its rows and nothing else."""

from __future__ import annotations

import csv
import fcntl
import re
import zipfile
from html import unescape
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from xlsxwriter import Workbook

from data.contract import DataError, UsageError
from data.csv_safety import inert
from data.erasure.files import clean
from data.erasure.lead_ids import LeadIds
from data.intake.ingest import ingest
from data.log.content import lead_hash
from data.log.eventlog import EventLog
from data.log.parts import LEAD_INDEX
from data.log.removal import erase_from_log
from data.simulated.simulate import FunnelOptions, simulate
from data.sources.mapping import read_mapping
from serving.store.privacy.workspace_files import WorkspaceFiles
from tests.data.exports import into, rejected, write_csv


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    folder = tmp_path / "demo"
    simulate(folder, FunnelOptions(leads=60, seed=5, days=120))
    log_path = tmp_path / "log"
    ingest(log_path, read_mapping("simulated"), [str(folder / "events.csv")], [str(folder / "leads.csv")], buckets=3)
    return EventLog.open(log_path)


def erased(folder: Path, lead: str) -> int:
    """Rows that were taken out of the exports of a workspace."""
    return WorkspaceFiles(folder, folder / "log").clean([lead]).counts["exports"]


def some_lead(log: EventLog) -> str:
    """One in the middle of a bucket, with events."""
    leads = pq.read_table(log.file("leads", 1)).to_pylist()
    return str(next(lead["lead_id"] for lead in leads[len(leads) // 2 :] if lead["events"] > 3))


def test_the_log_without_the_lead_is_the_log_of_everybody_else(log: EventLog, tmp_path: Path) -> None:
    lead, before = some_lead(log), {}
    others = [
        e for n in range(3) for e in pq.read_table(log.file("leads", n)).column("lead_id").to_pylist() if e != lead
    ]
    for other in others:
        before[other] = log.find(other)
    theirs = log.find(lead)
    assert erase_from_log(log.path, lead).rows >= 1 + theirs.n_events + len(theirs.profiles.valid_from)
    after = EventLog.open(log.path)
    assert (after.n_leads, after.n_events) == (log.n_leads - 1, log.n_events - theirs.n_events)
    assert after.digest != log.digest
    assert after.vocabulary == log.vocabulary
    assert after.bots == log.bots
    with pytest.raises(DataError, match="is not in"):
        after.find(lead)
    for other in others:
        now = after.find(other)
        for name in ("known_at", "occurred_at", "value", "bot"):
            assert np.array_equal(getattr(now, name), getattr(before[other], name), equal_nan=name == "value")
        assert [now.types[n] for n in now.event_type] == [before[other].types[n] for n in before[other].event_type]
        assert now.profiles.columns.to_pylist() == before[other].profiles.columns.to_pylist()
    assert [path.name for path in log.path.glob("generation-*")] == [after.generation]


def test_no_value_of_the_lead_is_left_in_any_file(log: EventLog, tmp_path: Path) -> None:
    """Values are looked for in the decoded tables and, uncompressed, in the dictionaries of the files."""
    lead = some_lead(log)
    pq.write_table(pa.table({"lead_id": [lead, "L1"], "x": [1, 2]}), tmp_path / "scores.parquet")
    theirs = lead_hash(lead).tobytes()
    assert {path.name for path in log.path.rglob("*.index") if theirs in path.read_bytes()} >= {LEAD_INDEX}
    erased = WorkspaceFiles(tmp_path, log.path).clean([lead]).counts
    assert erased["event log"] > 4
    assert erased["exports"] > 4
    for path in tmp_path.rglob("*"):
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            assert lead not in str(table.to_pydict())
            statistics = [pq.read_metadata(path).row_group(0).column(n).statistics for n in range(table.num_columns)]
            assert lead not in str(statistics)
        elif path.is_file() and path.name != "truth.parquet":
            assert lead.encode() not in path.read_bytes(), path
    indexes = [path for path in log.path.rglob("*.index") if theirs in path.read_bytes()]
    assert indexes == []


def test_ingesting_goes_on_after_an_erasure(log: EventLog, tmp_path: Path) -> None:
    """What the exports still held of the lead was taken out of them too, so it does not come back."""
    lead = some_lead(log)
    WorkspaceFiles(tmp_path, log.path).clean([lead])
    again = EventLog.open(log.path)
    report = ingest(log.path, read_mapping("simulated"), [str(tmp_path / "demo" / "events.csv")])
    assert report.events.accepted == 0
    assert report.events.duplicate > 100
    assert EventLog.open(log.path).n_events == again.n_events


def test_nothing_happens_where_the_lead_is_not(log: EventLog, tmp_path: Path) -> None:
    assert erase_from_log(log.path, "nobody").rows == 0
    assert EventLog.open(log.path) == log
    assert erase_from_log(tmp_path / "nowhere", "nobody").rows == 0


def test_while_an_ingest_runs_it_says_so(log: EventLog) -> None:
    with (log.path / "writer.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="another ingest"):
            erase_from_log(log.path, some_lead(log))
    assert EventLog.open(log.path) == log


def test_tables_lose_the_leads_rows_and_not_a_byte_else(tmp_path: Path) -> None:
    lines = ["lead_id,note\r\n", 'L1,"a, b"\r\n', "L10,x\r\n", "L2,L1\r\n", "L3,\xe4\r\n", "L1\r\n", "L4,y"]
    (tmp_path / "a.csv").write_bytes("".join(lines).encode("latin-1"))
    (tmp_path / "b.csv").write_text("id,note\nL1,x\n")
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "c.csv").write_text("lead_id\nL1\n")
    table = pa.table({"lead_id": pa.array(["L1", "L2", "L1"]).dictionary_encode(), "x": [1, 2, 3]})
    pq.write_table(table.replace_schema_metadata({"recipe": "r"}), tmp_path / "d.parquet")
    assert erased(tmp_path, "L1") == 4
    remaining = [lines[n] for n in (0, 2, 3, 4, 6)]
    assert (tmp_path / "a.csv").read_bytes() == "".join(remaining).encode("latin-1")
    assert (tmp_path / "b.csv").read_text() == "id,note\nL1,x\n"
    assert (tmp_path / "log" / "c.csv").read_text() == "lead_id\nL1\n"
    kept_table = pq.read_table(tmp_path / "d.parquet")
    assert kept_table.to_pylist() == [{"lead_id": "L2", "x": 2}]
    assert kept_table.schema.metadata[b"recipe"] == b"r"
    assert b"L1" not in (tmp_path / "d.parquet").read_bytes()
    ours = {"erased.db", "workspace.lock"}
    assert {path.name for path in tmp_path.iterdir()} - ours == {"a.csv", "b.csv", "d.parquet", "log"}
    with (tmp_path / "a.csv").open(encoding="latin-1", newline="") as file:
        assert [row[0] for row in csv.reader(file)] == ["lead_id", "L10", "L2", "L3", "L4"]


@pytest.mark.parametrize("lead", ["BL", "a/b", "1", "=1+1", 'a"b', ";=x", "a,b"])
def test_any_id_is_taken_out_of_tables_and_nothing_else(lead: str, tmp_path: Path) -> None:
    """As our own exports write an id, and as somebody else's may."""
    others = ["204", "11", "a/bc", "x=1+1", "a", "b"]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["lead_id", "employees"])
        writer.writerows([name, lead] for name in others)
        writer.writerows([name, "5"] for name in (lead, f" {lead} ", inert(lead)))
    pq.write_table(pa.table({"lead_id": [lead, f" {lead}", *others]}), tmp_path / "b.parquet")
    assert erased(tmp_path, lead) == 5
    with (tmp_path / "a.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["lead_id", "employees"], *([name, lead] for name in others)]
    assert pq.read_table(tmp_path / "b.parquet").to_pydict() == {"lead_id": others}


@pytest.mark.parametrize(("lead", "left"), [("=1+1", ["x"]), ("'=1+1", ["=1+1", "x"])])
def test_a_workbook_may_be_a_text_for_spreadsheets_that_somebody_saved(
    lead: str, left: list[str], tmp_path: Path
) -> None:
    """In it `'=1+1` may be either lead: it goes with each of them, and no other row does."""
    path = tmp_path / "a.xlsx"
    with Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        for row, name in enumerate(["lead_id", "=1+1", "'=1+1", "x"]):
            sheet.write_string(row, 0, name)
    assert clean(path, LeadIds([lead])) == 3 - len(left)
    with zipfile.ZipFile(path) as kept:
        texts = kept.read("xl/sharedStrings.xml").decode()
    assert [unescape(text) for text in re.findall(r"<t[^>]*>([^<]+)</t>", texts)] == ["lead_id", *left]


def test_rejected_rows_stay_and_do_not_show_the_lead(tmp_path: Path) -> None:
    lines = [f"L{n},page_view,2024-01-01T00:00:00Z,{at},,,,{n}" for n, at in enumerate(["", "", "1x", "x 1"])]
    lines += ["1,page_view,2024-01-01T00:00:00Z,,,5,,9", "short,1", "L5,page_view,1,,,5,,10"]
    report = into(tmp_path / "log", write_csv(tmp_path / "e.csv", lines), buckets=1)
    assert len(rejected(report)) == 4
    assert erase_from_log(tmp_path / "log", "1").rows == 4
    reasons = pq.read_table(EventLog.open(tmp_path / "log").rejected_paths[0]).column("reason").to_pylist()
    assert len(reasons) == 4
    assert sum("…" in reason for reason in reasons) == 2
    assert "received_at '1x' is no time in ISO 8601" in reasons
