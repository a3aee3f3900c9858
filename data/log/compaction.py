"""Weaves base and deltas into a new base: when deltas hold more rows than it, are too many, or on demand.

Bucket by bucket, and range by range of the index, so that memory is bounded by the largest bucket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from data.contract import DataError
from data.log.absences import FILE as ABSENCES
from data.log.absences import read_absences, write_absences
from data.log.eventlog import EventLog
from data.log.generations import draft_of, only_writer, publish, staging_folder
from data.log.identities import FILE as IDENTITIES
from data.log.identities import Period, write_identities
from data.log.manifest import Manifest
from data.log.parts import (
    BASE,
    EVENT_INDEX,
    LEAD_INDEX,
    PROFILE_INDEX,
    REJECTED,
    Written,
    join_rejected,
    write_bucket,
    written,
)
from data.log.runs import Run, woven
from data.log.version_index import merge_runs, open_run

MOST_DELTAS = 64
"""Deltas are woven in when there are more of them, or when they hold more rows than the base: so a row is woven twice
on average until the log has grown to twice its size."""
MOST_TAKEN = 1_000_000
"""Rows that an append writes at most for deltas that it takes into its own, so that it costs what it brings."""
INDEXES = {"events": EVENT_INDEX, "leads": PROFILE_INDEX}
Progress = Callable[[float], None]
Runs = Mapping[str, Sequence[Path]]
"""Runs of the version index of each kind."""


def must_compact(manifest: Manifest, more: int) -> bool:
    """Whether deltas with so many more rows would be too large beside the base."""
    return manifest.n_added + more > manifest.n_base or len(manifest.parts) > MOST_DELTAS


def taken_in(folders: Sequence[Path], more: int) -> list[Path]:
    """The newest deltas that an append of so many rows writes into its own, the oldest first.

    Those that are no larger than all that is newer: so there are few deltas, about as many as their rows have doubled,
    and a row is written about as often.
    """
    taken, total = list[Path](), more
    for folder in folders[:0:-1]:
        rows = sum(open_run(folder / name).shape[1] for name in INDEXES.values())
        if rows > total or total + rows > MOST_TAKEN:
            break
        taken.insert(0, folder)
        total += rows
    return taken


def index_runs(folders: Sequence[Path]) -> dict[str, list[Path]]:
    """The runs of the version index in parts of a log."""
    return {kind: [folder / name for folder in folders] for kind, name in INDEXES.items()}


def weave_base(
    draft: Path,
    old: EventLog | None,
    fresh: Iterable[Sequence[Run]],
    index: Runs,
    manifest: Manifest,
    progress: Progress,
) -> Manifest:
    """Writes all parts of a log, and fresh runs of each bucket, as a new base; returns what it holds then."""
    whole = (woven([*(old.runs(bucket) if old else ()), *runs]) for bucket, runs in enumerate(fresh))
    made = write_buckets(draft, whole, lambda done: progress(done / manifest.n_buckets))
    for kind, name in INDEXES.items():
        merge_runs(index[kind], draft / name)
    made.leads.tofile(draft / LEAD_INDEX)
    n_base = made.events + made.versions
    return replace(
        manifest, parts=(draft.name,), n_events=made.events, n_base=n_base, n_added=0, n_leads=len(made.leads)
    )


def write_buckets(draft: Path, runs: Iterable[Run], progress: Progress = lambda done: None) -> Written:
    """Writes runs as files of a part, one bucket after the other; returns what they hold. progress: buckets so far."""

    def each_written() -> Iterator[Run]:
        for bucket, run in enumerate(runs):
            write_bucket(draft, bucket, run)
            progress(bucket + 1)
            yield run

    return written(each_written())


def write_small(
    draft: Path, folders: Sequence[Path], absences: pa.Table, aliases: Sequence[Period], n_buckets: int
) -> None:
    """Writes absences and aliases of parts, and more of them, as those of a new part; a delta often has none."""
    if folders or len(absences):
        write_absences(draft / ABSENCES, folders, absences, n_buckets)
    if folders or aliases:
        write_identities(draft / IDENTITIES, folders, aliases)


def compact(log_path: Path, progress: Progress = lambda done: None) -> bool:
    """Weaves the deltas of a log into its base; says whether there were any. Raises DataError, UsageError as an ingest.

    What the log says stays the same, and so does its digest.
    """
    EventLog.open(log_path)
    try:
        with only_writer(log_path), staging_folder(log_path) as staging:
            log = EventLog.open(log_path)
            if len(log.folders) == 1:
                return False
            # A part needs a name of its own, also where no ingest made it.
            manifest = replace(log.manifest, ingests=log.number + 1)
            draft = draft_of(staging, BASE, manifest.ingests)
            made = weave_base(draft, log, [()] * log.n_buckets, index_runs(log.folders), manifest, progress)
            write_small(draft, log.folders, read_absences([]), [], log.n_buckets)
            join_rejected(log.folders, draft / REJECTED)
            publish([draft], log_path, made)
            return True
    except OSError as error:
        raise DataError(
            f"the event log in {log_path} cannot be compacted ({error.strerror or error}); it is as it was, make room"
        ) from None
