"""Whether features change when the future is cut off: moments computed again from histories that end before them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.companies import Companies
from data.contract import DataError
from data.histories import FAR, Histories, Profiles, Stretches
from data.log.eventlog import EventLog
from features.compiler import compile_plan, looks_around
from features.kernel import Moments, compute
from features.plan import Plan
from features.training_set import TrainingSet

TIMES = 8
"""Moments in time at which the future of colleagues is cut off."""
EVERYWHERE = 300
"""Moments that are looked at in a bucket, evenly over its leads and their lives."""


def changed_by_the_future(log: EventLog, training_set: TrainingSet, bucket: int) -> tuple[dict[str, int], int]:
    """Columns of which values in a bucket of a training set are others without the future: how many, of how many.

    Raises DataError when the training set is not of this log.
    """
    if training_set.recipe.log_digest != log.digest:
        raise DataError(f"{log.path} has changed since the training set was made; run `leadscore features` first")
    stored = training_set.shard(bucket)
    stored = stored.take(pa.array(np.arange(0, len(stored), -(-len(stored) // EVERYWHERE) or 1)))
    histories = log.bucket(bucket)
    lead = pc.index_in(stored.column("lead_id").cast(pa.string()), pa.array(histories.lead_ids)).to_numpy()
    as_of = stored.column("as_of").cast(pa.int64()).to_numpy()
    past = cut_off(histories, lead.astype(np.int64), as_of)
    plan = compile_plan(training_set.catalogue, log.vocabulary, training_set.recipe.unobserved)
    again = compute(plan, past, Moments(np.arange(len(as_of), dtype=np.int32), as_of))
    changed = {name: _differing(stored.column(name), again.column(name)) for name in again.column_names}
    if plan.around is not None:
        changed |= _by_colleagues(log.companies, plan, stored, past, as_of)
    return {name: count for name, count in changed.items() if count}, len(as_of)


def _by_colleagues(
    companies: Companies, plan: Plan, stored: pa.Table, past: Histories, as_of: NDArray[np.int64]
) -> dict[str, int]:
    """The same for what colleagues tell, whose future is cut off too, at some of the moments."""
    names = [definition.name for definition in plan.definitions if looks_around([definition])]
    changed, times = Counter[str](), np.unique(as_of)
    for at in times[:: -(-len(times) // TIMES)]:
        rows = np.flatnonzero(as_of == at)
        histories = past.of(rows)
        known = companies.beside(histories).known_before(int(at))
        moments = Moments(np.arange(len(rows), dtype=np.int32), as_of[rows])
        again = compute(plan, replace(histories, companies=known), moments)
        there = stored.take(pa.array(rows))
        changed.update({name: _differing(there.column(name), again.column(name)) for name in names})
    return dict(changed)


def cut_off(histories: Histories, lead: NDArray[np.int64], as_of: NDArray[np.int64]) -> Histories:
    """One history per moment (lead[m], as_of[m] in µs UTC): what was known strictly before it, and nothing else."""
    profiles = histories.profiles
    events = _before(histories.starts, histories.known_at, lead, as_of)
    versions = _before(profiles.starts, profiles.valid_from, lead, as_of)
    past = histories.of(lead, events, _with_creation(profiles, lead, as_of, versions))
    if past.superseded_at is None:
        return past
    known = past.superseded_at < np.repeat(as_of, np.diff(past.starts))
    return replace(past, superseded_at=np.where(known, past.superseded_at, FAR))


def _before(
    starts: NDArray[np.int64], times: NDArray[np.int64], lead: NDArray[np.int64], as_of: NDArray[np.int64]
) -> Stretches:
    """Rows of the leads whose times, in ascending order, lie before the moments."""
    begin, end = starts[lead], starts[lead + 1]
    seen = [np.searchsorted(times[a:b], at) for a, b, at in zip(begin, end, as_of, strict=True)]
    return Stretches(begin, begin + np.array(seen, np.int64))


def _with_creation(profiles: Profiles, lead: NDArray[np.int64], as_of: NDArray[np.int64], seen: Stretches) -> Stretches:
    """A lead's first version holds also at its own creation."""
    first, end = seen.begin, profiles.starts[lead + 1]
    created = np.array([a < b and profiles.valid_from[a] == at for a, b, at in zip(first, end, as_of, strict=True)])
    return Stretches(first, np.maximum(seen.end, first + created.astype(np.int64)))


def _differing(stored: pa.ChunkedArray, recomputed: pa.ChunkedArray) -> int:
    """Values that are not the same; missing is the same as missing."""
    if pa.types.is_floating(stored.type):
        return int(
            (~np.equal(*_numbers(stored, recomputed)) & ~np.isnan(_numbers(stored, recomputed)).all(axis=0)).sum()
        )
    left, right = (column.cast(pa.string()).to_pylist() for column in (stored, recomputed))
    return sum(a != b for a, b in zip(left, right, strict=True))


def _numbers(stored: pa.ChunkedArray, recomputed: pa.ChunkedArray) -> NDArray[np.float32]:
    return np.stack([column.cast(pa.float32()).to_numpy() for column in (stored, recomputed)])
