"""Which moments of a large training set are read, and for how many each of them stands.

Two samples share the rows that are read, and each is exact by itself. One measures: whole leads, one in so many, drawn
by a hash of their names, so that nothing about them has a say and all that looks at the story of a lead is right. The
other one teaches: every moment that converted, and of the others of all leads every so-manieth, which weighs as much
more: rare ones are all kept, so that little is lost (Fithian & Hastie, Ann. Statist. 42, 2014).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from features.training_set import TrainingSet
from training.samples.folds import hash_of_lead
from training.samples.log_odds import Array

MOST_MOMENTS = 400_000
"""Moments that are read whole; where there are more, about so many measure. 1.3 million then take 1.8 GB at most."""
FEWEST_CONVERTED = 2_000
"""Moments with a conversion that whole leads keep, whatever that takes: with few there is no evidence."""


@dataclass(frozen=True)
class Thinned:
    """What rows (n) of a thinned training set stand for.

    every: one lead in so many is whole. one_of: of moments without a conversion one in so many teaches. moments: how
    many there were. whole: bool[n], rows of whole leads, which alone measure. times: float64[n], how many moments a row
    stands for in learning, 0 where for none.
    """

    every: int
    one_of: int
    moments: int
    whole: NDArray[np.bool_]
    times: Array

    def of(self, rows: NDArray[np.bool_]) -> Thinned:
        """The rows where the mask is true."""
        return Thinned(self.every, self.one_of, self.moments, self.whole[rows], self.times[rows])


def read_thinned(training_set: TrainingSet, most: int = MOST_MOMENTS) -> tuple[pa.Table, Thinned | None]:
    """The rows of a training set in order of (as_of, lead_id): all, or those that a thinned one keeps.

    Only a piece of a bucket at a time is held whole. Raises DataError when a shard is damaged.
    """
    if training_set.moments <= most:
        return training_set.read(), None
    every = min(-(-training_set.moments // most), max(1, training_set.positives // FEWEST_CONVERTED))
    one_of = max(1, 2 * (training_set.moments - training_set.positives) // most)
    tables, notes = list[pa.Table](), list[tuple[NDArray[np.bool_], Array]]()
    for piece in training_set.pieces():
        whole, times = drawn(piece.column("lead_id"), piece.column("label"), every, one_of)
        rows = whole | (times > 0)
        tables.append(piece.filter(pa.array(rows)))
        notes.append((whole[rows], times[rows]))
    table = pa.concat_tables(tables).unify_dictionaries()
    order = pc.sort_indices(table.select(["as_of", "lead_id"]), [("as_of", "ascending"), ("lead_id", "ascending")])
    marks = (np.concatenate(mark)[order.to_numpy()] for mark in zip(*notes, strict=True))
    return table.take(order), Thinned(every, one_of, training_set.moments, *marks)


def drawn(lead: pa.ChunkedArray, label: pa.ChunkedArray, every: int, one_of: int) -> tuple[NDArray[np.bool_], Array]:
    """Which rows are of whole leads, and for how many each of them stands in learning; rows in order of (lead, time).

    Which moments of a lead teach goes round from one to the next, beginning where the hash of the lead says: every
    stretch of time and of a lead's life has its share.
    """
    codes = lead.combine_chunks().dictionary_encode()
    names, code = codes.dictionary.to_pylist(), codes.indices.to_numpy()
    begins = np.concatenate([[True], code[1:] != code[:-1]])
    nth = np.arange(len(code)) - np.maximum.accumulate(np.where(begins, np.arange(len(code)), 0))
    # Not the hash that deals out folds and judges, or whole leads would all be dealt to one side.
    number = np.array([hash_of_lead(f"thinned:{name}") for name in names], np.uint64)
    start = (number // np.uint64(every) % np.uint64(one_of)).astype(np.int64)
    converted = label.fill_null(0).to_numpy() == 1
    times = np.where(converted, 1.0, np.where((nth + start[code]) % one_of == 0, float(one_of), 0.0))
    return (number % np.uint64(every) == 0)[code], times


def parts_of(weight: Array, thinned: Thinned | None) -> tuple[Array, NDArray[np.bool_]]:
    """How much rows (n) weigh in learning, and which of them measure."""
    if thinned is None:
        return weight, np.ones(len(weight), np.bool_)
    return weight * thinned.times, thinned.whole
