"""From exports to features and labels: corrections, retractions, moves, merges, states, in random batches.

Beside plain loops, with aliases that end and follow each other, deals that are cancelled and opened again, and full
exports in which leads are missing. The log is written from CSV files and read again, in deltas or woven; the loops are
written from the documentation. Features and labels are compared at every moment at which anything changes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from data.histories import FAR, Histories
from data.log.eventlog import EventLog
from data.vocabulary import Vocabulary
from features.compiler import compile_plan
from features.kernel import Moments, compute
from features.kinds import ActiveDays, Count, LastTouch, Profile, Recency, Sum
from features.moments import MomentPolicy, label_moments
from features.population import population_of
from tests.features.random_exports import (
    BATCHES,
    DAY,
    LATER,
    LATER_FROM,
    START,
    TARGET,
    TYPES,
    Batch,
    naive_leads,
    take_in,
)
from tests.oracles.features_naive import Lead, View
from tests.oracles.moments_naive import is_open, looked_at, nothing_left

POLICIES = (MomentPolicy("ages", ages_days=(1, 3, 8, 20, 40, 70)), MomentPolicy("events"), MomentPolicy(every_days=7))
CATALOGUE = (
    Count("any", None), Count("page_view", 7), Sum("any", None), Recency("any"), ActiveDays("any", None),
    LastTouch("event_type", "any"), Profile("stage"),
)  # fmt: skip
VOCABULARY = Vocabulary(TYPES, {})
END = START + 95 * DAY


def rows_of(histories: Histories, place: int) -> list[tuple[object, ...]]:
    """Known, occurred, type, value, end and deal of a lead's events, but for those that never held."""
    ends = histories.superseded_at
    rows = range(histories.starts[place], histories.starts[place + 1])
    rows = [row for row in rows if ends is None or histories.known_at[row] < ends[row]]  # type: ignore[assignment]
    return [
        (
            int(histories.known_at[row]), int(histories.occurred_at[row]), histories.types[histories.event_type[row]],
            None if np.isnan(histories.value[row]) else float(histories.value[row]),
            FAR if ends is None else int(ends[row]), 0 if histories.deal is None else int(histories.deal[row]),
        )
        for row in rows
    ]  # fmt: skip


def is_same(value: object, expected: object) -> bool:
    """Numbers to a millionth, NaN equal to NaN, all else exactly."""
    return bool(value == (pytest.approx(expected, rel=1e-6, nan_ok=True) if isinstance(expected, float) else expected))


def moments_of(lead: Lead) -> list[int]:
    """Every time at which anything about a lead changes, the instant after it, and some days besides."""
    changes = {event.known_at for event in lead.events} | {event.superseded_at for event in lead.events}
    changes |= {version.valid_from for version in lead.versions} | {at for span in lead.absences for at in span}
    days = {START + number * DAY for number in (5, 15, 33, 52, 66, 90)}
    return sorted(days | {at + after for at in changes if at < FAR for after in (0, 1)})


def features_at(histories: Histories, as_of: list[int]) -> pa.Table:
    """Of the one lead that there is."""
    moments = Moments(np.zeros(len(as_of), np.int32), np.array(as_of, np.int64))
    return compute(compile_plan(CATALOGUE, VOCABULARY), histories, moments)


def check_lead(histories: Histories, place: int, lead: Lead) -> None:
    """Rows, labels, population and features of one lead."""
    assert sorted(rows_of(histories, place), key=repr) == sorted(
        ((e.known_at, e.occurred_at, e.event_type, e.value, e.superseded_at, e.deal) for e in lead.events), key=repr
    )
    alone, as_of = histories.of(np.array([place])), moments_of(lead)
    for policy in POLICIES:
        made = label_moments(alone, TARGET, policy, END)
        looked = looked_at(lead, TARGET, policy, END)
        looked = [row for row in looked if not nothing_left(lead, TARGET, row.as_of, END)]
        labels = [None if label < 0 else int(label) for label in made.labels.label]
        expected = [(row.as_of, row.label) for row in looked]
        assert list(zip(made.moments.as_of.tolist(), labels, strict=True)) == expected, policy.policy
    population = population_of(alone, TARGET)
    for at, row in zip(as_of, features_at(alone, as_of).to_pylist(), strict=True):
        assert bool(len(population.at(at))) == is_open(lead, TARGET, at)
        valid = [event for event in lead.events if event.known_at < at and not event.superseded_at < at]
        view = View(Lead(lead.lead_id, valid, lead.versions), at, VOCABULARY)
        for feature in CATALOGUE:
            assert is_same(row[feature.name], feature.by_definition(view)), feature.name


def leads_of(log: EventLog) -> Iterator[tuple[str, Histories, int]]:
    """Each lead of a log: its id, the histories among which it is, and its place there."""
    for bucket in range(log.n_buckets):
        histories = log.bucket(bucket)
        for place, lead_id in enumerate(histories.lead_ids.to_pylist()):
            yield lead_id, histories, place


def many(full: bool, cheap: int) -> settings:
    """How many histories: 500 in full."""
    return settings(
        max_examples=500 if full else cheap,
        derandomize=not full,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.proof("histories")
def test_what_exports_say_at_any_time_is_what_plain_loops_make_of_them(
    full: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    seen = {"superseded": 0, "leads": 0, "parts": 0, "away": 0}

    @many(full, 12)
    @given(BATCHES)
    def check(batches: list[Batch]) -> None:
        folder = tmp_path_factory.mktemp("histories")
        naive = naive_leads(batches)
        leads = dict(naive)
        for number, batch in enumerate(batches):
            take_in(folder, number, batch)
        log = EventLog.open(folder / "log")
        seen["parts"] = max(seen["parts"], len(log.folders))
        for lead_id, histories, place in leads_of(log):
            check_lead(histories, place, leads.pop(lead_id, Lead(lead_id, [], [])))
            seen["leads"] += 1
            seen["away"] += len(naive.get(lead_id, Lead(lead_id, [], [])).absences)
            seen["superseded"] += sum(row[-2] != FAR for row in rows_of(histories, place))
        assert not leads

    check()
    assert seen["superseded"] >= 5, seen
    assert seen["leads"] >= 5, seen
    assert seen["away"] >= 5, seen


def known_by(log: EventLog, at: int) -> dict[str, str]:
    """What is known of each lead up to a time: features, whether it is open, and labels as they were certain then."""
    told = {}
    for lead_id, histories, place in leads_of(log):
        alone, as_of = histories.of(np.array([place])), [*range(START, at + 1, 2 * DAY), at]
        made = label_moments(alone, TARGET, MomentPolicy("events"), at, at)
        labels = list(zip(made.moments.as_of.tolist(), made.labels.label.tolist(), strict=True))
        population = population_of(alone, TARGET)
        is_in = [len(population.at(moment)) for moment in as_of]
        told[lead_id] = repr((features_at(alone, as_of).to_pylist(), is_in, labels))
    return told


@pytest.mark.proof("histories")
def test_what_becomes_known_later_changes_nothing_before_it(
    full: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Features, population and labels as they were certain, before the moment from which on the last export is known.

    Not at that moment itself: a lead's first profile version holds from its own moment on.
    """
    until, seen = START + LATER_FROM * DAY - 1, {"leads": 0, "changed": 0}

    @many(full, 12)
    @given(BATCHES, LATER)
    def check(batches: list[Batch], later: Batch) -> None:
        folder = tmp_path_factory.mktemp("later")
        for number, batch in enumerate(batches):
            take_in(folder, number, batch)
        before = EventLog.open(folder / "log")
        known, after = known_by(before, until), known_by(before, END)
        take_in(folder, len(batches), later)
        log = EventLog.open(folder / "log")
        now = known_by(log, until)
        assert known == {lead_id: now[lead_id] for lead_id in known}
        seen["leads"] += len(known)
        seen["changed"] += sum(after.get(lead_id) != told for lead_id, told in known_by(log, END).items())

    check()
    assert seen["leads"] >= 20, seen
    assert seen["changed"] >= 5, seen
