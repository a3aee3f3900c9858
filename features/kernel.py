"""The one place that computes features: sorted histories and moments in, one row per moment out.

Each lead's events are walked once, in the order in which they became known. At every moment events that have
become visible enter the accumulators and events that have grown too old leave them, so that the cost is
proportional to events + moments. Nothing depends on other moments or other leads: a row computed alone equals
the same row computed in a batch, bit by bit.

The walk takes no event back. Moments at which some event was known to be wrong walk views of the history that are
plain (`features/views.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.histories import Histories, Named
from features.around import look_around
from features.kinds import FirstTouch, LastTouch, Profile, ProfileNumber
from features.plan import Plan
from features.views import EventArrays, ProfileArrays, events_of, views_of
from features.walk.walk import walk

LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Moments:
    """Moments of leads, sorted by (lead, as_of).

    lead: int32[m], the lead's row in the histories. as_of: int64[m], µs UTC.
    """

    lead: NDArray[np.int32]
    as_of: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.as_of)


class Computed(NamedTuple):
    """What the compiled kernel returns for m moments.

    columns: float32[number columns, m]. rows: int64[2 * touch groups + 1, m], the event of each first touch, of each
    last touch, and the profile version; -1 for none. first, last, version: parts of it, a row per moment.
    """

    columns: NDArray[np.float32]
    rows: NDArray[np.int64]

    @property
    def first(self) -> NDArray[np.int64]:
        return self.rows[: len(self.rows) // 2].T

    @property
    def last(self) -> NDArray[np.int64]:
        return self.rows[len(self.rows) // 2 : -1].T

    @property
    def version(self) -> NDArray[np.int64]:
        return self.rows[-1, :]


def compute(plan: Plan, histories: Histories, moments: Moments) -> pa.Table:
    """Feature table: one row per moment, columns in the order of the plan's definitions.

    Number columns are float32 with NaN for missing, category columns dictionary<string> with null for missing.
    """
    computed = compute_arrays(plan, histories, moments)
    columns = list(_columns(plan, histories, computed))
    return pa.Table.from_arrays(columns, names=[definition.name for definition in plan.definitions])


def compute_arrays(plan: Plan, histories: Histories, moments: Moments) -> Computed:
    """The same as plain arrays, for callers that need no table.

    Raises ValueError when moments are not sorted or name a lead that the histories do not have.
    """
    profiles = (histories.profiles.starts, histories.profiles.valid_from)
    walked = plan.told_apart(histories)
    computed, bad = _walked(plan, histories.types, events_of(walked), profiles, moments)
    if bad >= 0:
        raise ValueError(
            f"moment {bad} (lead {moments.lead[bad]} at {moments.as_of[bad]}) is not sorted by (lead, as_of), "
            f"or of none of the {histories.n_leads} leads"
        )
    for views in views_of(walked, moments.lead, moments.as_of):
        again, _ = _walked(plan, histories.types, views.events, views.profiles, Moments(views.view, views.as_of))
        computed.columns[:, views.moments] = again.columns
        computed.rows[:-1, views.moments] = views.original(again.rows[:-1])
    if plan.around is not None:
        numbers = look_around(plan, plan.around, histories, moments.lead, moments.as_of, computed.version)
        computed.columns[plan.around.columns] = numbers
    for column, end in plan.ends.items():
        computed.columns[column, moments.as_of > end] = np.nan
    return computed


def _walked(
    plan: Plan, types: Sequence[str], events: EventArrays, profiles: ProfileArrays, moments: Moments
) -> tuple[Computed, int]:
    """What the walk gives, and the first moment that is out of order or of no lead, -1 for none."""
    m = len(moments)
    computed = Computed(np.empty((plan.n_numbers, m), np.float32), np.empty((plan.n_rows, m), np.int64))
    # One that may not be written to is of another type, for which all of the walk would be compiled once more.
    lead, as_of = (np.require(array, requirements="W") for array in (moments.lead, moments.as_of))
    bad = walk(tuple(plan.instructions), plan.walk_codes(types), events, profiles, (lead, as_of), tuple(computed))
    return computed, int(bad)


def _columns(plan: Plan, histories: Histories, computed: Computed) -> Iterator[pa.Array | pa.ChunkedArray]:
    numbers = iter(computed.columns)
    touches = iter(zip(computed.first.T, computed.last.T, strict=True))
    versions = pa.array(computed.version, mask=computed.version < 0)
    for definition in plan.definitions:
        match definition:
            case FirstTouch():
                yield _touched(histories, definition.of, next(touches)[0])
            case LastTouch():
                yield _touched(histories, definition.of, next(touches)[1])
            case Profile():
                yield _taken(histories, definition.column, versions, pa.string()).combine_chunks().dictionary_encode()
            case ProfileNumber():
                yield _single(_taken(histories, definition.column, versions, pa.float64()))
            case _:
                yield pa.array(next(numbers))


def _touched(histories: Histories, of: Named, events: NDArray[np.int64]) -> pa.DictionaryArray:
    """Names of the events at these rows; -1 gives null."""
    codes, names = histories.names(of)
    event_codes = codes[events] if codes is not None and len(codes) else np.full(len(events), -1, np.int32)
    missing = (events < 0) | (event_codes < 0)
    indices = pa.array(np.where(missing, 0, event_codes).astype(np.int32), mask=missing)
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string()))


def _taken(histories: Histories, column: str, versions: pa.Array, dtype: pa.DataType) -> pa.ChunkedArray:
    table = histories.profiles.columns
    if column not in table.column_names:
        return pa.chunked_array([pa.nulls(len(versions), dtype)])
    return table.column(column).take(versions).cast(dtype, safe=False)


def _single(numbers: pa.ChunkedArray) -> pa.Array:
    """float32; NaN where there is none, or one too large for float32: infinity is no number to learn from."""
    wide = numbers.fill_null(float("nan")).to_numpy()
    return pa.array(np.where(np.abs(wide) <= LARGEST, wide, np.nan).astype(np.float32))
