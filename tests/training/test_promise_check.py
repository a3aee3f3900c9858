"""A year tells what no month can, and a field that lies outside of its interval is never called right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.thresholds.calibration_by_month import MonthBand
from training.thresholds.promise_check import check_cell, overlap_of, pooled, quarter

YEAR = [MonthBand(f"2024-{month:02}-01", 3, 80, 20.0, came) for month, came in enumerate([15, 14, 16] * 4, start=1)]
"""A band that is off by a quarter in each month: 20 promised, 15 came."""


def test_a_band_that_is_off_by_a_quarter_all_year_is_found_though_every_month_is_within_chance() -> None:
    months, year = pooled(YEAR, str, 4, 30), pooled(YEAR, lambda month: "", 4, 30)
    assert [fields[3] and fields[3].verdict for fields in months.values()] == ["as_said"] * 12
    whole = year[""][3]
    assert whole is not None
    assert (whole.leads, whole.promised, whole.came, whole.verdict) == (960, 240.0, 180, "fewer")
    assert whole.ratio[0] == 0.75
    assert whole.ratio[2] < 1


@given(st.integers(1, 2_000), st.data(), st.integers(1, 60))
def test_a_field_is_called_right_exactly_where_its_own_interval_holds_what_was_said(
    leads: int, data: st.DataObject, looks: int
) -> None:
    came, promised = data.draw(st.integers(0, leads)), data.draw(st.floats(1e-6 * leads, leads))
    field = check_cell(leads, promised, came, looks)
    assert (field.verdict == "as_said") == (field.low <= promised / leads <= field.high)
    if field.verdict in ("more", "fewer"):
        assert check_cell(leads, promised, came, 1).verdict == field.verdict, "fewer looks never make it doubtful"


def test_right_fields_are_rarely_called_wrong_however_many_there_are() -> None:
    rng, wrong, doubted = np.random.default_rng(0), 0, 0
    for _ in range(300):
        verdicts = [check_cell(200, 40.0, int(rng.binomial(200, 0.2)), 48).verdict for _ in range(48)]
        wrong += any(verdict in ("more", "fewer") for verdict in verdicts)
        doubted += "doubt" in verdicts
    assert wrong / 300 <= 0.05
    assert doubted / 300 > 0.5, "without the allowance more than half of the tables would hold a false alarm"


@pytest.mark.parametrize(("days", "overlap"), [(7, 1.0), (30, 1.0), (61, 2.0)])
def test_an_outcome_that_several_months_share_counts_once(days: int, overlap: float) -> None:
    assert overlap_of(days) == pytest.approx(overlap, abs=0.01)
    assert [fields[3] and fields[3].verdict for fields in pooled(YEAR, quarter, 4, 90).values()] == ["as_said"] * 4
