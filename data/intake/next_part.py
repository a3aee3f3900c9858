"""The next part of the log: what was staged is judged, and what is new is written beside what is there.

It becomes a delta, so that an append costs what it brings. Where deltas have grown past a share of the base, all is
woven into a new base.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from data.contract import AHEAD, US_PER_DAY
from data.intake.aliases import NewAliases
from data.intake.clock import Clock
from data.intake.departures import all_leads, gone_and_back, hashes_of_state, newest_state, require_same_account
from data.intake.fresh import days_of, fresh_runs, known_span, observed, silences
from data.intake.log_of_0_1 import indexed
from data.intake.quarantine import count_reasons, count_rejected, write_rejected
from data.intake.rows_to_events import stage_held
from data.intake.staged_verdicts import Judge, Judged, judge_staged
from data.log.absences import absences_digest, absences_of_aliases, changed, read_absences
from data.log.compaction import (
    INDEXES,
    MOST_TAKEN,
    index_runs,
    must_compact,
    taken_in,
    weave_base,
    write_buckets,
    write_small,
)
from data.log.eventlog import ALL, EventLog
from data.log.generations import draft_of, publish
from data.log.manifest import Manifest
from data.log.parts import (
    BASE,
    DELTA,
    EARLIER,
    LEAD_INDEX,
    REJECTED,
    join_rejected,
    read_run,
    rejected_files,
    write_delta,
    written,
)
from data.log.runs import Run, joined
from data.log.version_index import added, merge_runs, unknown
from data.sources.mapping import Mapping as SourceMapping
from data.sources.tables import EventsPart, LeadsPart, Table

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Counts:
    """Rows of one kind: accepted + duplicate + rejected == received.

    corrected: those of the accepted that say something else about what was known already.
    """

    received: int
    accepted: int
    duplicate: int
    rejected: int
    corrected: int = 0


@dataclass(frozen=True)
class IngestReport:
    """What became of every row. reasons: how many rows were rejected for what, the most frequent first.

    cells: how many cells of accepted rows count as missing, by what was wrong with them. left_out: rows that the
    mapping leaves out, by kind. files: rows of the files that queries see. idle: files that nobody gave. doubts:
    sentences about what is strange in the export. taken_out: events of sources that were replaced.
    taken_back: events whose time has become empty in their row.
    learnt: event types that are known from now on though no mapping lists them.
    """

    events: Counts
    leads: Counts
    identities: Counts
    reasons: dict[str, int]
    rejected_path: Path
    cells: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    files: Counts = Counts(0, 0, 0, 0)
    idle: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    taken_out: Mapping[str, int] = field(default_factory=dict)
    learnt: tuple[str, ...] = ()
    taken_back: int = 0


@dataclass(frozen=True)
class Export:
    """What was staged: by which mapping and which of its tables, from when, and which aliases are new.

    complete_until: source -> µs UTC. accounts: source -> the vendor's id of the account. of_new_leads: whether somebody
    says that its leads are new to the log.
    """

    log_path: Path
    mapping: SourceMapping
    tables: Sequence[Table]
    clock: Clock
    complete_until: Mapping[str, int]
    accounts: Mapping[str, str]
    new: NewAliases
    of_new_leads: bool = False


def write_next(
    con: duckdb.DuckDBPyConnection,
    export: Export,
    staging: Path,
    old: EventLog | None,
    manifest: Manifest,
    progress: Progress,
) -> IngestReport:
    """Judges what was staged and publishes the log with it. Raises DataError where the export is of another account."""
    words, folders = manifest.words.and_those_of(export.mapping), old.folders if old else []
    index, is_old = index_runs(folders), manifest.events is None
    if old and is_old:
        manifest, index = indexed(con, old, staging)
    if old:
        require_same_account(con, old, index["leads"], export.tables, export.of_new_leads)
    judged = _judged(con, export, index, manifest.n_buckets, staging)
    left = _left(con, export, manifest, folders, index["leads"])
    said = gone_and_back(con, staging, read_absences(folders))
    absences = pa.concat_tables([absences_of_aliases(export.new.periods), left or read_absences([]), said.absences])
    made = replace(_next(con, export, manifest, judged, absences), words=words)
    if left is not None:
        made = replace(made, full_export_us=export.clock.as_of)
    made = replace(made, snapshot_us=max(made.snapshot_us, newest_state(con)))
    if takes_back(export.tables):
        made = replace(made, state_us=max(made.state_us, export.clock.as_of))
    more = sum(some.accepted + some.beside + some.held for some in judged.values())
    if not old or is_old or more or count_rejected(con) or len(absences):
        fresh = Fresh(con, staging, words.profile_columns, judged["events"])
        if old is None or is_old or must_compact(made, more):
            draft, before, made = _write_base(fresh, old, index, made, progress)
        else:
            draft, before, made = _write_delta(fresh, folders, more, made)
        write_small(draft, before, absences, export.new.periods, made.n_buckets)
    report = said.counted(_report(con, judged, export.new, export.log_path / made.parts[-1] / REJECTED))
    publish(_drafts(staging, made), export.log_path, made)
    return report


def takes_back(tables: Sequence[Table]) -> bool:
    """Whether one of these tables takes events back whose time has become empty."""
    return any(isinstance(table, EventsPart) and table.emptied == "retracted" for table in tables)


def _judged(
    con: duckdb.DuckDBPyConnection, export: Export, index: Mapping[str, Sequence[Path]], n_buckets: int, staging: Path
) -> dict[str, Judged]:
    is_shared = any(isinstance(table, EventsPart) and table.shared for table in export.tables)
    judge = Judge(export.clock, export.new, is_shared)
    judged = {
        kind: judge_staged(con, kind, index[kind], judge, n_buckets, staging / name) for kind, name in INDEXES.items()
    }
    if judged["events"].held:
        stage_held(con, n_buckets, staging / "held")
    return judged


def _drafts(staging: Path, manifest: Manifest) -> list[Path]:
    """The parts that are not in the log yet."""
    return [staging / name for name in manifest.parts if (staging / name).exists()]


@dataclass(frozen=True)
class Fresh:
    """Judged rows of an ingest, in its staging folder. columns: of profiles. judged: its events."""

    con: duckdb.DuckDBPyConnection
    staging: Path
    columns: Mapping[str, str]
    judged: Judged

    def runs(self, buckets: Sequence[int]) -> list[Run]:
        """A run for each of these buckets, all of them or one."""
        return fresh_runs(self.con, self.staging, buckets, self.columns, self.judged)


def _write_base(
    fresh: Fresh, old: EventLog | None, index: Mapping[str, Sequence[Path]], manifest: Manifest, progress: Progress
) -> tuple[Path, list[Path], Manifest]:
    """Weaves all parts and fresh rows into a new base; the draft, the parts that it takes the place of, and what it
    holds."""
    draft, taken = draft_of(fresh.staging, BASE, manifest.ingests), old.folders if old else []
    runs = (fresh.runs([bucket]) for bucket in range(manifest.n_buckets))
    all_runs = {kind: [*some, fresh.staging / INDEXES[kind]] for kind, some in index.items()}
    made = weave_base(draft, old, runs, all_runs, manifest, progress)
    write_rejected(fresh.con, rejected_files(taken), draft / REJECTED)
    return draft, taken, made


def _write_delta(
    fresh: Fresh, folders: Sequence[Path], more: int, manifest: Manifest
) -> tuple[Path, list[Path], Manifest]:
    """Writes fresh rows, and deltas that are taken in, as one delta beside the other parts; as `_write_base`.

    Of more rows than an append takes in, memory holds a bucket at a time, and nothing is taken in.
    """
    draft, taken = draft_of(fresh.staging, DELTA, manifest.ingests), taken_in(folders, more)
    buckets = range(manifest.n_buckets)
    if more > MOST_TAKEN:
        new = write_buckets(draft, (fresh.runs([bucket])[0] for bucket in buckets))
    else:
        runs = fresh.runs(buckets)
        write_delta(draft, [joined([*(read_run(folder, n, ALL) for folder in taken), runs[n]]) for n in buckets])
        new = written(runs)
    for name in INDEXES.values():
        merge_runs([*(folder / name for folder in taken), fresh.staging / name], draft / name)
    leads = unknown([folder / LEAD_INDEX for folder in folders], new.leads)
    known = [np.fromfile(folder / LEAD_INDEX, np.uint64) for folder in taken]
    np.sort(np.concatenate([*known, leads])).tofile(draft / LEAD_INDEX)
    write_rejected(fresh.con, [], draft / REJECTED)
    if taken:
        join_rejected(taken, draft / EARLIER)
    gone = {folder.name for folder in taken}
    made = replace(
        manifest,
        parts=(*(part for part in manifest.parts if part not in gone), draft.name),
        n_events=manifest.n_events + new.events,
        n_added=manifest.n_added + new.events + new.versions,
        n_leads=manifest.n_leads + len(leads),
    )
    return draft, taken, made


def _left(
    con: duckdb.DuckDBPyConnection, export: Export, old: Manifest, folders: Sequence[Path], index: Sequence[Path]
) -> pa.Table | None:
    """Leads that a full export does not have any more, and those that are back; None of any other, and of an older one.

    Looks at all leads that are known.
    """
    states = [table for table in export.tables if isinstance(table, LeadsPart) and table.missing == "deleted"]
    if not states or export.clock.as_of < old.full_export_us:
        return None
    present = hashes_of_state(con)
    if not len(present):
        return None
    # Whoever is another lead is away already, and comes back by itself.
    known = np.setdiff1d(all_leads(index), export.new.after.merged(export.clock.as_of))
    return changed(read_absences(folders), known, present, export.clock.as_of)


def _next(
    con: duckdb.DuckDBPyConnection, export: Export, old: Manifest, judged: Mapping[str, Judged], absences: pa.Table
) -> Manifest:
    """The manifest after this ingest, but for the parts and what mappings say."""
    ahead = export.clock.now + AHEAD
    days, span = days_of(con, ahead), known_span(con, ahead)
    patience = {source: round(after * US_PER_DAY) for source, after in export.mapping.silent_after.items()}
    first = [old.observed_from_us] if old.n_events else []
    last = [old.observed_until_us] if old.n_events else []
    return replace(
        old,
        ingests=old.ingests + 1,
        n_overwritten=old.n_overwritten + judged["leads"].corrected,
        accounts={**old.accounts, **export.accounts},
        watermarks=old.watermarks.and_more(observed(days), export.complete_until, silences(days), patience),
        observed_from_us=min([*first, *span], default=0),
        observed_until_us=max([*last, *span], default=0),
        corrected_until_us=max(old.corrected_until_us, min(judged["events"].corrected_until, ahead)),
        events=added(old.events or 0, judged["events"].digest),
        profiles=added(added(old.profiles or 0, judged["leads"].digest), absences_digest(absences)),
    )


def _report(
    con: duckdb.DuckDBPyConnection, judged: Mapping[str, Judged], new: NewAliases, rejected_path: Path
) -> IngestReport:
    rejected = {kind: count_rejected(con, kind) for kind in ("events", "leads", "identities")}
    events, leads = (
        Counts(
            some.accepted + some.duplicate + rejected[kind],
            some.accepted,
            some.duplicate,
            rejected[kind],
            some.corrected,
        )
        for kind, some in judged.items()
    )
    accepted, refused = len(new.periods), rejected["identities"]
    aliases = Counts(accepted + new.repeated + refused, accepted, new.repeated, refused)
    taken_back = judged["events"].beside
    return IngestReport(events, leads, aliases, count_reasons(con), rejected_path, taken_back=taken_back)
