"""Sums and largest values of events."""

from __future__ import annotations

import numpy as np

from data.contract import VALUE_SCALE
from features.walk.state import HIGH, LOW, LOW_BITS, LOW_MASK, NO_VALUE, step


@step
def admit_value(plan, state, n, k, code, band, value):
    """Counts the value of the event at place `k`."""
    whole = np.int64(np.rint(value * VALUE_SCALE))
    first, totals = len(plan.sessions) + len(plan.days), state.totals
    marked = state.fresh[:, plan.member.shape[1] :]
    state.whole[k] = whole
    for v in range(len(plan.values)):
        if plan.member[code, plan.values[v]]:
            state.marks[first + v, k] = 1
            marked[band, first + v] += 1
            for w in range(band, len(plan.windows)):
                totals[v, w, HIGH] += whole >> LOW_BITS
                totals[v, w, LOW] += whole & LOW_MASK
    for t in range(len(plan.tops)):
        if plan.member[code, plan.tops[t]]:
            _raise(state.top[t], n + 1 - k, n, whole)


@step
def _raise(top, node, nodes, whole):
    """Puts a value into a tree of maxima."""
    while node <= nodes:
        top[node] = max(top[node], whole)
        node += node & -node


@step
def total_of(totals, row, window):
    """A sum of high and low bits, as one float64."""
    return float(totals[row, window, HIGH]) * 2.0**LOW_BITS + float(totals[row, window, LOW])


@step
def largest(top, node):
    """The largest value among the last `node` events by occurred_at; NaN when none has one."""
    best = NO_VALUE
    while node > 0:
        best = max(best, top[node])
        node -= node & -node
    return best / VALUE_SCALE if best > NO_VALUE else np.nan
