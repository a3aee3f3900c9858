"""Derives the columns that are no counts from the accumulators, as of a moment: the rules of the kinds."""

from __future__ import annotations

import numpy as np

from data.contract import US_PER_DAY, VALUE_SCALE
from features.kinds import (
    KINDS,
    Age,
    Cadence,
    Decayed,
    DistinctTypes,
    IgnoredInRow,
    Max,
    Mean,
    Recency,
    Sum,
    Trend,
)
from features.kinds.accumulators import EVER
from features.walk.state import FIRST, LAST, step
from features.walk.values import largest, total_of

SUM, MEAN, MAX = (KINDS.index(kind) for kind in (Sum, Mean, Max))
RECENCY, AGE, CADENCE, DECAYED = (KINDS.index(kind) for kind in (Recency, Age, Cadence, Decayed))
TREND, DISTINCT, IGNORED = (KINDS.index(kind) for kind in (Trend, DistinctTypes, IgnoredInRow))


@step
def derive_columns(plan, state, now, n, born, numbers, r):
    """Fills row `r` of the columns that are no counts, as of the moment `now`; missing is NaN."""
    ops, rates, expired, time, counts = plan.ops, plan.rates, state.expired, state.time, state.counts
    totals, track, decayed, weight = state.totals, state.track, state.decayed, state.weight
    for a in range(len(rates)):
        weight[a] = np.exp2((state.anchor[a] - now) * rates[a])
    for k in range(len(ops)):
        op, a, b, c = ops[k, 1], ops[k, 2], ops[k, 3], ops[k, 4]
        number = np.nan
        if op == RECENCY:
            if track[LAST, a]:
                number = (now - time[track[LAST, a]]) / US_PER_DAY
        elif op == DECAYED:
            number = (decayed[0, a] + decayed[1, a]) * weight[b]
        elif op == TREND:
            if counts[c, a] > 0:
                number = counts[b, a] / counts[c, a]
        elif op == DISTINCT:
            distinct = 0
            for t in range(plan.types):
                distinct += counts[a, t] > 0
            number = float(distinct)
        elif op == SUM:
            number = total_of(totals, a, b) / VALUE_SCALE
        elif op == MEAN:
            if counts[b, c] > 0:
                number = total_of(totals, a, b) / counts[b, c] / VALUE_SCALE
        elif op == MAX:
            number = largest(state.top[a], n + 1 - np.int64(expired[b]))
        elif op == CADENCE:
            if counts[b, a] > 1:
                number = (time[track[LAST, c]] - time[track[FIRST, c]]) / (counts[b, a] - 1) / US_PER_DAY
        elif op == IGNORED:
            number = float(counts[len(counts) - 1, plan.pressures[a, 0]] - state.pressed[a, 0])
        elif op == AGE and born < EVER:
            number = (now - born) / US_PER_DAY
        numbers[ops[k, 0], r] = number
