"""The first and the last event of a group, and the contacts since the last answer."""

from __future__ import annotations

import numpy as np

from features.walk.state import FIRST, LAST, step


@step
def follow(plan, state, k, code):
    """Notes the event at place `k` where it is the first or the last of a group."""
    tracks, track = plan.tracks, state.track
    for j in range(tracks.shape[1]):
        t = tracks[code, j]
        if k < track[FIRST, t]:
            track[FIRST, t] = k
        if k > track[LAST, t]:
            track[LAST, t] = k
    for p in range(len(plan.pressures)):
        if k < state.pressed[p, 1]:
            state.pressed[p, 0] += np.uint32(plan.member[code, plan.pressures[p, 0]])


@step
def press(plan, state):
    """Counts the contacts that the last answer was an answer to.

    The last answer only moves forward, so that each event is counted once at most.
    """
    pressures, member, pressed = plan.pressures, plan.member, state.pressed
    time, present, track = state.time, state.present, state.track
    for p in range(len(pressures)):
        contacts, answer = pressures[p, 0], track[LAST, pressures[p, 1]]
        answered, after = pressed[p, 0], pressed[p, 1]
        while time[after] <= time[answer]:
            answered += np.uint32(member[present[after], contacts])
            after += np.uint32(1)
        pressed[p, 0], pressed[p, 1] = answered, after
