"""Whether what came is what was said: of a field of a table, of a quarter and of all, for as many looks as there are.

Of twenty fields that are all right, one lies outside of its own 95 % interval. So a field is called wrong when it lies
outside even after the interval was widened for the number of fields of its kind (Bonferroni); it is called right only
when it lies within its own interval; in between it is in doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from training.measuring.metrics import CONFIDENCE, binomial_interval
from training.thresholds.calibration_by_month import MonthBand

Verdict = Literal["as_said", "doubt", "more", "fewer"]
MONTH_DAYS = 365.25 / 12


@dataclass(frozen=True)
class CheckedCell:
    """Leads of whom `promised` were said to convert and `came` did; low, high: 95 % interval of the share that does."""

    leads: int
    promised: float
    came: int
    low: float
    high: float
    verdict: Verdict

    @property
    def ratio(self) -> tuple[float, float, float]:
        """What came for each that was said, with its interval."""
        said = self.promised / self.leads
        return self.came / self.promised, self.low / said, self.high / said


def check_cell(leads: int, promised: float, came: int, looks: int = 1, overlap: float = 1.0) -> CheckedCell:
    """A field among `looks` of its kind. overlap: how many times over an outcome counts on average.

    >>> [check_cell(960, 240.0, 180).verdict, *(check_cell(80, 20.0, came, 12).verdict for came in (15, 12))]
    ['fewer', 'as_said', 'doubt']
    """
    share, said, count = came / leads, promised / leads, leads / overlap
    low, high = binomial_interval(share, count).tolist()
    if low <= said <= high:
        return CheckedCell(leads, promised, came, low, high, "as_said")
    widest_low, widest_high = binomial_interval(share, count, 1 - (1 - CONFIDENCE) / looks).tolist()
    if widest_low <= said <= widest_high:
        return CheckedCell(leads, promised, came, low, high, "doubt")
    return CheckedCell(leads, promised, came, low, high, "more" if share > said else "fewer")


def overlap_of(horizon_days: int) -> float:
    """How many times over an outcome counts where leads are counted once a month: for a lead that converts, each month
    of the horizon before says so. Never below 1."""
    return max(1.0, horizon_days / MONTH_DAYS)


def pooled(
    rows: Sequence[MonthBand], period: Callable[[str], str], bands: int, horizon_days: int
) -> dict[str, list[CheckedCell | None]]:
    """By period (of a month such as 2024-05-01): a field for each band, and one for all of them; None without leads."""
    periods = sorted({period(row.month) for row in rows})
    looks = len(periods) * (bands + 1)
    table: dict[str, list[CheckedCell | None]] = {}
    for name in periods:
        mine = [row for row in rows if period(row.month) == name]
        overlap = overlap_of(horizon_days) if len({row.month for row in mine}) > 1 else 1.0
        groups = [*([row for row in mine if row.band == band] for band in range(bands)), mine]
        table[name] = [_together(group, looks, overlap) for group in groups]
    return table


def _together(rows: Sequence[MonthBand], looks: int, overlap: float) -> CheckedCell | None:
    leads = sum(row.leads for row in rows)
    promised, came = sum(row.promised for row in rows), sum(row.came for row in rows)
    return check_cell(leads, promised, came, looks, overlap) if leads and promised > 0 else None


def quarter(month: str) -> str:
    """
    >>> quarter("2024-05-01")
    '2024 Q2'
    """
    return f"{month[:4]} Q{(int(month[5:7]) + 2) // 3}"
