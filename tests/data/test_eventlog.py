"""The log on disk: what is read back, what a damaged one says."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from data.contract import DataError
from data.log.compaction import compact, must_compact
from data.log.eventlog import EventLog, bucket_of
from data.log.manifest import Manifest
from tests.data.exports import into, rejected, write_csv

LINES = [
    "l2,page_view,2024-01-03T00:00:00Z,,web,2,crm,4",
    "l1,page_view,2024-01-02T00:00:00Z,,,,crm,1",
    "l1,email_sent,2024-01-01T00:00:00Z,2024-01-05T00:00:00Z,,,crm,2",
    "l1,email_sent,2024-01-02T00:00:00Z,,,,crm,3",
]


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    into(tmp_path / "log", write_csv(tmp_path / "events.csv", LINES), buckets=4)
    return EventLog.open(tmp_path / "log")


def test_it_says_what_it_holds(log: EventLog) -> None:
    day = 86_400_000_000
    assert (log.n_events, log.n_leads, log.n_buckets, log.number) == (4, 2, 4, 1)
    assert log.observed_from_us == 1_704_067_200_000_000 + day
    assert log.observed_until_us == 1_704_067_200_000_000 + 4 * day


def test_events_of_a_lead_are_in_the_order_in_which_they_became_known(log: EventLog) -> None:
    history = log.find("l1")
    names = [history.types[code] for code in history.event_type]
    assert names == ["email_sent", "page_view", "email_sent"]
    assert np.all(np.diff(history.known_at) >= 0)
    assert history.occurred_at[2] < history.known_at[2]
    assert (history.n_leads, history.n_events, len(history.profiles.valid_from)) == (1, 3, 0)


def test_buckets_are_those_that_the_engine_hashes_to(log: EventLog) -> None:
    ids = [f"lead-{i}" for i in range(50)] + ["", "ü", "😀"]
    with duckdb.connect() as con:
        hashed = [con.execute("SELECT md5_number_lower(?) % 7", [lead_id]).fetchall()[0][0] for lead_id in ids]
    assert [bucket_of(lead_id, 7) for lead_id in ids] == hashed
    for lead in ("l1", "l2"):
        assert lead in log.bucket(bucket_of(lead, log.n_buckets)).lead_ids.to_pylist()


def test_an_unknown_lead_is_named(log: EventLog) -> None:
    with pytest.raises(DataError, match="lead 'nobody' is not in"):
        log.find("nobody")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "holds no event log; run `leadscore ingest` first"),
        ("{", "log.json cannot be read"),
        ("[]", "is no manifest"),
        ("{}", "another format"),
        ('{"format": 99}', "another format"),
    ],
)
def test_a_manifest_that_is_none(log: EventLog, content: str | None, message: str) -> None:
    manifest = log.path / "log.json"
    manifest.unlink() if content is None else manifest.write_text(content)
    with pytest.raises(DataError, match=message):
        EventLog.open(log.path)


@pytest.mark.parametrize("kind", ["events", "leads", "profiles"])
def test_a_damaged_bucket_is_named(log: EventLog, kind: str) -> None:
    bucket = bucket_of("l1", log.n_buckets)
    file = log.file(kind, bucket)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError, match=f"bucket {bucket} of .* cannot be read: .*; ingest again"):
        log.bucket(bucket)


def test_a_reader_overtaken_by_an_ingest_is_told_so(log: EventLog, tmp_path: Path) -> None:
    into(log.path, write_csv(tmp_path / "more.csv", [LINES[0].replace("crm,4", "crm,5")]))
    compact(log.path)
    with pytest.raises(DataError, match=r"a newer ingest replaced .* meanwhile; run the command again"):
        log.bucket(0)
    assert EventLog.open(log.path).n_events == 5


@pytest.mark.parametrize(
    ("added", "more", "deltas", "is_woven"),
    [(50, 50, 1, False), (50, 51, 1, True), (0, 0, 63, False), (0, 0, 64, True)],
    ids=["as many rows as the base", "more rows", "few deltas", "many deltas"],
)
def test_deltas_are_woven_when_they_have_more_rows_than_the_base_or_are_many(
    added: int, more: int, deltas: int, is_woven: bool
) -> None:
    parts = ("generation-000001", *(f"delta-{number:06d}" for number in range(deltas)))
    assert must_compact(Manifest(parts, 1, n_base=100, n_added=added), more) == is_woven


def test_rows_that_were_refused_stay_when_the_log_is_compacted(log: EventLog, tmp_path: Path) -> None:
    refused = []
    for number in (10, 11):
        broken = f"l1,page_view,never,,,,crm,{number}"
        refused += rejected(into(log.path, write_csv(tmp_path / f"{number}.csv", [broken, LINES[0]])))
    into(log.path, write_csv(tmp_path / "good.csv", ["l1,page_view,2024-01-04T00:00:00Z,,,,crm,9"]))
    paths = EventLog.open(log.path).rejected_paths
    assert len(paths) > len(refused) == 2
    assert sorted(tuple(row.values()) for path in paths for row in pq.read_table(path).to_pylist()) == sorted(refused)
    compact(log.path)
    (path,) = EventLog.open(log.path).rejected_paths
    assert [tuple(row.values()) for row in pq.read_table(path).to_pylist()] == refused


def test_an_ingest_that_adds_nothing_leaves_no_part_behind(log: EventLog, tmp_path: Path) -> None:
    into(log.path, write_csv(tmp_path / "more.csv", LINES))
    names = sorted(path.name for path in log.path.iterdir())
    assert names == ["generation-000001", "log.json", "writer.lock"]
    again = EventLog.open(log.path)
    assert (again.digest, again.number) == (log.digest, 2)
