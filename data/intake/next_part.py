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
from numpy.typing import NDArray

from data.contract import AHEAD, US_PER_DAY, DataError
from data.intake.aliases import NewAliases
from data.intake.days import days_of, observed, silences
from data.intake.departures import gone_and_back
from data.intake.fresh import fresh_runs, known_span
from data.intake.log_of_0_1 import indexed
from data.intake.quarantine import count_reasons, count_rejected, write_rejected
from data.intake.staged_verdicts import Judge, Judged, judge_staged
from data.intake.staging import Clock, stage_held
from data.log.absences import absences_digest, absences_of_aliases, changed, read_absences
from data.log.compaction import INDEXES, index_runs, must_compact, taken_in, weave_base, write_small
from data.log.content import lead_hashes
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
)
from data.log.runs import Run, joined
from data.log.version_index import LEAD, added, is_known, merge_runs, open_run, unknown
from data.sources.mapping import Mapping as SourceMapping
from data.sources.tables import EventsPart, LeadsPart, Table

ENOUGH, SHARED = 100, 0.01
"""A state of so many leads is of another account where the log has so many others, and less than that share of them."""
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


@dataclass(frozen=True)
class Export:
    """What was staged: by which mapping and which of its tables, from when, and which aliases are new. complete_until:
    source -> µs UTC."""

    log_path: Path
    mapping: SourceMapping
    tables: Sequence[Table]
    clock: Clock
    complete_until: Mapping[str, int]
    new: NewAliases


def write_next(
    con: duckdb.DuckDBPyConnection,
    export: Export,
    staging: Path,
    old: EventLog | None,
    manifest: Manifest,
    progress: Progress,
) -> IngestReport:
    """Judges what was staged and publishes the log with it. Raises DataError where the export is of another account."""
    words = manifest.words.and_those_of(export.mapping)
    folders = old.folders if old else []
    index, is_old = index_runs(folders), manifest.events is None
    if old and is_old:
        manifest, index = indexed(con, old, staging)
    is_shared = any(isinstance(table, EventsPart) and table.shared for table in export.tables)
    judge = Judge(export.clock, export.new, is_shared)
    judged = {
        kind: judge_staged(con, kind, index[kind], judge, manifest.n_buckets, staging / name)
        for kind, name in INDEXES.items()
    }
    if judged["events"].held:
        stage_held(con, manifest.n_buckets, staging / "held")
    aliases = absences_of_aliases(export.new.periods)
    missing = _missing(con, export, manifest, folders, index["leads"])
    said = gone_and_back(con, staging, read_absences(folders))
    absences = pa.concat_tables([aliases, read_absences([]) if missing is None else missing, said.absences])
    made = replace(_next(con, export, manifest, judged, absences), words=words)
    if missing is not None:
        made = replace(made, full_export_us=export.clock.as_of)
    more = sum(some.accepted + some.held for some in judged.values())
    if old and not is_old and not (more or count_rejected(con) or len(absences)):
        publish(_drafts(staging, made), export.log_path, made)
        return said.counted(_report(con, judged, export.new, export.log_path / made.parts[-1] / REJECTED))
    what = words.profile_columns, judged["events"]
    if old is None or is_old or must_compact(made, more):
        draft = draft_of(staging, BASE, made.ingests)
        fresh = (fresh_runs(con, staging, [bucket], *what) for bucket in range(made.n_buckets))
        index = {kind: [*runs, staging / INDEXES[kind]] for kind, runs in index.items()}
        made, before = weave_base(draft, old, fresh, index, made, progress), folders
        write_rejected(con, rejected_files(before), draft / REJECTED)
    else:
        draft, before = draft_of(staging, DELTA, made.ingests), taken_in(folders, more)
        made = _write_delta(
            draft, before, folders, fresh_runs(con, staging, range(made.n_buckets), *what), staging, made
        )
        write_rejected(con, [], draft / REJECTED)
        if before:
            join_rejected(before, draft / EARLIER)
    write_small(draft, before, absences, export.new.periods, made.n_buckets)
    report = said.counted(_report(con, judged, export.new, export.log_path / draft.name / REJECTED))
    publish(_drafts(staging, made), export.log_path, made)
    return report


def _drafts(staging: Path, manifest: Manifest) -> list[Path]:
    """The parts that are not in the log yet."""
    return [staging / name for name in manifest.parts if (staging / name).exists()]


def _write_delta(
    draft: Path, taken: Sequence[Path], folders: Sequence[Path], fresh: Sequence[Run], staging: Path, manifest: Manifest
) -> Manifest:
    """Writes fresh runs, and deltas that are taken in, as one delta beside the other parts."""
    rows = sum(len(run.events) + len(run.profiles) for run in fresh)
    n_events = sum(len(run.events) for run in fresh)
    write_delta(
        draft,
        [joined([*(read_run(folder, bucket, ALL) for folder in taken), run]) for bucket, run in enumerate(fresh)],
    )
    for name in INDEXES.values():
        merge_runs([*(folder / name for folder in taken), staging / name], draft / name)
    hashes = np.sort(lead_hashes(pa.chunked_array([run.leads for run in fresh], pa.string())))
    new = unknown([folder / LEAD_INDEX for folder in folders], hashes)
    known = [np.fromfile(folder / LEAD_INDEX, np.uint64) for folder in taken]
    np.sort(np.concatenate([*known, new])).tofile(draft / LEAD_INDEX)
    gone = {folder.name for folder in taken}
    return replace(
        manifest,
        parts=(*(part for part in manifest.parts if part not in gone), draft.name),
        n_events=manifest.n_events + n_events,
        n_added=manifest.n_added + rows,
        n_leads=manifest.n_leads + len(new),
    )


def _missing(
    con: duckdb.DuckDBPyConnection, export: Export, old: Manifest, folders: Sequence[Path], index: Sequence[Path]
) -> pa.Table | None:
    """Leads that a full export does not have any more, and those that are back; looks at all leads that are known.

    Of another state, and of one that is older than the newest, it only asks whether it may be of this account: None.
    """
    states = [table for table in export.tables if isinstance(table, LeadsPart) and table.snapshot]
    if not states:
        return None
    rows = con.execute("SELECT lead_hash, any_value(lead_id) AS lead_id FROM staged_leads GROUP BY ALL").fetchnumpy()
    present = np.asarray(rows["lead_hash"], np.uint64)
    shared = int(is_known(index, present).sum())
    if len(present) >= ENOUGH and shared < SHARED * len(present):
        n_known = len(_all_leads(index))
        if n_known >= ENOUGH:
            raise DataError(
                f"of {len(present)} leads in the export the log knows {shared}, and it knows {n_known} others: is it "
                f"of another account? It has leads like {', '.join(sorted(map(str, rows['lead_id'][:3])))}. Ingest it "
                "into a log of its own (--log), or correct lead_id in the mapping"
            )
    is_full = any(table.missing == "deleted" for table in states)
    if not is_full or not len(present) or export.clock.as_of < old.full_export_us:
        return None
    # Whoever is another lead is away already, and comes back by itself.
    known = np.setdiff1d(_all_leads(index), export.new.after.merged(export.clock.as_of))
    return changed(read_absences(folders), known, present, export.clock.as_of)


def _all_leads(index: Sequence[Path]) -> NDArray[np.uint64]:
    return np.unique(np.concatenate([np.empty(0, np.uint64), *(np.array(open_run(path)[LEAD]) for path in index)]))


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
    return IngestReport(events, leads, aliases, count_reasons(con), rejected_path)
