"""An alarm on score inflation: scores rise from period to period, and the conversions that they promise do not follow.

A number for each band of scores and for all together: the trend over periods of what was realised minus what was
promised, divided by its standard error, which is clustered by lead. As long as conversions keep pace with scores, even
at a constant distance, it is about standard normal. The alarm goes off when it falls below the quantile that leaves
`ERROR`, shared out over the bands that were looked at (Bonferroni), and the promised conversions have risen. So where
conversions keep pace, any alarm at all comes up in at most `ERROR` of backtests. That periods differ by more than the
luck of leads (a market that turns) is no part of the error: then the alarm says what it is for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from features.numbers_in_words import amount, short_percent
from training.measuring.evaluation import BANDS
from training.measuring.metrics import lead_codes
from training.samples.log_odds import Array
from training.samples.sample import Sample

ERROR = 0.01
FEWEST = 20
"""Leads that a band promises to convert in each of the two halves of the time, so that the normal law holds."""
ALL = "all"


@dataclass(frozen=True)
class InflationTrend:
    """One band (or all). promised, realised: change per 100 moments (of all) from first to last period.

    z: the statistic. `alarm` says whether it is beyond the limit while the promise rose.
    """

    band: str
    promised: float
    realised: float
    z: float
    alarm: bool


@dataclass(frozen=True)
class Inflation:
    """The alarm. error: how often any alarm goes off though conversions keep pace. limit: what z must fall below."""

    error: float
    limit: float
    trends: tuple[InflationTrend, ...]

    @property
    def alarm(self) -> bool:
        """Whether any band shows inflation."""
        return any(trend.alarm for trend in self.trends)


def inflation(periods: Sequence[tuple[Sample, Array]], error: float = ERROR) -> Inflation:
    """Tests periods in order of time: (moments with outcomes, what had been predicted for them)."""
    y, weight, lead = (
        np.concatenate([getattr(sample, name) for sample, _ in periods]) for name in ("y", "weight", "lead")
    )
    p = np.concatenate([predicted for _, predicted in periods])
    time = np.repeat(np.arange(len(periods), dtype=np.float64), [len(predicted) for _, predicted in periods])
    codes = lead_codes(lead)
    band = np.searchsorted(BANDS[1:-1], p, side="right")
    members = {ALL: np.ones(len(p), np.bool_)}
    members |= {f"{amount(100 * a)}-{short_percent(b)}": band == at for at, (a, b) in enumerate(pairwise(BANDS))}
    tested = {name: rows for name, rows in members.items() if _enough(p, codes, time, rows)}
    limit = float(ndtri(error / max(len(tested), 1)))
    centred = time - np.average(time, weights=weight)
    scale = 100 * (len(periods) - 1) / max(float(weight @ centred**2), 1e-12)
    trends = []
    for name, rows in tested.items():
        z = _statistic(y, p, weight, time, codes, rows)
        promised, realised_change = (float(scale * (weight * centred * rows) @ outcomes) for outcomes in (p, y))
        trends.append(InflationTrend(name, promised, realised_change, z, z < limit and promised > 0))
    return Inflation(error, limit, tuple(trends))


def _enough(p: Array, lead: NDArray[np.int64], time: Array, rows: NDArray[np.bool_]) -> bool:
    """Whether both halves of the time promise enough conversions; of a lead's moments only their mean counts."""
    late = time > time.max() / 2
    return all(_promised(p[rows & half], lead[rows & half]) >= FEWEST for half in (late, ~late))


def _promised(p: Array, lead: NDArray[np.int64]) -> float:
    moments = np.bincount(lead)
    return float((np.bincount(lead, p)[moments > 0] / moments[moments > 0]).sum())


def _statistic(
    y: Array, p: Array, weight: Array, time: Array, lead: NDArray[np.int64], rows: NDArray[np.bool_]
) -> float:
    """Trend over time of realised minus promised within the rows, in standard errors clustered by lead."""
    off, weight, time, lead = (y - p)[rows], weight[rows], time[rows], lead[rows]
    moved = weight * (time - np.average(time, weights=weight)) * (off - np.average(off, weights=weight))
    by_lead = np.bincount(lead, moved)
    error = np.sqrt(by_lead @ by_lead)
    return float(moved.sum() / error) if error > 0 else 0.0
