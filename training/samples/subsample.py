"""Fewer rows that stand for all: what is measured or fitted beside the model need not look at every one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.samples.log_odds import Array


def subsample(y: Array, weight: Array, time: NDArray[Any], most: int) -> tuple[NDArray[np.int64], Array]:
    """Rows in order of time, about `most`, and their weights, so much heavier that those of each class sum to the same.

    Those that converted are all kept, and of the others as many as there is room for, spread evenly over time; both
    classes are thinned where each has more than half of `most` rows.

    >>> rows, weight = subsample(np.array([0.0, 0.0, 0.0, 1.0]), np.ones(4), np.arange(4), 3)
    >>> rows.tolist(), weight.tolist()
    ([0, 2, 3], [1.5, 1.5, 1.0])
    """
    order = np.argsort(time, kind="stable")
    converted = y[order] > 0
    fewer = min(int(converted.sum()), int((~converted).sum()), most // 2)
    picked, heavier = np.zeros(len(order), np.bool_), np.ones(len(order))
    for rows in (np.flatnonzero(converted), np.flatnonzero(~converted)):
        room = most // 2 if len(rows) == fewer else most - fewer
        chosen = rows[np.linspace(0, len(rows) - 1, min(room, len(rows))).astype(np.int64)]
        picked[chosen], heavier[chosen] = True, len(rows) / max(len(chosen), 1)
    rows = order[picked]
    return rows, weight[rows] * heavier[picked]
