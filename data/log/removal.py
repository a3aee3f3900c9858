"""Takes a lead out of the event log: every part that holds something of it is written anew, the others stay."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.ids import mentions, spelled, whole_word
from data.log.absences import without_lead as forget_absences
from data.log.compaction import INDEXES
from data.log.content import lead_hash
from data.log.eventlog import ALL, EventLog, bucket_of
from data.log.generations import draft_of, only_writer, publish, staging_folder
from data.log.identities import ids_of
from data.log.identities import without_lead as forget_alias
from data.log.manifest import NAME, Manifest
from data.log.parts import (
    BASE,
    DELTA,
    LEAD_INDEX,
    is_by_bucket,
    read_lead_ids,
    read_run,
    rejected_files,
    write_bucket,
    write_delta,
)
from data.log.runs import Run, part_of
from data.log.version_index import LEAD, added, merge_runs, open_run, without

HIDDEN = "…"
"""In place of an id in the reason why a row was refused."""


@dataclass(frozen=True)
class Removed:
    """Rows of a part that are gone. lead, events, versions, rejected: their numbers; digests: what the index loses."""

    lead: int = 0
    events: int = 0
    versions: int = 0
    rejected: int = 0
    digests: tuple[int, int] = (0, 0)

    @property
    def rows(self) -> int:
        return self.lead + self.events + self.versions + self.rejected


@dataclass(frozen=True)
class LogErasure:
    """What became of a lead in an event log. rows: how many are gone. unread: parts that could not be read, and why."""

    rows: int = 0
    unread: tuple[str, ...] = ()


def ids_in_log(log_path: Path, lead_id: str) -> list[str]:
    """A lead, the ids that are its, and how earlier versions have spelled them; itself where there is no log."""
    if not (log_path / NAME).exists():
        return [lead_id]
    log = EventLog.open(log_path)
    theirs = ids_of(log.folders, lead_id)
    return list(dict.fromkeys([*theirs, *_other_spellings(log, theirs)]))


def _other_spellings(log: EventLog, lead_ids: Collection[str]) -> Iterator[str]:
    """Ids of the log that are written otherwise than the rule has it now, and are the same."""
    for bucket in range(log.n_buckets):
        for folder in log.folders:
            with suppress(OSError, pa.ArrowInvalid):  # a damaged part is told when it is to be cleaned
                leads = read_lead_ids(folder, bucket)
                odd = leads.filter(pc.invert(pc.string_is_ascii(leads))).to_pylist()
                yield from (name for name in odd if name not in lead_ids and spelled(name) in lead_ids)


def erase_from_log(log_path: Path, lead_id: str) -> LogErasure:
    """Publishes the log without the lead, and removes the parts that held it, and what killed ingests have left.

    The ids that are the lead's go as well, the lead itself at the end, so that one that was killed can be repeated.
    Nothing else happens where there is no log or it does not know the lead. A damaged part costs itself: the others are
    written anew. Raises UsageError while an ingest runs, OSError where the disk is full.
    """
    if not (log_path / NAME).exists():
        if (log_path / "staging").exists():
            with only_writer(log_path), staging_folder(log_path):
                pass
        return LogErasure()
    made = [_erase(log_path, name) for name in ids_in_log(log_path, lead_id)[::-1]]
    unread = dict.fromkeys(line for erased in made for line in erased.unread)
    return LogErasure(sum(erased.rows for erased in made), tuple(unread))


def _erase(log_path: Path, lead_id: str) -> LogErasure:
    with only_writer(log_path), staging_folder(log_path) as staging:
        log = EventLog.open(log_path)
        manifest, drafts, erased, knew, unread = log.manifest, list[Path](), 0, 0, list[str]()
        for place, folder in enumerate(log.folders):
            kind = BASE if folder.name.startswith(BASE) else DELTA
            draft = draft_of(staging, kind, manifest.ingests + 1)
            try:
                removed = _rewrite(log, folder, lead_id, draft)
            except (OSError, ValueError) as error:  # Arrow's are among them
                if is_full(error):
                    raise
                unread.append(f"{folder.name} cannot be read: {str(error).splitlines()[0][:200]}")
                shutil.rmtree(draft)
                continue
            if not any(draft.iterdir()):
                draft.rmdir()
                continue
            _link_rest(folder, draft)
            drafts.append(draft)
            manifest, erased, knew = (
                _after(manifest, place, draft.name, removed),
                erased + removed.rows,
                knew | removed.lead,
            )
        if drafts:
            publish(drafts, log_path, replace(manifest, n_leads=manifest.n_leads - knew))
    return LogErasure(erased, tuple(unread))


def is_full(error: BaseException) -> bool:
    """Whether the disk is to blame, and not what was read."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _rewrite(log: EventLog, folder: Path, lead_id: str, draft: Path) -> Removed:
    """Writes the files of a part that hold something of the lead without it."""
    bucket = bucket_of(lead_id, log.n_buckets)
    run = read_run(folder, bucket, ALL)
    rest, removed = _without(run, lead_id)
    if rest is not run and is_by_bucket(folder):
        write_bucket(draft, bucket, rest)
    elif rest is not run:
        runs = [read_run(folder, number, ALL) for number in range(log.n_buckets)]
        write_delta(draft, [rest if number == bucket else other for number, other in enumerate(runs)])
    digests = _rewrite_indexes(folder, lead_id, draft, log.n_buckets)
    return replace(removed, rejected=_rewrite_rejected(folder, lead_id, draft), digests=digests)


def _without(run: Run, lead_id: str) -> tuple[Run, Removed]:
    place = pc.index(run.leads, lead_id).as_py()
    patches = run.patches[:, run.patches[LEAD] != lead_hash(lead_id)]
    if place < 0:
        return (run if patches.shape == run.patches.shape else replace(run, patches=patches)), Removed()
    ours = np.arange(len(run.leads)) != place
    rows, versions = (np.repeat(ours, count) for count in (run.event_counts, run.version_counts))
    rest = replace(part_of(run, rows, versions), patches=patches)
    return rest, Removed(1, int((~rows).sum()), int((~versions).sum()))


def _rewrite_rejected(folder: Path, lead_id: str, draft: Path) -> int:
    """The rejected rows of a part whose reason shows the id: as a whole, it is not shown any more; the row stays.

    A row that was refused is nobody's: it may be another lead's, whose value is the same.
    """
    changed = 0
    for path in rejected_files([folder]):
        table = pq.read_table(path)
        reasons = table.column("reason").to_pylist()
        hidden = [_without_id(reason, lead_id) for reason in reasons]
        differing = sum(now != was for now, was in zip(hidden, reasons, strict=True))
        if differing:
            at = table.schema.get_field_index("reason")
            column = pa.array(hidden, pa.string())
            pq.write_table(table.set_column(at, table.schema.field(at), column), draft / path.name)
        changed += differing
    return changed


def _without_id(reason: str, lead_id: str) -> str:
    """A reason without an id in the value that it shows."""
    shown = re.search("'(.*)'", reason, re.DOTALL)
    if shown is None or not mentions(shown[1], lead_id):
        return reason
    return f"{reason[: shown.start(1)]}{re.sub(whole_word(lead_id), HIDDEN, shown[1])}{reason[shown.end(1) :]}"


def _rewrite_indexes(folder: Path, lead_id: str, draft: Path, n_buckets: int) -> tuple[int, int]:
    """The version index without the lead's hashes; returns what its digests lose."""
    theirs, digests = lead_hash(lead_id), []
    forget_alias(folder, lead_id, draft)
    absent = forget_absences(folder, theirs, draft, n_buckets)
    for name in INDEXES.values():
        removed = 0
        if (folder / name).exists():
            run = open_run(folder / name)
            removed = without(run, theirs)
            if removed:
                merge_runs([folder / name], draft / name, lambda records: records[LEAD] == theirs)
        digests.append(removed)
    if (folder / LEAD_INDEX).exists():
        hashes = np.fromfile(folder / LEAD_INDEX, np.uint64)
        if (hashes == theirs).any():
            hashes[hashes != theirs].tofile(draft / LEAD_INDEX)
    return digests[0], added(digests[1], absent)


def _link_rest(folder: Path, draft: Path) -> None:
    for file in folder.iterdir():
        if not (draft / file.name).exists():
            os.link(file, draft / file.name)


def _after(manifest: Manifest, place: int, name: str, removed: Removed) -> Manifest:
    """The manifest with a part written anew."""
    parts: Sequence[str] = [name if at == place else part for at, part in enumerate(manifest.parts)]
    size = "n_base" if place == 0 else "n_added"
    made = replace(
        manifest,
        parts=tuple(parts),
        ingests=manifest.ingests + 1,
        n_events=manifest.n_events - removed.events,
        **{size: getattr(manifest, size) - removed.events - removed.versions},
    )
    if manifest.events is None:
        return replace(made, digest_of_0_1=f"{manifest.digest_of_0_1}-{made.ingests}")
    return made.without(*removed.digests)
