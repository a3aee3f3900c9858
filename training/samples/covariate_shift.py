"""Has a distribution changed? Two samples of leads, counted in cells, with a chi-squared test and the usual index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from training.samples.log_odds import Array

FEWEST = 5.0
"""Expected leads of a cell; rarer ones are put together (Cochran 1954)."""
LARGE = 0.1
"""An index (PSI) below that is no change worth a word, however many leads prove it."""


@dataclass(frozen=True)
class CovariateShift:
    """A change from earlier to recent. p: of the test. psi: population stability index. shifted: sure and large."""

    name: str
    earlier: int
    recent: int
    psi: float
    p: float
    shifted: bool


def shift(name: str, earlier: Mapping[str, int], recent: Mapping[str, int], error: float) -> CovariateShift | None:
    """Compares counts of leads by cell; None where there is nothing to compare.

    The chance of calling it shifted although nothing has changed is at most `error`: leads that are in both samples
    make the test stricter, not laxer, and the index only takes alarms away.
    """
    cells = sorted({*earlier, *recent})
    before, now = (np.array([of.get(cell, 0) for cell in cells], dtype=np.float64) for of in (earlier, recent))
    if not (before.sum() and now.sum()) or len(cells) < 2:
        return None
    before, now = _merged(before, now)
    p = _chi_squared(before, now)
    psi = _index(before, now)
    return CovariateShift(name, int(before.sum()), int(now.sum()), psi, p, p < error and psi >= LARGE)


def _merged(before: Array, now: Array) -> tuple[Array, Array]:
    """Cells that are too rare for the test, together as the last one."""
    both = before + now
    expected = both * min(before.sum(), now.sum()) / both.sum()
    rare = expected < FEWEST
    if not rare.any():
        return before, now
    return np.append(before[~rare], before[rare].sum()), np.append(now[~rare], now[rare].sum())


def _chi_squared(before: Array, now: Array) -> float:
    both, total = before + now, before.sum() + now.sum()
    if (both > 0).sum() < 2:
        return 1.0
    parts = [
        (counts - both * counts.sum() / total) ** 2 / (both * counts.sum() / total).clip(1e-12)
        for counts in (before, now)
    ]
    return float(chdtrc((both > 0).sum() - 1, np.sum(parts)))


def _index(before: Array, now: Array) -> float:
    a, b = ((counts + 0.5) / (counts + 0.5).sum() for counts in (before, now))
    return float(((b - a) * np.log(b / a)).sum())
