"""Which rows are held out together: whole leads, never moments; and what lies before and after a cut in time."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

JUDGED_OF = 3
LEARNT_OF = JUDGED_OF / (JUDGED_OF - 1)


def fold_of_leads(lead: NDArray[np.generic], time: NDArray[np.int64], folds: int) -> NDArray[np.int64]:
    """int64[n], the bagging fold of each row: leads in order of their first moment are dealt out in turn.

    No lead is in two folds, each fold sees all of the period, and no chance is involved.

    >>> fold_of_leads(np.array(["a", "b", "a", "c"]), np.array([1, 2, 3, 4]), 2).tolist()
    [0, 1, 0, 0]
    """
    _, code = np.unique(lead, return_inverse=True)
    first = np.full(code.max() + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, code, time)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return (rank % folds)[code]


def fold_of_rows(y: NDArray[np.generic], folds: int) -> NDArray[np.int64]:
    """int64[n], folds for a plain table: the rows of each class are dealt out in turn."""
    fold = np.empty(len(y), np.int64)
    for value in np.unique(y):
        rows = np.flatnonzero(y == value)
        fold[rows] = np.arange(len(rows)) % folds
    return fold


def newest_slice(as_of: NDArray[np.int64], weight: NDArray[np.float64], share: float) -> int:
    """The cut (µs UTC): the newest moments from it on hold about `share` of the weight. `as_of` is sorted."""
    reached = np.cumsum(weight) >= (1 - share) * weight.sum()
    return int(as_of[int(np.argmax(reached))])


def before_cut(
    as_of: NDArray[np.int64], lead: NDArray[np.str_], cut: int, whole: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Splits rows at a cut in time: float64[n] each, how much a row counts in learning and in judging.

    Judged are moments from the cut on, learnt from are those before it, by what was known of their labels then
    (`Sample.known_at`). Leads with moments before and after the cut are dealt out by a hash of their id:
    one in JUDGED_OF is judged and counts so many times, the others are learnt from and count that much more. So no lead
    is on both sides, and either side stands for all: leads that are still open after the cut are not missing before.
    Rows that are not of `whole` leads (bool[n]) are never judged, and nothing need be kept apart for them.
    """
    early, late = as_of < cut, as_of >= cut
    both = np.isin(lead, np.intersect1d(lead[early], lead[late]))
    drawn = np.zeros(len(lead), np.bool_)
    drawn[both] = [hash_of_lead(lead_id) % JUDGED_OF == 0 for lead_id in lead[both].tolist()]
    learn = np.where(early & ~drawn, np.where(both, LEARNT_OF, 1.0), 0.0)
    judged = np.where(late & ~both, 1.0, np.where(late & drawn, float(JUDGED_OF), 0.0))
    if whole is not None:
        learn, judged = np.where(whole, learn, early.astype(np.float64)), np.where(whole, judged, 0.0)
    return learn, judged


def hash_of_lead(lead: str) -> int:
    """An unsigned number of 64 bits, the same on every machine."""
    return int.from_bytes(blake2b(lead.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
