"""Judges all staged rows of an ingest, by ranges of their keys so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.histories import FAR
from data.intake.judgement import ACCEPTED, CONFLICT, DUPLICATE, MERGED_EVENT, Verdicts, groups_of, judge_rows
from data.intake.staging import Clock
from data.log.runs import NO_PATCHES
from data.log.version_index import HIGH, KNOWN, LEAD, LOW, Records, added, digest_of, look_up, merge_runs, write_run
from data.masking import masked_sql

AT_ONCE = 1_000_000
"""Rows that are judged at once."""
REASONS = {
    "events": {
        1: f"'event_id ''' || {masked_sql('event_id')} || ''' is taken by an event with another content'",
        2: f"'event_id ''' || {masked_sql('event_id')} || ''' is not in the log, so it cannot be retracted'",
    },
    "leads": {1: "'another profile version of this lead starts at the same time'"},
}


@dataclass
class Judged:
    """What became of the rows of a kind. digest: of the versions that are new. n: their number."""

    n_buckets: int
    accepted: int = 0
    duplicate: int = 0
    corrected: int = 0
    digest: int = 0
    runs: list[Path] = field(default_factory=list)
    patches: Records = field(default_factory=lambda: NO_PATCHES)

    def patches_of(self, bucket: int) -> Records:
        """What is superseded in a bucket of older parts."""
        return self.patches[:, self.patches[LEAD] % np.uint64(self.n_buckets) == bucket]


def judge_staged(
    con: duckdb.DuckDBPyConnection, kind: str, index: Sequence[Path], clock: Clock, n_buckets: int, out: Path
) -> Judged:
    """Judges the rows of the view `staged_KIND` against an index of versions; `out` becomes the index of the new ones.

    Makes the table of verdicts (`event_verdicts`, `lead_verdicts`): rows that are not simply accepted as they stand.
    Adds those that are refused to `rejected`.
    """
    verdicts = f"{kind.removesuffix('s')}_verdicts"
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE {verdicts}
        (part INTEGER, n BIGINT, outcome TINYINT, known BIGINT, superseded BIGINT)"""
    )
    judged = Judged(n_buckets)
    for number, table in enumerate(_ranges(con, f"staged_{kind}")):
        rows = np.stack([table.column(name).to_numpy() for name in ("high", "low", "content", "lead_hash")])
        known = table.column("known").to_numpy()
        rows = np.concatenate([rows, known.view(np.uint64)[None]])
        made = _judged(rows, table.column("sort").to_numpy(), index, clock)
        new = rows[:, made.outcome == ACCEPTED]
        new[KNOWN] = made.known[made.outcome == ACCEPTED].view(np.uint64)
        judged.runs.append(out.with_suffix(f".{number}"))
        write_run(judged.runs[-1], new)
        _count(judged, made, table.column("n").to_numpy(), digest_of(new))
        _insert(con, verdicts, table, made, known)
    merge_runs(judged.runs, out)
    for run in judged.runs:
        run.unlink()
    _reject(con, kind, verdicts)
    return judged


def _ranges(con: duckdb.DuckDBPyConnection, staged: str) -> Iterator[pa.Table]:
    """Keys of rows, sorted by them and then in the order in which they came."""
    total = con.execute(f"SELECT count(*) FROM {staged}").fetchall()[0][0]
    parts = max(1, -(-total // AT_ONCE))
    edges = [(2**64 * part) // parts for part in range(parts + 1)]
    for low, high in pairwise(edges):
        table = con.sql(
            f"""SELECT part, n, sort, high, low, content, lead_hash, known FROM {staged}
            WHERE high >= {low}::UBIGINT AND high <= {high - 1}::UBIGINT"""
        ).to_arrow_table().combine_chunks()  # fmt: skip
        keys = [np.asarray(table.column(name).to_numpy()) for name in ("sort", "n", "part", "low", "high")]
        yield table.take(pa.array(_sorted(*keys)))


def _sorted(
    sort: NDArray[Any], n: NDArray[Any], part: NDArray[Any], low: NDArray[Any], high: NDArray[Any]
) -> NDArray[Any]:
    """Most keys stand once: they are sorted by half of them, and only equal ones by the rest."""
    order = np.argsort(high, kind="stable")
    same = np.flatnonzero(np.diff(high[order]) == 0)
    if len(same):
        rows = np.unique(np.concatenate([same, same + 1]))
        some = order[rows]
        # What a lead was at its creation goes before its row, what is its lead's too goes behind it.
        place = np.where(sort[some] == MERGED_EVENT, 2, n[some] > 0)
        order[rows] = some[np.lexsort((place, np.abs(n[some]), part[some], low[some], high[some]))]
    return order


def _judged(rows: Records, sort: NDArray[Any], index: Sequence[Path], clock: Clock) -> Verdicts:
    groups = groups_of(rows)
    first = groups[:-1]
    hits = look_up(index, rows[HIGH, first], rows[LOW, first])
    return judge_rows(rows, sort, hits, groups, clock.as_of, clock.stated)


def _count(judged: Judged, made: Verdicts, n: NDArray[Any], digest: int) -> None:
    """Rows that were put beside the export's own, for what was known at a lead's creation, are not counted."""
    own = n > 0
    judged.accepted += int(np.count_nonzero(own & (made.outcome == ACCEPTED)))
    judged.duplicate += int(np.count_nonzero(own & (made.outcome == DUPLICATE)))
    judged.corrected += int(np.count_nonzero(own & made.corrects))
    judged.digest = added(judged.digest, digest)
    judged.patches = np.concatenate([judged.patches, made.patches], axis=1)


def _insert(
    con: duckdb.DuckDBPyConnection, verdicts: str, table: pa.Table, made: Verdicts, known: NDArray[Any]
) -> None:
    rows = np.flatnonzero((made.outcome != ACCEPTED) | (made.known != known) | (made.superseded < FAR))
    superseded = made.superseded[rows]
    part, n = (table.column(name).take(pa.array(rows)) for name in ("part", "n"))
    some = pa.table(
        [
            part,
            n,
            pa.array(made.outcome[rows]),
            pa.array(made.known[rows]),
            pa.array(superseded, mask=superseded == FAR),
        ],
        names=["part", "n", "outcome", "known", "superseded"],
    )
    con.register("some_verdicts", some)
    con.execute(f"INSERT INTO {verdicts} SELECT * FROM some_verdicts")
    con.unregister("some_verdicts")


def _reject(con: duckdb.DuckDBPyConnection, kind: str, verdicts: str) -> None:
    for place, reason in REASONS[kind].items():
        con.execute(
            f"""INSERT INTO rejected SELECT '{kind}', part, n, {reason}
            FROM staged_{kind} JOIN {verdicts} USING (part, n) WHERE n > 0 AND outcome = {CONFLICT - 1 + place}"""
        )
