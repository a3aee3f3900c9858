"""Sorted runs of one bucket of the log, and how several become one: woven, because all of them are sorted already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.compiled import njit
from data.histories import FAR
from data.log.content import content_of, lead_hashes
from data.log.version_index import CONTENT, HIGH, KNOWN, LEAD, LOW, WIDTH, Records

ORDER = ("lead", "known_at", "occurred_at", "event_type", "channel", "value", "source", "event_id")
"""The total order of the log; nulls come first."""
TIME = pa.timestamp("us", "UTC")
CODED = ("event_type", "channel", "source")
"""Columns of names, which are written as dictionaries."""
NO_PATCHES: Records = np.empty((WIDTH, 0), np.uint64)


@dataclass(frozen=True)
class Run:
    """Rows of one bucket.

    leads: string[n_leads], ascending. events: columns of ORDER without the lead, and `superseded_at` where an event has
    one; sorted by ORDER. profiles: `valid_from`, `account_id` and profile columns, by lead and time.
    event_counts, version_counts: int[n_leads], how many rows each lead has.
    patches: what it says about events of older runs, as `Verdicts.patches`.
    """

    leads: pa.Array
    events: pa.Table
    event_counts: NDArray[np.int64]
    profiles: pa.Table
    version_counts: NDArray[np.int64]
    patches: Records = field(default_factory=lambda: NO_PATCHES)


def part_of(run: Run, events: NDArray[np.bool_], versions: NDArray[np.bool_]) -> Run:
    """Some of the events and profile versions of a run, by a mask each, and the leads that have any of them."""
    owners = (np.repeat(np.arange(len(run.leads)), count) for count in (run.event_counts, run.version_counts))
    counts = [
        np.bincount(owner[mask], minlength=len(run.leads))
        for owner, mask in zip(owners, (events, versions), strict=True)
    ]
    stay = counts[0] + counts[1] > 0
    kept = run.events.filter(pa.array(events))
    # A dictionary would still hold what only the others had.
    for name in set(CODED) & {*kept.column_names}:
        fresh = kept.column(name).cast(pa.string()).dictionary_encode()
        kept = kept.set_column(kept.schema.get_field_index(name), name, fresh)
    profiles = run.profiles.filter(pa.array(versions))
    return Run(run.leads.filter(pa.array(stay)), kept, counts[0][stay], profiles, counts[1][stay], run.patches)


def woven(runs: Sequence[Run]) -> Run:
    """All rows of runs, at least one, the oldest first, as one run, with what is superseded in it."""
    run = joined(runs)
    if not run.patches.shape[1]:
        return run
    events = _patched(run.leads, np.repeat(np.arange(len(run.leads)), run.event_counts), run.events, run.patches)
    return replace(run, events=events, patches=NO_PATCHES)


def joined(runs: Sequence[Run]) -> Run:
    """All rows of runs, at least one, the oldest first, as one run, and all their patches.

    The first run has most of the rows and is sorted: the others' are put between, each found its place by bisection.
    """
    patches = np.concatenate([run.patches for run in runs], axis=1)
    runs = [run for run in runs if len(run.leads)] or list(runs[:1])
    if len(runs) == 1:
        return replace(runs[0], patches=patches)
    leads, places = _united([run.leads for run in runs])
    counts = _counted(len(leads), places, [run.event_counts for run in runs])
    version_counts = _counted(len(leads), places, [run.version_counts for run in runs])
    events = _joined([run.events for run in runs])
    events = events.take(_event_order(runs, places, events))
    return Run(leads, events, counts, _profiles(runs, places), version_counts, patches)


def _united(several: Sequence[pa.Array]) -> tuple[pa.Array, list[NDArray[np.int64]]]:
    """Leads of all runs in order, and the place of each run's leads among them."""
    first, *others = several
    more = pa.chunked_array(others, pa.string()).combine_chunks()
    at = pc.index_in(more, value_set=first)
    fresh = more.filter(at.is_null()).unique()
    fresh = fresh.take(pc.sort_indices(fresh))
    before = np.searchsorted(first.to_numpy(zero_copy_only=False), fresh.to_numpy(zero_copy_only=False))
    # What comes after a place moves up by the leads that are put before it.
    new_places = before + np.arange(len(fresh))
    is_new = np.zeros(len(first) + len(fresh), np.bool_)
    is_new[new_places] = True
    old_places = np.flatnonzero(~is_new)
    take = np.empty(len(is_new), np.int64)
    take[old_places], take[new_places] = np.arange(len(first)), len(first) + np.arange(len(fresh))
    place = np.concatenate([old_places, new_places])[pc.index_in(more, value_set=pa.concat_arrays([first, fresh]))]
    ends = np.cumsum([len(leads) for leads in others])[:-1]
    return pa.concat_arrays([first, fresh]).take(take), [old_places, *np.split(place, ends)]


def _counted(n: int, places: Sequence[NDArray[np.int64]], counts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """How many rows each of n leads has in all runs."""
    total = np.zeros(n, np.int64)
    for place, count in zip(places, counts, strict=True):
        total[place] += count
    return total


def _lead_of(counts: Sequence[NDArray[np.int64]], places: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The lead of each row of runs, one run after the other."""
    return np.concatenate([np.repeat(place, count) for place, count in zip(places, counts, strict=True)])


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Rows of all runs one after the other, names with one dictionary; a column that a run does not have is null."""
    return pa.concat_tables(tables, promote_options="default").unify_dictionaries().combine_chunks()


def _event_order(runs: Sequence[Run], places: Sequence[NDArray[np.int64]], events: pa.Table) -> NDArray[np.int64]:
    """Joined rows in the log's order.

    Of rows that differ in source or id alone those of the first run go first: a history made of them is the same.
    """
    starts = np.concatenate([[0], np.cumsum(runs[0].event_counts)])
    cut, lead = int(starts[-1]), _lead_of([run.event_counts for run in runs[1:]], places[1:])
    known, occurred = (events.column(name).cast(pa.int64()).to_numpy() for name in ("known_at", "occurred_at"))
    (kind, kind_rank), (channel, channel_rank) = (_ranked(events.column(name)) for name in ("event_type", "channel"))
    value = events.column("value").fill_null(-np.inf).to_numpy()
    late = np.lexsort([
        _source_rank(events, cut), value[cut:], channel_rank[channel[cut:]], kind_rank[kind[cut:]], occurred[cut:],
        known[cut:], lead,
    ])  # fmt: skip
    begin, stop = (starts[np.searchsorted(places[0], lead[late], side)] for side in ("left", "right"))
    keys = known, occurred, kind, kind_rank, channel, channel_rank, value
    return np.asarray(_weave(cut, late + cut, begin, stop, *keys), np.int64)


def _ranked(column: pa.ChunkedArray) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Codes of names, and the place of each name in the alphabet; the code and place -1 where there is none."""
    codes, names = coded(column)
    rank = np.empty(len(names) + 1, np.int64)
    rank[np.argsort(np.array([*names], object), kind="stable")] = np.arange(len(names))
    rank[-1] = -1
    return codes, rank


def _source_rank(events: pa.Table, cut: int) -> NDArray[np.int64]:
    if "source" not in events.column_names:
        return np.zeros(len(events) - cut, np.int64)
    codes, rank = _ranked(events.column("source"))
    return rank[codes[cut:]]


@njit()
def _weave(cut, late, begin, stop, known, occurred, kind, kind_rank, channel, channel_rank, value):  # type: ignore[no-untyped-def]
    """Sorted rows and late ones, each of which belongs somewhere into begin:stop of the sorted, in one order."""
    order, taken = np.empty(len(known), np.int64), 0
    for k in range(len(late)):
        low, high = begin[k], stop[k]
        while low < high:
            middle = (low + high) // 2
            if _before(late[k], middle, known, occurred, kind, kind_rank, channel, channel_rank, value):
                high = middle
            else:
                low = middle + 1
        for row in range(taken, low):
            order[row + k] = row
        order[low + k], taken = late[k], low
    for row in range(taken, cut):
        order[row + len(late)] = row
    return order


@njit()
def _before(a, b, known, occurred, kind, kind_rank, channel, channel_rank, value):  # type: ignore[no-untyped-def]
    if known[a] != known[b]:
        return known[a] < known[b]
    if occurred[a] != occurred[b]:
        return occurred[a] < occurred[b]
    if kind[a] != kind[b]:
        return kind_rank[kind[a]] < kind_rank[kind[b]]
    if channel[a] != channel[b]:
        return channel_rank[channel[a]] < channel_rank[channel[b]]
    return value[a] < value[b]


def _patched(leads: pa.Array, lead: NDArray[np.int64], events: pa.Table, patches: Records) -> pa.Table:
    """Events with the times from when on patches say that they are superseded: the earliest that any says."""
    hashes = lead_hashes(leads)
    by_hash = np.argsort(hashes)
    superseded = superseded_of(events)
    known = int64(events.column("known_at"))
    for patch in patches.T:
        at = np.searchsorted(hashes, patch[LEAD], sorter=by_hash)
        if at == len(hashes) or hashes[by_hash[at]] != patch[LEAD]:
            continue  # the lead was erased
        begin, end = np.searchsorted(lead, [by_hash[at], by_hash[at] + 1])
        first, last = begin + np.searchsorted(known[begin:end], [patch[KNOWN].view(np.int64)] * 2 + np.array([0, 1]))
        before, until = int(patch[HIGH].view(np.int64)), int(patch[LOW].view(np.int64))
        same = [row for row in range(first, last) if content_of(events, row) == patch[CONTENT]]
        # Where the version that came next was erased, nothing ends when the patch says.
        rows = [row for row in same if superseded[row] == before] or [row for row in same if superseded[row] > until]
        superseded[rows[:1]] = until
    column = pa.array(superseded, mask=superseded == FAR).cast(TIME)
    place = events.schema.get_field_index("superseded_at")
    if place >= 0:
        return events.set_column(place, "superseded_at", column)
    return events.append_column("superseded_at", column)


def superseded_of(events: pa.Table) -> NDArray[np.int64]:
    """int64[n] µs UTC, FAR where an event was never superseded."""
    if "superseded_at" not in events.column_names:
        return np.full(len(events), FAR, np.int64)
    return np.array(events.column("superseded_at").cast(pa.int64()).fill_null(FAR).to_numpy())


def _profiles(runs: Sequence[Run], places: Sequence[NDArray[np.int64]]) -> pa.Table:
    owner = _lead_of([run.version_counts for run in runs], places)
    profiles = pa.concat_tables([run.profiles for run in runs], promote_options="default").combine_chunks()
    return profiles.take(np.lexsort([int64(profiles.column("valid_from")), owner]))


def coded(column: pa.ChunkedArray) -> tuple[NDArray[np.int32], list[str]]:
    """int32 codes (-1 for null) and the names that they stand for."""
    whole = column.unify_dictionaries().combine_chunks() if column.num_chunks else None
    if whole is None or not len(whole):
        return np.empty(0, np.int32), []
    codes = whole.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    return codes, whole.dictionary.to_pylist()


def int64(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """A copy that may be written to: Numba would compile once more for read-only arrays."""
    return np.array(column.cast(pa.int64()).to_numpy())
