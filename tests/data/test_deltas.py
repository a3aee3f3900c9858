"""Deltas that an append takes into its own: there are few of them, and what the log says does not change by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import data.intake.next_part
import data.log.parts
from data.log.compaction import MOST_TAKEN, compact, taken_in
from data.log.content import lead_hash
from data.log.eventlog import EventLog
from data.log.parts import EVENT_INDEX, PROFILE_INDEX, is_by_bucket
from data.log.removal import erase_from_log
from data.log.runs import woven
from tests.data.exports import into, logged, write_csv


def parts(folder: Path, sizes: list[int]) -> list[Path]:
    """Folders of parts with so many versions each."""
    made = [folder / f"part-{number}" for number in range(len(sizes))]
    for path, size in zip(made, sizes, strict=True):
        path.mkdir()
        np.zeros(5 * size, np.uint64).tofile(path / EVENT_INDEX)
        (path / PROFILE_INDEX).touch()
    return made


@pytest.mark.parametrize(
    ("sizes", "more", "taken"),
    [
        ([900, 5, 5], 4, 0), ([900, 5, 5], 5, 2), ([900, 20, 5, 5], 5, 2), ([900, 15, 5, 5], 5, 3), ([3], 9, 0),
        ([0, MOST_TAKEN // 2, MOST_TAKEN // 2], 1 + MOST_TAKEN // 2, 0), ([900, 0, 0], 0, 2),
    ],
)  # fmt: skip
def test_an_append_takes_the_newest_deltas_that_are_no_larger_than_what_is_newer(
    tmp_path: Path, sizes: list[int], more: int, taken: int
) -> None:
    made = parts(tmp_path, sizes)
    assert taken_in(made, more) == made[len(made) - taken :]


def told(folder: Path, is_taken: bool, monkeypatch: pytest.MonkeyPatch) -> EventLog:
    """A log of many appends: new leads, corrections of the base and of deltas, a retraction by none."""
    if not is_taken:
        monkeypatch.setattr(data.intake.next_part, "taken_in", lambda folders, more: [])
    rows = [f"l{n % 7},page_view,2024-01-0{1 + n % 9}T00:00:00Z,,web,1,crm,{n}" for n in range(40)]
    into(folder / "log", write_csv(folder / "base.csv", rows))
    for number in range(6):
        corrected = rows[number].replace(",1,crm", f",{2 + number},crm")
        again = f"m{number // 3},page_view,2024-01-03T00:00:00Z,,web,{number},crm,x{number // 3}"
        broken = f"b{number},page_view,never,,,,crm,"
        into(folder / "log", write_csv(folder / f"{number}.csv", [corrected, again, broken]))
    return EventLog.open(folder / "log")


def rows_of(log: EventLog) -> list[str]:
    return sorted(str(sorted(row.items(), key=str)) for row in logged(log.path))


def test_what_the_log_says_is_the_same_with_few_deltas(tmp_path: Path) -> None:
    logs = []
    for is_taken in (True, False):
        (tmp_path / str(is_taken)).mkdir()
        with pytest.MonkeyPatch.context() as patch:
            logs.append(told(tmp_path / str(is_taken), is_taken, patch))
    few, many = logs
    assert (len(few.folders), len(many.folders)) == (3, 7)
    assert rows_of(few) == rows_of(many)
    assert (few.digest, few.n_leads, few.n_events) == (many.digest, many.n_leads, many.n_events)
    assert sum(path.stat().st_size > 0 for path in few.rejected_paths) == 5
    for log in logs:
        erase_from_log(log.path, "m1")
    few, many = (EventLog.open(log.path) for log in logs)
    assert rows_of(few) == rows_of(many)
    assert (few.digest, few.n_leads, few.n_events) == (many.digest, many.n_leads, many.n_events)


def test_a_correction_of_an_older_part_that_is_lost_by_it_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted fault: deltas are woven as a whole log is, and what they say of the base is forgotten."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    right = rows_of(told(tmp_path / "a", True, monkeypatch))
    monkeypatch.setattr(data.intake.next_part, "joined", woven)
    assert rows_of(told(tmp_path / "b", True, monkeypatch)) != right


def test_a_large_delta_is_written_by_bucket_and_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("small", "large"):
        (tmp_path / name).mkdir()
    small = told(tmp_path / "small", False, monkeypatch)
    monkeypatch.setattr(data.intake.next_part, "MOST_TAKEN", 0)
    large = told(tmp_path / "large", False, monkeypatch)
    assert [is_by_bucket(folder) for folder in small.folders] == [True, *[False] * 6]
    assert all(map(is_by_bucket, large.folders))
    for lead_id in (None, "m1", "l2"):
        if lead_id:
            small, large = _without(small, lead_id), _without(large, lead_id)
        assert rows_of(large) == rows_of(small)
        assert (large.digest, large.n_leads, large.n_events) == (small.digest, small.n_leads, small.n_events)
    assert not [path for path in large.path.rglob("patches-*") if _holds(path, "l2")]
    compact(large.path)
    assert rows_of(EventLog.open(large.path)) == rows_of(small)


def test_what_a_large_delta_corrects_of_the_base_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: it is written as a base is, which supersedes nothing."""
    (tmp_path / "a").mkdir()
    right = rows_of(told(tmp_path / "a", False, monkeypatch))
    monkeypatch.setattr(data.intake.next_part, "MOST_TAKEN", 0)
    as_table = data.log.parts._as_table
    monkeypatch.setattr(data.log.parts, "_as_table", lambda patches: as_table(patches[:, :0]))
    (tmp_path / "b").mkdir()
    assert rows_of(told(tmp_path / "b", False, monkeypatch)) != right


def _without(log: EventLog, lead_id: str) -> EventLog:
    erase_from_log(log.path, lead_id)
    return EventLog.open(log.path)


def _holds(path: Path, lead_id: str) -> bool:
    """Whether patches are of a lead."""
    return any((column.to_numpy() == lead_hash(lead_id)).any() for column in pq.read_table(path).columns)
