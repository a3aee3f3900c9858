"""Features that are plain Python functions of the user's own: to try out an idea, slowly; no server computes them.

A function is called once for each moment with what was known then, and returns a number, or None for unknown. It is
handed nothing else, so that it cannot look ahead. What has proved its worth becomes a kind of feature
(features/kinds/), which is compiled, and served.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from data.contract import UsageError
from data.histories import FAR, Histories, Named
from data.own_functions import OwnFunction
from data.visibility import is_valid, visible_version
from features.kernel import Moments

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class KnownEvent(NamedTuple):
    """An event of a lead; channel, value, campaign and asset: None where unknown. Times are UTC."""

    event_type: str
    occurred_at: datetime
    known_at: datetime
    channel: str | None
    value: float | None
    campaign: str | None
    asset: str | None


@dataclass(frozen=True)
class VisibleHistory:
    """What was known of a lead at a moment.

    events: what people did, in order of `occurred_at`; machines' events are left out, as in all features. profile: the
    newest version that was known, by column, None where unknown; empty where there was none.
    """

    as_of: datetime
    events: Sequence[KnownEvent]
    profile: Mapping[str, str | float | None]

    def days_since(self, event_type: str) -> float | None:
        """Days since the latest event of a type; None where there was none."""
        latest = max((event.occurred_at for event in self.events if event.event_type == event_type), default=None)
        return None if latest is None else (self.as_of - latest) / timedelta(days=1)


def own_columns(own: Sequence[OwnFunction], histories: Histories, moments: Moments) -> dict[str, pa.Array]:
    """float32[m] of each function, by its name; moments in order of (lead, as_of).

    Raises UsageError for a function that fails or returns no number: file, line and the row of the lead in its bucket.
    """
    if not own:  # to lay out all histories for nobody takes longer than all other features
        return {}
    values = np.full((len(own), len(moments.lead)), np.nan, np.float32)
    functions = [(place, function, function.load()) for place, function in enumerate(own)]
    lives = _Lives(histories)
    for row, (lead, as_of) in enumerate(zip(moments.lead.tolist(), moments.as_of.tolist(), strict=True)):
        known = lives.at(lead, as_of)
        for place, function, compute in functions:
            try:
                values[place, row] = _number(compute(known))
            except Exception as error:
                raise UsageError(
                    f"feature {function.name!r}: {function.blame(error)}, for the lead in row {lead + 1} of its bucket "
                    f"as of {known.as_of:%Y-%m-%d %H:%M} UTC; it must return a number or None"
                ) from None
    return {function.short_name: pa.array(column) for function, column in zip(own, values, strict=True)}


class _Lives:
    """All events of one lead after the other, made once for each."""

    def __init__(self, histories: Histories) -> None:
        self.histories = histories
        self.lead = -1

    def at(self, lead: int, as_of: int) -> VisibleHistory:
        if lead != self.lead:
            self._turn_to(lead)
        valid = is_valid(self.known_at, self.superseded_at, as_of)
        events = tuple(self.events[place] for place in np.flatnonzero(valid).tolist())
        return VisibleHistory(_time(as_of), events, self._profile(lead, as_of))

    def _turn_to(self, lead: int) -> None:
        h, self.lead = self.histories, lead
        rows = np.arange(h.starts[lead], h.starts[lead + 1])
        rows = rows[~h.bot[rows]]
        rows = rows[np.argsort(h.occurred_at[rows], kind="stable")]
        self.known_at = h.known_at[rows]
        self.superseded_at = np.full(len(rows), FAR) if h.superseded_at is None else h.superseded_at[rows]
        self.events = [_event(h, row) for row in rows.tolist()]

    def _profile(self, lead: int, as_of: int) -> dict[str, str | float | None]:
        profiles = self.histories.profiles
        start, stop = profiles.starts[lead : lead + 2].tolist()
        row = int(visible_version(profiles.valid_from, start, stop, as_of))
        if row < 0:
            return {}
        columns = profiles.columns
        return {name: columns.column(name)[row].as_py() for name in columns.column_names}


def _event(histories: Histories, row: int) -> KnownEvent:
    value = float(histories.value[row])
    return KnownEvent(
        histories.types[int(histories.event_type[row])],
        _time(int(histories.occurred_at[row])),
        _time(int(histories.known_at[row])),
        _named(histories, "channel", row),
        None if math.isnan(value) else value,
        _named(histories, "campaign", row),
        _named(histories, "asset", row),
    )


def _named(histories: Histories, of: Named, row: int) -> str | None:
    codes, names = histories.names(of)
    return None if codes is None or codes[row] < 0 else names[codes[row]]


def _time(at: int) -> datetime:
    return EPOCH + timedelta(microseconds=at)


def _number(value: object) -> float:
    if value is None:
        return math.nan
    if not isinstance(value, int | float | np.number):
        raise TypeError(type(value).__name__)
    return float(value)


def check_names(own: Sequence[OwnFunction], names: Sequence[str]) -> None:
    """Raises UsageError for a function whose name a column has already, or another one of them."""
    taken = set(names)
    for function in own:
        if function.short_name in taken:
            raise UsageError(f"features.own: there is a column {function.short_name!r} already; rename the function")
        taken.add(function.short_name)
