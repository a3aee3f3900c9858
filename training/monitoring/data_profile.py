"""What a model has learnt from: moments by month, sources, features, and what is different in the newest slice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.log.watermarks import Observed
from training.measuring.metrics import lead_codes
from training.monitoring.drift import drift_of_samples, each_lead_once
from training.samples.covariate_shift import CovariateShift
from training.samples.sample import Sample


@dataclass(frozen=True)
class MonthProfile:
    """Moments of a month (2024-05) and their leads; known: leads whose outcome is known, of whom so many converted."""

    month: str
    moments: int
    leads: int
    known: int
    converted: int


@dataclass(frozen=True)
class SourceProfile:
    """From when to when (µs UTC) a source told of how many events of how many types."""

    source: str
    first: int
    last: int
    events: int
    types: int


@dataclass(frozen=True)
class FeatureProfile:
    """A feature, each lead once. missing, missing_now: share of leads without it, before and in the newest slice.

    distinct: how many values it has; most: its most frequent category, None for numbers. shift: what has moved, None
    where nothing can be compared.
    """

    name: str
    missing: float
    missing_now: float
    distinct: int
    most: str | None
    shift: CovariateShift | None


@dataclass(frozen=True)
class DataProfile:
    """Months in order; sources by name; features, those that have moved most first."""

    months: tuple[MonthProfile, ...]
    sources: tuple[SourceProfile, ...]
    features: tuple[FeatureProfile, ...]

    @property
    def moved(self) -> list[FeatureProfile]:
        """Features whose distribution has surely and visibly changed; all of them share out the error."""
        return [feature for feature in self.features if feature.shift is not None and feature.shift.shifted]


def data_profile(sample: Sample, learn: Sample, newest: Sample, observed: Sequence[Observed] = ()) -> DataProfile:
    """sample: all moments; learn, newest: those learnt from and judged on, which are compared. observed: of the log."""
    before, now = each_lead_once(learn), each_lead_once(newest)
    shifts = {shift.name: shift for shift in drift_of_samples(before, now, None).shifts}
    features = [_feature(before.column(name), now.column(name), name, shifts.get(name)) for name in before.columns]
    features.sort(key=lambda feature: -(feature.shift.psi if feature.shift else 0.0))
    return DataProfile(tuple(_months(sample)), tuple(_sources(observed)), tuple(features))


def _months(sample: Sample) -> Iterator[MonthProfile]:
    """A lead counts once a month; it has converted where one of its moments has."""
    at = sample.as_of.astype("datetime64[us]").astype("datetime64[M]").astype(np.str_)
    lead = lead_codes(sample.lead)
    converted = sample.mature & (sample.y == 1)
    for month in np.unique(at):
        rows = at == month
        counts = (len(np.unique(lead[rows & part])) for part in (True, sample.mature, converted))
        yield MonthProfile(str(month), int(rows.sum()), *counts)


def _sources(observed: Sequence[Observed]) -> list[SourceProfile]:
    by_source = dict[str, list[Observed]]()
    for row in observed:
        by_source.setdefault(row.source, []).append(row)
    return [
        SourceProfile(
            source,
            min(row.first for row in rows),
            max(row.last for row in rows),
            sum(row.events for row in rows),
            len(rows),
        )
        for source, rows in sorted(by_source.items())
    ]


def _feature(before: pa.ChunkedArray, now: pa.ChunkedArray, name: str, shift: CovariateShift | None) -> FeatureProfile:
    is_number = pa.types.is_floating(before.type)
    values = before if is_number else before.cast(pa.string())
    distinct, most = pc.count_distinct(values, mode="only_valid").as_py(), None if is_number else _most(values)
    return FeatureProfile(name, _missing(before), _missing(now), distinct, most, shift)


def _most(values: pa.ChunkedArray) -> str | None:
    """The most frequent text, None for none."""
    encoded = values.dictionary_encode().combine_chunks()
    for common in pc.mode(encoded.indices):
        return str(encoded.dictionary[common["mode"].as_py()])
    return None


def _missing(column: pa.ChunkedArray) -> float:
    """Share of the rows without a value."""
    return float(
        pc.mean(pc.is_null(column, nan_is_null=pa.types.is_floating(column.type)).cast(pa.float64())).as_py() or 0.0
    )
