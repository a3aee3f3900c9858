"""Verdicts about all staged rows of an ingest, judged by ranges of their keys so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.histories import FAR
from data.intake.aliases import NewAliases
from data.intake.clock import Clock
from data.intake.staged_keys import Keys, staged_keys
from data.judging.event_versions import Circumstances, judge_rows
from data.judging.profile_versions import judge_profiles
from data.judging.verdicts import ACCEPTED, CONFLICT, DUPLICATE, Verdicts, groups_of
from data.log.runs import NO_PATCHES
from data.log.version_index import HIGH, LEAD, LOW, Records, added, digest_of, look_up, merge_runs, write_run
from data.masking import masked_sql

VERDICT = "part INTEGER, n BIGINT, outcome TINYINT, known BIGINT, home INTEGER"
"""home: the bucket of the row."""
HELD = "part INTEGER, n BIGINT, holder UBIGINT, holder_id VARCHAR, known BIGINT, superseded BIGINT"
REASONS = {
    "events": {
        1: f"'event_id ''' || {masked_sql('event_id')} || ''' is taken by an event with another content'",
        2: f"'event_id ''' || {masked_sql('event_id')} || ''' is not in the log, so it cannot be retracted'",
    },
    "leads": {1: "'another profile version of this lead starts at the same time'"},
}


@dataclass(frozen=True)
class Judge:
    """By what rows are judged. shared: whether an event may be several leads'."""

    clock: Clock
    aliases: NewAliases
    shared: bool

    def verdicts(self, kind: str, rows: Records, sort: NDArray[Any], index: Sequence[Path]) -> Verdicts:
        """What becomes of rows, uint64[5, n] by key, of events or profiles."""
        groups = groups_of(rows)
        first = groups[:-1]
        hits = look_up(index, rows[HIGH, first], rows[LOW, first])
        if kind == "leads":
            return judge_profiles(rows, sort, hits, groups, self.clock.as_of)
        leads = np.empty(0, np.uint64)
        if not self.aliases.after.is_empty:
            leads = np.unique(np.concatenate([rows[LEAD], hits.record[LEAD]]))
        owners = (aliases.owners(leads) for aliases in (self.aliases.before, self.aliases.after))
        return judge_rows(
            rows, sort, hits, groups, Circumstances(self.clock.as_of, self.clock.stated, self.shared, *owners)
        )


@dataclass
class Judged:
    """What became of the rows of a kind. held: events that go into the log otherwise than as a row says.

    beside: rows that are not the export's own and add something: of events, those that take one back whose time has
    become empty, of leads, what was known when they were created. corrected_until: when the last of the events, or of
    those of the log, became known to be wrong, µs UTC.
    digest: of the versions that are new.
    """

    n_buckets: int
    accepted: int = 0
    duplicate: int = 0
    corrected: int = 0
    held: int = 0
    beside: int = 0
    corrected_until: int = 0
    digest: int = 0
    runs: list[Path] = field(default_factory=list)
    patches: Records = field(default_factory=lambda: NO_PATCHES)

    def patches_of(self, bucket: int) -> Records:
        """What is superseded in a bucket of older parts."""
        return self.patches[:, self.patches[LEAD] % np.uint64(self.n_buckets) == bucket]


def judge_staged(
    con: duckdb.DuckDBPyConnection, kind: str, index: Sequence[Path], by: Judge, n_buckets: int, out: Path
) -> Judged:
    """Judges the rows of the view `staged_KIND` against an index of versions; `out` becomes the index of the new ones.

    Makes the tables of verdicts (`event_verdicts`, `lead_verdicts`): rows that do not go into the log as they stand,
    and for events `held`: what goes there instead. Adds those that are refused to `rejected`.
    """
    verdicts = f"{kind.removesuffix('s')}_verdicts"
    con.execute(f"CREATE OR REPLACE TEMP TABLE {verdicts} ({VERDICT})")
    if kind == "events":
        con.execute(f"CREATE TEMP TABLE held ({HELD})")
    judged = Judged(n_buckets)
    for number, keys in enumerate(staged_keys(con, kind, out)):
        made = by.verdicts(kind, keys.rows, keys.sort, index)
        judged.runs.append(out.with_suffix(f".{number}"))
        write_run(judged.runs[-1], made.new)
        _count(judged, made, keys.n)
        _insert(con, verdicts, keys, made, n_buckets)
        _insert_held(con, keys, made, by.aliases)
    merge_runs(judged.runs, out)
    for run in judged.runs:
        run.unlink()
    _reject(con, kind, verdicts)
    return judged


def _count(judged: Judged, made: Verdicts, n: NDArray[Any]) -> None:
    """Rows that were put beside the export's own, for what was known at a lead's creation, are not counted."""
    own = n > 0
    judged.accepted += int(np.count_nonzero(own & (made.outcome == ACCEPTED)))
    judged.duplicate += int(np.count_nonzero(own & (made.outcome == DUPLICATE)))
    judged.corrected += int(np.count_nonzero(own & made.corrects))
    judged.beside += int(np.count_nonzero(~own & (made.outcome == ACCEPTED)))
    judged.held += made.held.shape[1]
    ends = np.concatenate([made.held[3], made.patches[LOW]]).view(np.int64)
    judged.corrected_until = max(judged.corrected_until, int(ends[ends < FAR].max(initial=0)))
    judged.digest = added(judged.digest, digest_of(made.new))
    judged.patches = np.concatenate([judged.patches, made.patches], axis=1)


def _insert(con: duckdb.DuckDBPyConnection, verdicts: str, keys: Keys, made: Verdicts, n_buckets: int) -> None:
    rows, bucket = np.flatnonzero(~made.is_plain), keys.rows[LEAD] % np.uint64(n_buckets)
    columns = [pa.array(column[rows]) for column in (keys.part, keys.n, made.outcome, made.known, bucket)]
    _append(con, verdicts, pa.table(columns, names=["part", "n", "outcome", "known", "home"]))


def _insert_held(con: duckdb.DuckDBPyConnection, keys: Keys, made: Verdicts, aliases: NewAliases) -> None:
    row, holder = made.held[0].astype(np.int64), made.held[1]
    part, n, lead = pa.array(keys.part[row]), pa.array(keys.n[row]), keys.rows[LEAD, row]
    names = aliases.after.names({*lead[holder != lead].tolist(), *aliases.changed.tolist()})
    ids = pa.array([names.get(hashed) for hashed in holder.tolist()], pa.string())
    known, until = made.held[2].view(np.int64), made.held[3].view(np.int64)
    columns = [part, n, pa.array(holder), ids, pa.array(known), pa.array(until, mask=until == FAR)]
    _append(con, "held", pa.table(columns, names=["part", "n", "holder", "holder_id", "known", "superseded"]))


def _append(con: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    if len(rows):
        con.register("some_rows", rows)
        con.execute(f"INSERT INTO {name} SELECT * FROM some_rows")
        con.unregister("some_rows")


def _reject(con: duckdb.DuckDBPyConnection, kind: str, verdicts: str) -> None:
    for place, reason in REASONS[kind].items():
        con.execute(
            f"""INSERT INTO rejected SELECT '{kind}', part, n, {reason}
            FROM staged_{kind} JOIN {verdicts} USING (part, n) WHERE n > 0 AND outcome = {CONFLICT - 1 + place}"""
        )
