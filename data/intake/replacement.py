"""Takes sources out of the event log so that an ingest brings them anew: a base of all that others said, still a draft.

An ingest goes on from the draft as from a log, and one swap of the manifest publishes both. The log knows the source of
each event and of nothing else: profiles, aliases and absences stay, and whose the events are is decided anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.contract import UsageError
from data.histories import FAR
from data.intake.log_of_0_1 import indexed
from data.judging.holders import spans_of
from data.log.absences import read_absences
from data.log.compaction import index_runs, weave_base, write_small
from data.log.content import content_of, key_hashes, lead_hashes
from data.log.eventlog import EventLog
from data.log.generations import draft_of
from data.log.identities import Identities
from data.log.manifest import Manifest
from data.log.parts import BASE, EVENT_INDEX, REJECTED, join_rejected
from data.log.runs import TIME, Run, coded, int64, part_of, superseded_of
from data.log.version_index import CONTENT, KNOWN, LEAD, WIDTH, has_key_of, look_up, merge_runs, write_run
from data.quoting import quoted

KEY = ("source", "event_id")


def taken_out(log: EventLog | None, sources: Collection[str], incoming: Collection[str]) -> dict[str, int]:
    """How many events of each of these sources, earlier versions too, would go out for an export of the `incoming`.

    Raises UsageError for a source that the log does not have, and for an export that would only take it out.
    """
    if not sources:
        return {}
    if log is None:
        raise UsageError(f"--replace {_listed(sources)}: there is no log yet; leave --replace out")
    known = _events_by_source(log)
    for source in sorted(sources):
        if source not in known:
            raise UsageError(
                f"--replace {source!r}: the log has no event of that source, but of {_listed(known)}; correct the "
                "name, or leave --replace out"
            )
        if source not in incoming and set(incoming) <= known.keys():
            raise UsageError(
                f"--replace {source!r}: the export has no event of that source, but of {_listed(incoming)}, so it "
                "would only be taken out; give its export"
            )
    return {source: known[source] for source in sorted(sources)}


def _events_by_source(log: EventLog) -> Counter[str]:
    counts = Counter[str]()
    for bucket in range(log.n_buckets):
        for run in log.runs(bucket, KEY[:1]):
            for row in run.events.column("source").value_counts().to_pylist():
                counts[row["values"]] += row["counts"]
    return counts


def _listed(sources: Collection[str]) -> str:
    return ", ".join(map(repr, sorted(sources))) or "none"


def rest_of(
    con: duckdb.DuckDBPyConnection, log: EventLog, sources: Collection[str], types: Collection[str], staging: Path
) -> EventLog:
    """The log without these sources, a draft; types: those that stay known though only these sources told of them.

    Costs what a compaction costs; memory: the largest bucket.
    """
    index, manifest = index_runs(log.folders), log.manifest
    if manifest.events is None:
        manifest, index = indexed(con, log, staging)
    keys = _keys_of(log, sources, staging)
    lost = merge_runs(index["events"], staging / f"rest-{EVENT_INDEX}", lambda records: has_key_of(keys, records))
    draft = draft_of(staging, BASE, manifest.ingests + 1)
    remaining = replace(
        manifest.without(lost, 0),
        ingests=manifest.ingests + 1,
        words=manifest.words.without_types(manifest.watermarks.told_only_by(sources) - set(types)),
        watermarks=manifest.watermarks.without(sources),
        accounts={source: account for source, account in manifest.accounts.items() if source not in sources},
    )
    fresh = ([_without(log.run(bucket), sources, index["events"], log.folders)] for bucket in range(log.n_buckets))
    left = {**index, "events": [staging / f"rest-{EVENT_INDEX}"]}
    made = weave_base(draft, None, fresh, left, remaining, lambda done: None)
    write_small(draft, log.folders, read_absences([]), [], log.n_buckets)
    join_rejected(log.folders, draft / REJECTED)
    return EventLog(staging, _dated(con, draft, made))


def _is_of(events: pa.Table, sources: Collection[str]) -> NDArray[np.bool_]:
    column = pc.is_in(events.column("source").cast(pa.string()), value_set=pa.array(list(sources), pa.string()))
    return np.asarray(column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy())


def _keys_of(log: EventLog, sources: Collection[str], staging: Path) -> Path:
    """The keys of all events of some sources, as a run."""
    parts = []
    for bucket in range(log.n_buckets):
        events = pa.concat_tables([run.events for run in log.runs(bucket, KEY)], promote_options="default")
        high, low = key_hashes(events.filter(pa.array(_is_of(events, sources))))
        parts.append(staging / f"replaced-{bucket}.index")
        write_run(parts[-1], np.stack([high, low, *[np.zeros_like(high)] * (WIDTH - 2)]))
    merge_runs(parts, staging / "replaced.index")
    return staging / "replaced.index"


def _dated(con: duckdb.DuckDBPyConnection, draft: Path, made: Manifest) -> Manifest:
    """With the times at which the first and last of what is left became known, and the last known to be wrong."""
    rows = f"read_parquet({quoted(str(draft / 'events-*.parquet'))}, union_by_name = true)"
    wrong = "superseded_at" in {row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {rows}").fetchall()}
    first, last, until = con.execute(
        f"""SELECT coalesce(epoch_us(min(known_at)), 0), coalesce(epoch_us(max(known_at)), 0),
            {"coalesce(epoch_us(max(superseded_at)), 0)" if wrong else 0} FROM {rows}"""
    ).fetchall()[0]
    # What lies ahead is taken to be observed up to its ingest only.
    last, until = min(last, made.observed_until_us), min(until, made.corrected_until_us)
    return replace(made, observed_from_us=first, observed_until_us=last, corrected_until_us=until)


def _without(run: Run, sources: Collection[str], index: Sequence[Path], folders: Sequence[Path]) -> Run:
    """A run without the events of some sources; the others end when they themselves do."""
    theirs = _is_of(run.events, sources)
    if not theirs.any():
        return run
    rows = _may_be_mistaken(run, theirs)
    if len(rows):
        run = replace(run, events=_with_own_ends(run, rows, index, folders))
    return part_of(run, ~theirs, np.ones(len(run.profiles), np.bool_))


def _may_be_mistaken(run: Run, theirs: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rows of others beside which a row of these sources says the same, where one of them ended and the other did not.

    A patch does not say which of the two it means: as histories go they are one.
    """
    superseded = superseded_of(run.events)
    if not len(theirs) or (superseded == FAR).all():
        return np.empty(0, np.int64)
    columns: list[NDArray[Any]] = [np.repeat(np.arange(len(run.leads)), run.event_counts)]
    columns += [int64(run.events.column(name)) for name in ("known_at", "occurred_at")]
    columns += [coded(run.events.column(name))[0] for name in ("event_type", "channel")]
    columns.append(run.events.column("value").fill_null(-np.inf).to_numpy())
    differs = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    begins = np.concatenate([[0], np.flatnonzero(differs) + 1])
    first, last = (some.reduceat(superseded, begins) for some in (np.minimum, np.maximum))
    mixed = np.logical_or.reduceat(theirs, begins) & (first != last)
    group = np.repeat(np.arange(len(begins)), np.diff([*begins, len(theirs)]))
    return np.flatnonzero(mixed[group] & ~theirs)


def _with_own_ends(run: Run, rows: NDArray[np.int64], index: Sequence[Path], folders: Sequence[Path]) -> pa.Table:
    """Events of which these rows end when what was said of their own source and id does."""
    events, superseded = run.events, superseded_of(run.events)
    known = int64(events.column("known_at"))
    holder = np.repeat(lead_hashes(run.leads), run.event_counts)
    hits = look_up(index, *key_hashes(events.take(pa.array(rows))))
    owners = Identities.open(folders).owners(np.unique(hits.record[LEAD]))
    for place, row in enumerate(rows.tolist()):
        versions = np.ascontiguousarray(hits.record[:, hits.question == place])
        if not versions.shape[1]:
            continue  # whose it was is erased
        content = versions[CONTENT]
        spans = zip(*spans_of(content, versions[LEAD], versions[KNOWN].view(np.int64), owners), strict=True)
        for lead, since, until, version in spans:
            if (lead, since, content[version]) == (holder[row], known[row], content_of(events, row)):
                superseded[row] = until
    column = pa.array(superseded, mask=superseded == FAR).cast(TIME)
    return events.set_column(events.schema.get_field_index("superseded_at"), "superseded_at", column)
