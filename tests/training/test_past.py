"""Months of promised and realised conversions, against a slow count."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from training.thresholds.calibration_by_month import EDGES, count_by_month


def test_each_lead_counts_once_a_month_at_its_first_moment() -> None:
    rng = np.random.default_rng(3)
    n = 400
    begin = int(datetime(2023, 11, 20, tzinfo=UTC).timestamp() * 1e6)
    as_of = begin + rng.permutation(n) * 86_400_000_000 // 3
    lead, p, y = rng.integers(0, 30, n), rng.uniform(0, 0.4, n), rng.integers(0, 2, n).astype(np.float64)
    expected: dict[tuple[str, int], list[float]] = {}
    seen = set()
    for row in np.argsort(as_of):
        month = f"{datetime.fromtimestamp(as_of[row] / 1e6, UTC):%Y-%m}-01"
        if (month, lead[row]) not in seen:
            seen.add((month, lead[row]))
            cell = expected.setdefault((month, sum(p[row] >= edge for edge in EDGES[1:-1])), [0, 0, 0])
            for place, value in enumerate((1, p[row], y[row])):
                cell[place] += value
    cells = count_by_month(lead, as_of, p, y)
    assert [(band.month, band.band) for band in cells] == sorted(expected)
    for band in cells:
        assert [band.leads, band.promised, band.came] == pytest.approx(expected[band.month, band.band])
