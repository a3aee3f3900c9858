"""Labels: what came of a moment, and from when on that is certain. Training, backtest, monitoring and pages ask here.

The label is 1 if a target event occurs in [as_of + gap, as_of + gap + horizon), else 0. Only events before the end of
observation decide, where the sources of outcomes are complete. A moment is mature when its whole window, and the days
in which outcomes are still being recorded, lie before that end. One that is neither mature nor converted is censored:
its label is unknown, never 0. What is known of these events is taken from the end of knowledge, which may be later: the
last export corrects what it does not add to.

A lead that is another one's alias at the end was observed until the merge: what came of it since is told of the other.
What stood then under its own id counts; else its label is unknown from then on, and not 0.

Only target events that stand at the end of observation are the target's (features/outcomes.py): one whose undoing is
known by then, as when a deal is cancelled, never happened. So `settle_days` is also the time that one waits for
cancellations: a label that is certain was not undone within it, and what is undone later changes later labels only.

Where a target that does not repeat had happened before the moment, and was recorded later, nothing was left to predict.
Nobody could know when scoring; nothing is learnt from such a moment, and no prediction is held against it. What a
reopening that was known before the moment has put behind the lead does not count there: it was another chance.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from data.compiled import njit
from data.contract import US_PER_DAY
from data.histories import FAR
from data.typed_json import Sparse
from data.visibility import is_visible


@dataclass(frozen=True)
class LabelWindow:
    """When an outcome counts for a moment, and when it is certain. Arrays of times are int64 µs UTC."""

    gap_days: int
    horizon_days: int
    settle_days: int

    def opens_at(self, as_of: NDArray[np.int64]) -> NDArray[np.int64]:
        """The first time at which an event counts."""
        return as_of + self.gap_days * US_PER_DAY

    def closes_at(self, as_of: NDArray[np.int64]) -> NDArray[np.int64]:
        """The first time from which on an event counts no more."""
        return self.opens_at(as_of) + self.horizon_days * US_PER_DAY

    @property
    def certain_after_days(self) -> int:
        """How many days after its moment a label is certain."""
        return self.gap_days + self.horizon_days + self.settle_days

    def is_mature(self, as_of: NDArray[np.int64], until: int | NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether labels are certain at `until` (µs UTC), one for all or one for each."""
        return as_of + self.certain_after_days * US_PER_DAY <= until

    def observed_days(self, as_of: NDArray[np.int64], until: int | NDArray[np.int64]) -> NDArray[np.float64]:
        """float64: how much of the window was observed and has settled by `until`, from 0 to the horizon."""
        observed = until - self.settle_days * US_PER_DAY - self.opens_at(as_of)
        return np.clip(observed, 0, self.horizon_days * US_PER_DAY) / US_PER_DAY


@dataclass(frozen=True)
class Target:
    """What is predicted.

    events: event types that count. closed_by: event types that end the chance (deal lost).
    requires: a lead is in the population only after one of these (a customer: after a first purchase).
    repeats: whether the target can happen again; if not, a lead leaves the population when it has happened.
    horizon_days, gap_days: the label window is [as_of + gap, as_of + gap + horizon).
    settle_days: how late outcomes are recorded, or undone; a moment matures that much later, so that one whose outcome
    is merely not received yet does not pass for a negative, nor one for a conversion that is about to be cancelled.
    undone_by: event types that undo a target event (deal cancelled, refunded): the newest one of the lead.
    reopened_by: event types after which a lead that had left is in the population again (deal re-opened).
    """

    name: str
    events: tuple[str, ...]
    closed_by: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    repeats: bool = False
    horizon_days: int = 30
    gap_days: int = 0
    settle_days: int = 0
    undone_by: Sparse[tuple[str, ...]] = ()
    reopened_by: Sparse[tuple[str, ...]] = ()

    @property
    def window(self) -> LabelWindow:
        """When an outcome counts."""
        return LabelWindow(self.gap_days, self.horizon_days, self.settle_days)

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Event types after which a lead leaves the population: no features, since they are not seen at a moment.

        Only a lead that came back has any behind it; then they count as events of any type, and have no column of
        their own. Types that undo or reopen are seen by all who came back, and have columns as all others do.
        """
        return self.closed_by if self.repeats else (*self.events, *self.closed_by)

    @property
    def turning(self) -> tuple[str, ...]:
        """All event types that decide whether a lead has converted, and whether its outcomes put it out."""
        return (*self.events, *self.closed_by, *self.undone_by, *self.reopened_by)


@dataclass(frozen=True)
class Occurrences:
    """When the target happened to leads, as far as they were observed.

    Lead i has `times[starts[i]:starts[i + 1]]`, int64 µs UTC of occurrence, ascending. until: µs UTC, until when what
    happened is complete, of all leads or int64[n_leads] of each. behind_at: int64[n], µs UTC, when the first reopening
    became known that puts it behind the lead, FAR for none; None where that holds for all.
    """

    starts: NDArray[np.int64]
    times: NDArray[np.int64]
    until: int | NDArray[np.int64]
    behind_at: NDArray[np.int64] | None = None

    def until_of(self, lead: NDArray[np.integer]) -> int | NDArray[np.int64]:
        """Until when leads were observed, µs UTC."""
        return self.until if isinstance(self.until, int) else self.until[lead]

    def happened_before(self, lead: NDArray[np.integer], as_of: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool[n]: whether it happened to leads before the moments `as_of`, and is not behind them at these."""
        if self.behind_at is None:
            return np.asarray(first_of_lead(self.starts, self.times)[lead] < as_of)
        return np.asarray(_happened_before(self.starts, self.times, self.behind_at, lead, as_of))


@dataclass(frozen=True)
class Labels:
    """What came of n moments.

    label: int8, 1 converted, 0 not, -1 unknown (exactly where censored). mature, censored: bool.
    predictable: bool, false where the target had happened before, unseen: to be left out.
    event_days: float64, days from the start of the window to the target, NaN where it is not seen in the window.
    observed_days: float64, how much of the window was observed and has settled, from 0 to the horizon (exactly where
    mature).
    """

    label: NDArray[np.int8]
    mature: NDArray[np.bool_]
    censored: NDArray[np.bool_]
    predictable: NDArray[np.bool_]
    event_days: NDArray[np.float64]
    observed_days: NDArray[np.float64]

    def of(self, rows: NDArray[np.bool_]) -> Labels:
        """The rows where the mask is true."""
        return Labels(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def labels_of(target: Target, happened: Occurrences, lead: NDArray[np.integer], as_of: NDArray[np.int64]) -> Labels:
    """Labels of the moments of leads (their places among `happened`) at `as_of` (int64[n], µs UTC)."""
    window, until = target.window, happened.until_of(lead)
    opens = window.opens_at(as_of)
    event = _first_from(happened.starts, happened.times, lead, opens)
    converted = np.logical_and(event < window.closes_at(as_of), is_visible(event, until))
    mature = window.is_mature(as_of, until)
    censored = ~mature & ~converted
    return Labels(
        np.where(censored, -1, converted).astype(np.int8),
        mature,
        censored,
        np.ones(len(as_of), np.bool_) if target.repeats else ~happened.happened_before(lead, as_of),
        np.where(converted, (event - opens) / US_PER_DAY, np.nan),
        window.observed_days(as_of, until),
    )


def first_of_lead(starts: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[n_leads]: the first of each lead's times, FAR for a lead that has none."""
    first = np.full(len(starts) - 1, FAR, np.int64)
    has_time = starts[1:] > starts[:-1]
    first[has_time] = times[starts[:-1][has_time]]
    return first


@njit()
def _first_from(
    starts: NDArray[np.int64], times: NDArray[np.int64], lead: NDArray[np.integer], at: NDArray[np.int64]
) -> NDArray[np.int64]:
    """For each (lead, at) the lead's first time that is not before `at`, FAR for none."""
    first = np.full(len(lead), FAR, np.int64)
    for i in range(len(lead)):
        begin, end = starts[lead[i]], starts[lead[i] + 1]
        k = begin + np.searchsorted(times[begin:end], at[i])
        if k < end:
            first[i] = times[k]
    return first


@njit()
def _happened_before(
    starts: NDArray[np.int64],
    times: NDArray[np.int64],
    behind_at: NDArray[np.int64],
    lead: NDArray[np.integer],
    as_of: NDArray[np.int64],
) -> NDArray[np.bool_]:
    happened = np.zeros(len(lead), np.bool_)
    for i in range(len(lead)):
        for k in range(starts[lead[i]], starts[lead[i] + 1]):
            if times[k] < as_of[i] and not is_visible(behind_at[k], as_of[i]):
                happened[i] = True
                break
    return happened
