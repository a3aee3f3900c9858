"""What a row of an export becomes beside others and beside the log: what files show only by chance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from data.histories import FAR
from data.judging.event_versions import Circumstances, judge_rows
from data.judging.verdicts import DATED_EVENT, EVENT, Verdicts, groups_of
from data.log.identities import Owners
from data.log.version_index import CONTENT, HIGH, KNOWN, LEAD, LOW, Hits, Records

AS_OF = 1_000
L1 = 71
NOBODYS = Owners(np.empty(0, np.uint64), np.zeros(1, np.int64), np.empty(0, np.int64), np.empty(0, np.uint64))
"""Aliases, of which there are none."""


class Row(NamedTuple):
    """A row: the key of its event, what it says, of which lead, from when on it is known."""

    key: int
    content: int
    lead: int
    known: int
    sort: int = EVENT


def records(rows: list[Row]) -> Records:
    columns = [(row.key, row.key, row.content, row.lead, row.known) for row in rows]
    return np.array(columns, np.uint64).reshape(-1, 5).T.copy()


def judged(rows: list[Row], known: list[Row]) -> Verdicts:
    """Rows in order of their keys, beside what the log knows in the same order."""
    export, log = records(rows), records(known)
    groups = groups_of(export)
    keys = export[HIGH, groups[:-1]].tolist()
    question = np.array([keys.index(row.key) for row in known], np.int64)
    sort = np.array([row.sort for row in rows], np.int8)
    return judge_rows(export, sort, Hits(question, log), groups, Circumstances(AS_OF, False, False, NOBODYS, NOBODYS))


def test_a_patch_says_that_the_older_version_had_held_until_now() -> None:
    """Not until the time of the row itself that comes in now, though it is the first of its export."""
    verdicts = judged([Row(1, 5, L1, 200, DATED_EVENT)], [Row(1, 4, L1, 100)])
    (patch,) = verdicts.patches.T
    assert [int(patch[place]) for place in (HIGH, LOW, CONTENT, LEAD, KNOWN)] == [FAR, 200, 4, L1, 100]


def test_a_patch_between_two_versions_of_the_log_says_when_the_older_one_ended_before() -> None:
    known = [Row(1, 4, L1, 100), Row(1, 6, L1, 300)]
    verdicts = judged([Row(1, 5, L1, 200, DATED_EVENT)], known)
    (patch,) = verdicts.patches.T
    assert [int(patch[place]) for place in (HIGH, LOW, CONTENT)] == [300, 200, 4]
    assert verdicts.held.T.tolist() == [[0, L1, 200, 300]]


def test_many_events_that_are_corrected_at_once_are_judged_as_each_by_itself() -> None:
    """More than what room is made for at first."""
    rows = [Row(key, 5, L1, 200, DATED_EVENT) for key in range(1, 41)]
    known = [Row(key, 4, L1, 100) for key in range(1, 41)] + [Row(key, 6, L1, 300) for key in range(1, 41)]
    known.sort()
    verdicts = judged(rows, known)
    assert verdicts.held.T.tolist() == [[place, L1, 200, 300] for place in range(40)]
    assert verdicts.new.T.tolist() == [[row.key, row.key, 5, L1, 200] for row in rows]
    assert verdicts.patches.T.tolist() == [[300, 200, 4, L1, 100]] * 40
