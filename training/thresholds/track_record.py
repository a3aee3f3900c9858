"""What became of past promises in the period that followed them; drift that broke them widens or withdraws.

A promise is a statement about leads like those it was learnt from. So it is made again at past dates, from the labels
that had matured by then, and compared with what came in the period after. Predictions are out of fold, but their model
knows the whole past: the record judges thresholds and promises, a backtest judges models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.contract import US_PER_DAY
from training.measuring.metrics import binomial_interval
from training.samples.independent import one_per_lead
from training.samples.log_odds import Array
from training.thresholds.rule_types import Action, CapacityRule, PromiseOutcome, Record, RecordPeriod
from training.thresholds.threshold import Threshold
from training.thresholds.volume import ScoredLabels, Volume

PERIODS = 5
RECENT = 2
"""Periods whose labels alone decide where drift has broken what all labels said."""
Derive = Callable[[ScoredLabels, Volume], Threshold]


@dataclass(frozen=True)
class Story:
    """Moments with known outcome. p: float64[n], out of fold. y: float64[n], 0/1. lead: [n]. as_of: int64[n], µs UTC.
    delay_days: how long an outcome takes to be known. every: one lead in so many is there.
    """

    p: Array
    y: Array
    lead: NDArray[Any]
    as_of: NDArray[np.int64]
    delay_days: int
    every: int = 1
    _drawn: dict[tuple[int, int], ScoredLabels] = field(default_factory=dict, repr=False, compare=False)

    def labels(self, since: int, until: int) -> ScoredLabels:
        """One moment per lead out of those in [since, until), µs UTC; kept, because many promises ask for the same."""
        key = (since, until)
        if key not in self._drawn:
            self._drawn[key] = self._draw(since, until)
        return self._drawn[key]

    def _draw(self, since: int, until: int) -> ScoredLabels:
        rows = np.flatnonzero((self.as_of >= since) & (self.as_of < until))
        chosen = rows[one_per_lead(self.lead[rows], self.as_of[rows])]
        return ScoredLabels(self.p[chosen], self.y[chosen])

    def edges(self) -> list[int]:
        """PERIODS periods of about as many moments each, over the newer half; their ends in µs UTC."""
        ends = np.quantile(self.as_of, np.linspace(0.5, 1.0, PERIODS + 1), method="nearest")
        return sorted({*ends[:-1].astype(np.int64).tolist(), int(self.as_of.max()) + 1})


def periods_of(story: Story, flow: Volume, derive: Derive) -> list[RecordPeriod]:
    """The promise that `derive` makes of labels and flow, made at each past edge and held against what followed.

    Kept: at least as many converted as promised. Short: fewer did, but chance explains it. Broken: the whole interval
    of the precision lies below what was promised. None: there was no threshold, or no lead.
    """
    edges = story.edges() if len(story.y) else []
    return [_period(story, flow, derive, *pair) for pair in pairwise(edges)]


def with_record(story: Story, flow: Volume, labels: ScoredLabels, derive: Derive) -> Threshold:
    """The threshold of all labels with its record; where the last period broke the promise, what recent labels allow.

    Widened: the recent labels alone still prove the promise, further up. Withdrawn: they do not.
    """
    now = derive(labels, flow)
    if isinstance(now.rule, CapacityRule):
        return now
    periods = periods_of(story, flow, derive)
    judged = [period for period in periods if period.verdict != "none"]
    if not judged or now.probability is None:
        return replace(now, record=_record(periods, "kept", None))
    recent = story.labels(periods[-RECENT:][0].since, periods[-1].until)
    if judged[-1].verdict != "broken" and not _refutes(recent, now.probability, now.rule.target):
        return replace(now, record=_record(periods, "kept", None))
    again = derive(recent, flow)
    if again.probability is None or _refutes(recent, again.probability, now.rule.target):
        return replace(now, probability=None, leads_per_week=0.0, wins_per_week=0.0, selected=0, converted=0,
                       record=_record(periods, "withdrawn", recent))  # fmt: skip
    widened = again if again.probability > now.probability else replace(again, probability=now.probability)
    return replace(widened, record=_record(periods, "widened", recent))


def _period(story: Story, flow: Volume, derive: Derive, since: int, until: int) -> RecordPeriod:
    known = story.labels(0, since - story.delay_days * US_PER_DAY + 1)
    made = derive(known, flow) if len(known.y) else None
    probability, target = (None, 0.0) if made is None else (made.probability, made.rule.target)
    after = story.labels(since, until)
    above = after.p >= (2.0 if probability is None else probability)
    selected, converted = int(above.sum()), int(after.y[above].sum())
    low, high = binomial_interval(converted / max(selected, 1), max(selected, 1)).tolist()
    short: PromiseOutcome = "broken" if high < target else "short"
    verdict = "none" if not selected else "kept" if converted >= target * selected else short
    return RecordPeriod(since, until, probability, selected, converted, low, high, verdict)


def _refutes(labels: ScoredLabels, probability: float, target: float) -> bool:
    above = labels.p >= probability
    return bool(above.any() and binomial_interval(labels.y[above].mean(), int(above.sum()))[1] < target)


def _record(periods: Sequence[RecordPeriod], action: Action, recent: ScoredLabels | None) -> Record:
    verdicts = [period.verdict for period in periods if period.verdict != "none"]
    fulfilled, broken = (sum(verdict == wanted for verdict in verdicts) for wanted in ("kept", "broken"))
    newest = None if recent is None else len(recent.y)
    return Record(fulfilled, broken, len(verdicts), action, newest, tuple(periods))
