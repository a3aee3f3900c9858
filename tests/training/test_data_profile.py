"""The data in numbers: months as a naive count has them, sources with their spans, and what was changed is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from data.log.watermarks import Observed
from tests.training.test_train import PLAN, funnel
from training.monitoring.data_profile import SourceProfile, data_profile
from training.recipe.train import Split, split_by_time
from training.samples.sample import Sample


@pytest.fixture(scope="module")
def sample() -> Sample:
    return funnel(800)


@pytest.fixture(scope="module")
def split(sample: Sample) -> Split:
    return split_by_time(sample, PLAN)


def test_months_are_counted_as_by_hand(sample: Sample, split: Split) -> None:
    months = data_profile(sample, split.learn, split.judged).months
    assert sum(month.moments for month in months) == len(sample)
    days = [str(np.datetime64(int(at), "us"))[:7] for at in sample.as_of]
    assert [month.month for month in months] == sorted(set(days))
    for month in months:
        rows = [row for row, day in enumerate(days) if day == month.month]
        known = {sample.lead[row] for row in rows if sample.mature[row]}
        converted = {sample.lead[row] for row in rows if sample.mature[row] and sample.y[row] == 1}
        assert (month.leads, month.known, month.converted) == (
            len({sample.lead[row] for row in rows}),
            len(known),
            len(converted),
        )
    assert months[-1].known < months[-1].leads, "some outcomes are open"


def test_sources_are_told_with_their_spans(sample: Sample, split: Split) -> None:
    observed = [
        Observed("web", "visit", 5, 90, 10),
        Observed("crm", "deal_won", 7, 8, 2),
        Observed("web", "form", 1, 9, 3),
    ]
    sources = data_profile(sample, split.learn, split.judged, observed).sources
    assert sources == (SourceProfile("crm", 7, 8, 2, 1), SourceProfile("web", 1, 90, 13, 2))


def test_leads_that_differ_by_luck_alone_have_not_moved(sample: Sample) -> None:
    first = np.isin(sample.lead, np.unique(sample.lead)[::2])
    assert data_profile(sample, sample.of(first), sample.of(~first)).moved == []


def test_what_was_changed_in_the_newest_slice_is_found_and_nothing_else(sample: Sample) -> None:
    """Planted: one number is missing for half of the leads, and a category is new."""
    first = np.isin(sample.lead, np.unique(sample.lead)[::2])
    before, now = (_with_channel(side) for side in (sample.of(first), sample.of(~first)))
    table = now.features
    values = table.column("recency_any").to_numpy().copy()
    values[::2] = np.nan
    table = table.set_column(2, "recency_any", pa.array(values, pa.float32()))
    channels = pa.array(np.where(np.arange(len(now)) % 3, "web", "fair")).dictionary_encode()
    now = now.with_features(table.set_column(4, "channel", channels))
    profile = data_profile(sample, before, now)
    by_name = {feature.name: feature for feature in profile.features}
    assert {feature.name for feature in profile.moved} == {"recency_any", "channel"}
    assert by_name["recency_any"].missing == 0
    assert by_name["recency_any"].missing_now == pytest.approx(0.5, abs=0.1)
    assert (by_name["channel"].most, by_name["channel"].distinct) == ("web", 1)
    assert by_name["age"].most is None


def _with_channel(sample: Sample) -> Sample:
    channel = pa.array(["web"] * len(sample)).dictionary_encode()
    return replace(sample.with_features(sample.features.append_column("channel", channel)))
