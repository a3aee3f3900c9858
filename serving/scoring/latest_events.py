"""When things of each kind last happened to a lead, as lists keep it beside its score: what a sentence is made of."""

from __future__ import annotations

import json
from collections.abc import Collection

import numpy as np

from data.contract import US_PER_SECOND
from data.histories import Histories

KEPT = 8
"""Kinds that are kept of a lead, the latest: a sentence tells three, a rule looks at a few."""
ALWAYS = ("meeting", "offer_sent", "unsubscribe")
"""Kinds that a next step looks at however long ago they were."""


def latest_events(histories: Histories, contacts: Collection[str] = ()) -> list[str]:
    """For each lead the latest events of people by type, as JSON of seconds: those of KEPT types, and all contacts.

    contacts: types of what is done to a lead; that there was none must be known for certain.
    """
    wanted, latest_of = {*contacts, *ALWAYS}, list[dict[str, int]]({} for _ in range(histories.n_leads))
    for row, lead in _latest_of_each(histories):
        name = histories.types[histories.event_type[row]]
        if len(latest_of[lead]) < KEPT or name in wanted:
            latest_of[lead][name] = int(histories.occurred_at[row]) // US_PER_SECOND
    return [json.dumps(latest, separators=(",", ":")) for latest in latest_of]


def read_latest(text: str | None) -> dict[str, int]:
    """Type of event → when the latest occurred, µs UTC; nothing where nobody has looked.

    >>> read_latest('{"page_view": 5}'), read_latest(None)
    ({'page_view': 5000000}, {})
    """
    return {name: at * US_PER_SECOND for name, at in json.loads(text or "{}").items()}


def _latest_of_each(histories: Histories) -> list[tuple[int, int]]:
    """Row and lead of the latest event of each type, each lead's newest first."""
    lead = np.repeat(np.arange(histories.n_leads), np.diff(histories.starts))
    rows = np.flatnonzero(~histories.bot)
    rows = rows[np.lexsort((histories.occurred_at[rows], histories.event_type[rows], lead[rows]))]
    kind = np.stack([lead[rows], histories.event_type[rows]])
    rows = rows[np.append((kind[:, 1:] != kind[:, :-1]).any(axis=0), True)[: len(rows)]]
    rows = rows[np.lexsort((-histories.occurred_at[rows], lead[rows]))]
    return list(zip(rows.tolist(), lead[rows].tolist(), strict=True))
