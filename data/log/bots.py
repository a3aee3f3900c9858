"""Which events a machine made: rules that look back only, so that a label never depends on the future."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data.compiled import njit
from data.contract import US_PER_SECOND
from data.sources.mapping import BotRule


def label_bots(
    rules: Sequence[BotRule],
    starts: NDArray[np.int64],
    occurred_at: NDArray[np.int64],
    event_type: NDArray[np.int32],
    types: Sequence[str],
) -> NDArray[np.int32]:
    """int32[n]: for each event the place of the first rule that labels it, -1 for a human's.

    Events are in the log's order, lead i owns starts[i]:starts[i + 1]; event_type holds codes into `types`.
    """
    label = np.full(len(occurred_at), -1, np.int32)
    for place, rule in reversed(list(enumerate(rules))):
        follows = np.array([name in rule.types for name in types], dtype=np.bool_)
        leads_in = np.array([name == rule.after for name in types], dtype=np.bool_)
        _follow(starts, occurred_at, event_type, follows, leads_in, round(rule.seconds * US_PER_SECOND), label, place)
    return label


@njit()
def _follow(starts, occurred_at, event_type, follows, leads_in, within, label, place):
    """Labels an event at most `within` µs after a trigger that is known no later than it."""
    for lead in range(len(starts) - 1):
        first, stop = starts[lead], starts[lead + 1]
        triggers, known = np.empty(stop - first, np.int64), 0
        for i in range(first, stop):
            kind = event_type[i]
            if leads_in[kind]:
                # Kept in order of time; one that is received late moves back, which is rare and near.
                spot = known
                while spot > 0 and triggers[spot - 1] > occurred_at[i]:
                    triggers[spot] = triggers[spot - 1]
                    spot -= 1
                triggers[spot] = occurred_at[i]
                known += 1
            elif follows[kind]:
                before = np.searchsorted(triggers[:known], occurred_at[i], side="right")
                if before > 0 and occurred_at[i] - triggers[before - 1] <= within:
                    label[i] = place
