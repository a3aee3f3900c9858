"""The alarm on score inflation: silent as often as it says while conversions keep pace, loud when they do not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit
from scipy.stats import binom

from training.backtesting.inflation import ERROR, inflation
from training.samples.log_odds import Array
from training.samples.sample import Sample

LEADS, PERIODS = 400, 5


def world(seed: int, rise: float, inflated: float) -> list[tuple[Sample, Array]]:
    """Leads with up to three moments that share their luck; log-odds rise over time, scores by `inflated` more."""
    rng, periods = np.random.default_rng(seed), []
    for period in range(PERIODS):
        z, luck = rng.normal(-1.5, 1.2, LEADS) + rise * period, rng.random(LEADS)
        lead = np.repeat(np.arange(LEADS), rng.integers(1, 4, LEADS))
        true = expit(z)[lead]
        y = (luck[lead] < true).astype(np.float64)
        rows = len(lead)
        ids = np.char.add(f"{period}-", lead.astype(str))
        sample = Sample.of_labels(pa.table({"z": z[lead]}), y, np.ones(rows), ids, np.full(rows, period))
        periods.append((sample, expit(z[lead] + inflated * period)))
    return periods


@pytest.mark.proof("inflation")
@pytest.mark.parametrize("rise", [0.0, 0.15])
def test_false_alarms_are_as_rare_as_stated(full: bool, rise: float) -> None:
    """The number of false alarms is one that the stated rate would show."""
    runs = 5_000 if full else 150
    alarms = sum(inflation(world(seed, rise, 0.0)).alarm for seed in range(runs))
    assert alarms <= binom.ppf(0.999, runs, ERROR)


def test_a_constant_distance_is_no_inflation() -> None:
    shifted = [(sample, np.clip(p * 1.3, 0, 0.99)) for sample, p in world(1, 0.0, 0.0)]
    assert not inflation(shifted).alarm


def test_rising_scores_without_conversions_raise_the_alarm() -> None:
    caught = [inflation(world(seed, 0.0, 0.25)) for seed in range(20)]
    assert sum(result.alarm for result in caught) >= 18
    every = caught[0].trends[0]
    assert every.band == "all"
    assert every.promised > 5
    assert every.z < caught[0].limit < -2


def test_falling_scores_are_no_inflation() -> None:
    """Conversions fall, scores fall with them but more slowly: promises do not rise."""
    caught = [inflation(world(seed, -0.4, 0.2)) for seed in range(5)]
    assert all(result.trends[0].promised < 0 and not result.trends[0].alarm for result in caught)


def test_bands_with_few_conversions_are_not_tested() -> None:
    few = [(sample.of(np.arange(len(sample)) < 40), p[:40]) for sample, p in world(0, 0.0, 0.0)]
    assert inflation(few).trends == ()
    assert not inflation(few).alarm
