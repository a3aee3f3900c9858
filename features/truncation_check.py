"""Whether features change when the future is cut off: moments computed again from histories that end before them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.contract import DataError
from data.histories import FAR, Histories, Profiles
from data.log.eventlog import EventLog
from data.visibility import is_visible
from features.compiler import compile_plan
from features.kernel import Moments, compute
from features.training_set import TrainingSet
from features.views import with_rows

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
    plan = compile_plan(training_set.catalogue, log.vocabulary)
    again = compute(plan, past, Moments(np.arange(len(as_of), dtype=np.int32), as_of))
    changed = {name: _differing(stored.column(name), again.column(name)) for name in again.column_names}
    return {name: count for name, count in changed.items() if count}, len(as_of)


def cut_off(histories: Histories, lead: NDArray[np.int64], as_of: NDArray[np.int64]) -> Histories:
    """One history per moment (lead[m], as_of[m] in µs UTC): what was known strictly before it, and nothing else.

    Neither is that an event is wrong where this became known later.
    """
    events = [_known(histories.starts, histories.known_at, index, at) for index, at in zip(lead, as_of, strict=True)]
    profiles = histories.profiles
    versions = [_versions(profiles, index, at) for index, at in zip(lead, as_of, strict=True)]
    rows, seen = _joined(events), _joined(versions)
    past = with_rows(histories, rows, _starts(events))
    if past.superseded_at is not None:
        known_wrong = is_visible(past.superseded_at, np.repeat(as_of, np.diff(past.starts)))
        past = replace(past, superseded_at=np.where(known_wrong, past.superseded_at, FAR))
    return replace(
        past,
        lead_ids=histories.lead_ids.take(pa.array(lead)),
        profiles=Profiles(_starts(versions), profiles.valid_from[seen], profiles.columns.take(pa.array(seen))),
    )


def _known(starts: NDArray[np.int64], times: NDArray[np.int64], lead: int, as_of: int) -> range:
    begin, end = int(starts[lead]), int(starts[lead + 1])
    return range(begin, begin + int(np.searchsorted(times[begin:end], as_of, side="left")))


def _versions(profiles: Profiles, lead: int, as_of: int) -> range:
    """Versions that hold before the moment, and the first one also at its own creation."""
    before = _known(profiles.starts, profiles.valid_from, lead, as_of)
    first, end = int(profiles.starts[lead]), int(profiles.starts[lead + 1])
    created_now = not len(before) and first < end and profiles.valid_from[first] == as_of
    return range(first, first + 1) if created_now else before


def _joined(ranges: list[range]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(0, np.int64), *(np.arange(span.start, span.stop) for span in ranges)])


def _starts(ranges: list[range]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum([len(span) for span in ranges])]).astype(np.int64)


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
