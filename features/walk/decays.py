"""Events that fade: each counts half after a half-life."""

from __future__ import annotations

import numpy as np

from features.walk.state import step

FAR = 500.0
"""Half-lives at which an anchor is left behind."""
STEP_BITS = 6
STEPS = 2**STEP_BITS
POWERS = np.exp2(np.arange(STEPS) / STEPS).view(np.int64)
"""The bits of 2**(i / STEPS)."""
ROUND = 1.5 * 2.0**52
"""Added to a smaller number, it leaves no room for a fraction: the low bits of the sum are the rounded number."""
LN2 = np.log(2.0)


@step
def fade(plan, state, k, code, seen):
    """Adds the event at place `k`, the `seen`th to become visible."""
    weigh(plan, state, state.time[k])
    half = seen & np.uint32(1)
    for j in range(plan.decaying.shape[1]):
        d = plan.decaying[code, j]
        state.decayed[half, d] += state.weight[plan.decays[d]]


@step
def weigh(plan, state, at):
    """Fills `weight` with what an event at the instant `at` counts as of each anchor; anchors that are left far
    behind follow."""
    for a in range(len(plan.rates)):
        gap = (at - state.anchor[a]) * plan.rates[a]
        if gap > FAR:
            for d in range(len(plan.decays)):
                for half in range(2):
                    state.decayed[half, d] *= np.exp2(-gap) if plan.decays[d] == a else 1.0
            state.anchor[a], gap = at, 0.0
        state.weight[a] = power(max(gap, -FAR))


@step
def power(x):
    """2**x to ten digits, for abs(x) up to 1,000; the library's would be a call, and an event needs several.

    By a table of steps and a short series between them (Tang 1989, ACM TOMS 15(2)).
    """
    shifted = x * STEPS + ROUND
    steps = np.float64(shifted).view(np.int64)
    rest = (x - (shifted - ROUND) / STEPS) * LN2
    below = np.int64(POWERS[steps & (STEPS - 1)] + ((steps >> STEP_BITS) << 52)).view(np.float64)
    return below * (1.0 + rest * (1.0 + rest * (1.0 / 2.0 + rest * (1.0 / 6.0))))
