"""The horizon cut into periods, and what each moment teaches about each: one row per period that was observed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.samples.folds import hash_of_lead
from training.samples.log_odds import Array, logit

ENDS = (3, 7, 14, 21, 30, 45, 60, 90, 120, 180, 270, 365, 540, 730, 1095, 1825, 3650)
"""Where periods end, in days: fine at first, when most happens, and coarser later."""
STOPS = (7, 30, 90, 365, 1095)
"""Where a model of its own may begin, in days: what makes a lead convert this week is not what does so in a quarter."""
FEWEST_CONVERTED = 50
"""Conversions that a model learns from at least; a stretch with fewer shares the model of the one before it."""
MOST_ROWS = 60_000
"""Rows without a conversion, beyond twice of which only every so-manieth is kept, with the weight of all."""


def ends_of(horizon_days: int) -> tuple[int, ...]:
    """The ends of the periods up to a horizon, in days.

    >>> ends_of(40)
    (3, 7, 14, 21, 30, 40)
    """
    return (*(end for end in ENDS if end < horizon_days), horizon_days)


def models_of(ends: Sequence[int], converted: Sequence[int], fewest: int = FEWEST_CONVERTED) -> tuple[int, ...]:
    """The number of the model of each period, from 0 on; `ends` are theirs, `converted` conversions seen in each.

    >>> models_of((3, 7, 14, 30, 60), (40, 30, 20, 40, 30))
    (0, 0, 1, 1, 1)
    """
    models, begin = [0], 0
    for period, start in enumerate(ends[:-1], start=1):
        new = start in STOPS and min(sum(converted[begin:period]), sum(converted[period:])) >= fewest
        begin = period if new else begin
        models.append(models[-1] + new)
    return tuple(models)


@dataclass(frozen=True)
class PeriodRows:
    """What to fit to. moment: int64[r], which moment; period: int64[r]; label: int64[r], 0/1; weight: float64[r]."""

    moment: NDArray[np.int64]
    period: NDArray[np.int64]
    label: NDArray[np.int64]
    weight: Array

    def of(self, rows: NDArray[np.bool_]) -> PeriodRows:
        """The rows where the mask is true."""
        return PeriodRows(self.moment[rows], self.period[rows], self.label[rows], self.weight[rows])


def rows_of(event_days: Array, observed_days: Array, ends: tuple[int, ...], weight: Array) -> PeriodRows:
    """A row for each moment and period that was observed to its end, up to the one in which the moment converted.

    A period that was observed in part is left out whatever happened in it: taken only where a conversion was seen, it
    would make conversions look too frequent. A moment that weighs nothing teaches nothing.
    """
    starts = np.array((0, *ends[:-1]))
    happened = np.nan_to_num(event_days, nan=np.inf)[:, np.newaxis]
    seen = (observed_days[:, np.newaxis] >= np.array(ends)) & (happened >= starts) & (weight > 0)[:, np.newaxis]
    moment, period = np.nonzero(seen)
    label = (happened[moment, 0] < np.array(ends)[period]).astype(np.int64)
    return PeriodRows(moment, period, label, weight[moment])


def thinned(rows: PeriodRows, lead: NDArray[np.generic], most: int = MOST_ROWS) -> PeriodRows:
    """The rows, or where more than twice `most` say that nothing happened only every k-th of those, k times as heavy.

    Which period of a moment is kept goes round from moment to moment of a lead, beginning where the hash of the lead
    says: no chance, every moment has its say, and sums over rows are right on average over leads. Rows with a
    conversion, the rare ones, are all kept, and so the loss of knowledge is small (Fithian & Hastie 2014).
    """
    keep_one_of = int((rows.label == 0).sum()) // most
    if keep_one_of < 2:
        return rows
    names, code = np.unique(lead, return_inverse=True)
    nth = np.zeros(len(lead), np.int64)
    order = np.argsort(code, kind="stable")
    nth[order] = np.arange(len(lead)) - np.searchsorted(code[order], code[order])
    begin = np.array([hash_of_lead(str(name)) % keep_one_of for name in names.tolist()], np.int64)[code] + nth
    selected = (rows.label == 1) | ((rows.period + begin[rows.moment]) % keep_one_of == 0)
    weight = np.where(rows.label == 1, rows.weight, rows.weight * keep_one_of)
    return PeriodRows(rows.moment[selected], rows.period[selected], rows.label[selected], weight[selected])


def base_log_odds(rows: PeriodRows, periods: int) -> Array:
    """float64[periods]: log-odds of converting in each period, all moments taken together."""
    mass = np.bincount(rows.period, rows.weight, periods)
    converted = np.bincount(rows.period, rows.weight * rows.label, periods)
    return logit((converted + 0.5) / (mass + 1.0))
