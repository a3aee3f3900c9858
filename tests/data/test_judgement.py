"""What a row of an export becomes beside others and beside the log: what files show only by chance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from data.histories import FAR
from data.intake.judgement import (
    ACCEPTED,
    DATED_EVENT,
    DUPLICATE,
    EVENT,
    MERGED_EVENT,
    Verdicts,
    groups_of,
    judge_rows,
)
from data.log.version_index import CONTENT, HIGH, KNOWN, LEAD, LOW, Hits, Records

AS_OF = 1_000
L1, L2 = 71, 72


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
    return judge_rows(export, np.array([row.sort for row in rows], np.int8), Hits(question, log), groups, AS_OF, False)


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
    assert verdicts.superseded.tolist() == [300]


def test_a_copy_for_the_lead_of_an_alias_does_not_share_the_fate_of_another_event() -> None:
    """The log has the event of the alias; the export has only the copy, behind a row that is refused."""
    rows = [Row(1, 5, L2, 100), Row(2, 9, L1, 500, MERGED_EVENT)]
    verdicts = judged(rows, [Row(1, 5, L2, 100), Row(2, 9, L2, 300)])
    assert verdicts.outcome.tolist() == [DUPLICATE, ACCEPTED]
