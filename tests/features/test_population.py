"""Leads leave and come back: undone, reopened, known to be wrong, away; moments and labels are the documentation's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from data.histories import FAR, Absences
from features.labels import Target
from features.moments import MomentPolicy, label_moments, open_moments
from features.outcome_events import outcome_events_of
from features.outcomes import occurrences_of, out_at
from tests.features.leads import DAY, EVENTS, START, VERSIONS, histories_of, in_order, times
from tests.features.leads import LEADS as ONCE
from tests.features.test_moments import DAILY, POLICIES, UNTIL, labelled
from tests.features.test_moments import TARGETS as ONCE_TARGETS
from tests.oracles.features_naive import Lead
from tests.oracles.moments_naive import ends_of, is_open, is_out, looked_at, nothing_left, standing

PHASES = [Phase.explicit, Phase.generate, Phase.shrink]
TARGETS = st.builds(
    Target,
    st.just("drawn"),
    st.sampled_from([("order",), ("order",), ("order", "page_view")]),
    st.sampled_from([(), ("carrier_pigeon",), ("carrier_pigeon", "email_open"), ("smoke_signal",)]),
    st.sampled_from([(), (), (), ("page_view",), ("order", "smoke_signal")]),
    st.sampled_from([False, False, False, True]),
    st.sampled_from([1, 7, 7, 30, 3_650]),
    st.sampled_from([0, 0, 2]),
    st.sampled_from([0, 0, 3]),
    st.sampled_from([(), ("email_open",), ("email_open", "email_sent")]),
    st.sampled_from([(), ("smoke_signal",), ("smoke_signal", "email_sent"), ("carrier_pigeon",)]),
)
CORRECTIONS = st.sampled_from([None, None, None, 0, 1, DAY, 5 * DAY])
"""How long after it became known an event is known to be wrong."""
KINDS = st.sampled_from(["order", "order", "email_open", "email_open", "smoke_signal", "carrier_pigeon", "page_view"])
DEALS = st.sampled_from([0, 0, 1, 2])
TURNING = st.builds(lambda event, kind, deal: replace(event, event_type=kind, deal=deal), EVENTS, KINDS, DEALS)
"""Events that decide about outcomes, more often than by chance."""
CORRECTED = st.builds(
    lambda event, after: event if after is None else replace(event, superseded_at=event.known_at + after),
    st.one_of(EVENTS, TURNING),
    CORRECTIONS,
)
AWAY = st.lists(st.builds(lambda at, days: (at, at + days * DAY), times(), st.integers(0, 20)), max_size=2).map(sorted)
FOR_EVER = st.one_of(st.just([]), st.just([]), AWAY, times().map(lambda at: [(at, FAR)]))
MERGED = st.one_of(*[st.just(list[tuple[int, int]]())] * 3, FOR_EVER)
LEADS = st.lists(
    st.tuples(st.one_of(st.lists(TURNING, max_size=12), st.lists(CORRECTED, max_size=25)), VERSIONS, FOR_EVER, MERGED),
    min_size=1,
    max_size=4,
).map(
    lambda drawn: [
        Lead(f"L{i}", in_order(events), versions, [*deleted, *merged], merged)
        for i, (events, versions, deleted, merged) in enumerate(drawn)
    ]
)


def test_moments_and_labels_are_those_of_the_documentation() -> None:
    seen = {None: 0, 0: 0, 1: 0}

    @given(LEADS, TARGETS, POLICIES, UNTIL, st.sampled_from([0, 0, 1, 3 * DAY]))
    @settings(max_examples=600, phases=PHASES, derandomize=True)
    def check(leads: list[Lead], target: Target, policy: MomentPolicy, until: int, later: int) -> None:
        ends = until, until + later
        expected = [
            [m for m in looked_at(lead, target, policy, *ends) if not nothing_left(lead, target, m.as_of, *ends)]
            for lead in leads
        ]
        assert labelled(leads, target, policy, *ends) == expected
        for moment in (m for moments in expected for m in moments):
            seen[moment.label] += 1

    check()
    assert min(seen.values()) > 50, f"too few moments of a kind were tried: {seen}"


@given(LEADS, TARGETS, times(60))
@settings(max_examples=300, phases=PHASES)
def test_who_is_scored_is_the_documentations(leads: list[Lead], target: Target, as_of: int) -> None:
    histories = histories_of(leads)
    assert open_moments(histories, target, as_of).lead.tolist() == [
        i for i, lead in enumerate(leads) if is_open(lead, target, as_of)
    ]
    out = out_at(outcome_events_of(histories, target), target, as_of)
    assert out.tolist() == [is_out(lead, target, as_of) for lead in leads]


@given(LEADS, TARGETS, times(60))
@settings(max_examples=100, phases=PHASES)
def test_one_lead_alone_is_in_or_out_as_among_all(leads: list[Lead], target: Target, as_of: int) -> None:
    histories = histories_of(leads)
    alone = [len(open_moments(histories.of(np.array([i])), target, as_of)) for i in range(len(leads))]
    assert open_moments(histories, target, as_of).lead.tolist() == [i for i, is_in in enumerate(alone) if is_in]


@given(LEADS, TARGETS, times(60))
@settings(max_examples=300, phases=PHASES)
def test_the_outcomes_that_stand_are_the_documentations(leads: list[Lead], target: Target, until: int) -> None:
    happened = occurrences_of(histories_of(leads), target, until)
    outcomes = [happened.times[a:b].tolist() for a, b in zip(happened.starts, happened.starts[1:], strict=False)]
    stand = [standing(lead, target, ends_of(lead, until, None)[1]) for lead in leads]
    expected = [sorted(event.occurred_at for event in events) for events in stand]
    assert outcomes == expected


def as_known(leads: Sequence[Lead], at: int) -> list[Lead]:
    """What there is to know before an instant: neither later events nor later corrections nor later absences."""
    return [
        replace(
            lead,
            events=[
                replace(event, superseded_at=event.superseded_at if event.superseded_at < at else FAR)
                for event in lead.events
                if event.known_at < at
            ],
            versions=[version for version in lead.versions if version.valid_from < at],
            absences=[(begin, end if end < at else FAR) for begin, end in lead.absences if begin < at],
            merged=[(begin, end if end < at else FAR) for begin, end in lead.merged if begin < at],
        )
        for lead in leads
    ]


@given(LEADS, TARGETS, POLICIES, times(60))
@settings(max_examples=300, phases=PHASES)
def test_labels_and_population_do_not_depend_on_what_is_known_later(
    leads: list[Lead], target: Target, policy: MomentPolicy, at: int
) -> None:
    blind = as_known(leads, at)
    assert labelled(leads, target, policy, at) == labelled(blind, target, policy, at)
    scored, without = (open_moments(histories_of(these), target, at).lead.tolist() for these in (leads, blind))
    assert scored == without


def test_who_is_scored_is_who_is_learned_from() -> None:
    scored = 0

    @given(LEADS, TARGETS)
    @settings(max_examples=60, phases=PHASES, derandomize=True)
    def check(leads: list[Lead], target: Target) -> None:
        nonlocal scored
        until = START + 70 * DAY
        made = label_moments(histories_of(leads), target, DAILY, until)
        for as_of in np.arange(START, until, DAY).tolist():
            open_ = open_moments(histories_of(leads), target, as_of).lead.tolist()
            learned = made.moments.lead[made.moments.as_of == as_of].tolist()
            assert learned == [i for i in open_ if not nothing_left(leads[i], target, as_of, until)]
            scored += len(open_)

    check()
    assert scored > 1_000


@given(LEADS, TARGETS)
@settings(max_examples=100, phases=PHASES)
def test_thinning_spreads_over_all_times_in_which_a_lead_is_there(leads: list[Lead], target: Target) -> None:
    until, thin = START + 70 * DAY, replace(DAILY, max_per_lead=5)
    repeating = replace(target, repeats=True)  # every moment is predictable
    whole, few = (label_moments(histories_of(leads), repeating, policy, until) for policy in (DAILY, thin))
    for i in range(len(leads)):
        all_, chosen = (made.moments.as_of[made.moments.lead == i] for made in (whole, few))
        assert len(chosen) == min(len(all_), 5)
        places = np.searchsorted(all_, chosen)
        assert (all_[places] == chosen).all()
        assert len(chosen) < 2 or np.ptp(np.diff(places)) <= 1
        assert few.weight[few.moments.lead == i].sum() == pytest.approx(len(all_), rel=1e-6)


@given(ONCE, ONCE_TARGETS, POLICIES, UNTIL)
@settings(max_examples=200, phases=PHASES)
def test_where_nothing_is_undone_the_general_way_is_the_plain_one(
    leads: list[Lead], target: Target, policy: MomentPolicy, until: int
) -> None:
    """Events that are never known to be wrong, and absences of nobody, take the way of those that are."""
    plain = histories_of(leads)
    nobody = Absences(np.zeros(len(leads) + 1, np.int64), np.empty(0, np.int64), np.empty(0, np.int64))
    never = np.full(plain.n_events, FAR)
    expected = label_moments(plain, target, policy, until)
    for general in (replace(plain, superseded_at=never), replace(plain, superseded_at=never, absences=nobody)):
        made = label_moments(general, target, policy, until)
        np.testing.assert_array_equal(made.moments.lead, expected.moments.lead)
        np.testing.assert_array_equal(made.moments.as_of, expected.moments.as_of)
        np.testing.assert_array_equal(made.weight, expected.weight)
        for name in vars(expected.labels):
            np.testing.assert_array_equal(getattr(made.labels, name), getattr(expected.labels, name))


@pytest.mark.parametrize("key", ["undone_by", "reopened_by"])
def test_a_rule_that_is_forgotten_is_noticed(key: str) -> None:
    """Planted faults: targets without one of their keys give other moments or labels."""
    different = 0

    @given(LEADS, TARGETS)
    @settings(max_examples=400, phases=[Phase.generate], derandomize=True)
    def check(leads: list[Lead], target: Target) -> None:
        nonlocal different
        until = START + 50 * DAY
        without = replace(target, undone_by=()) if key == "undone_by" else replace(target, reopened_by=())
        different += labelled(leads, target, DAILY, until) != labelled(leads, without, DAILY, until)

    check()
    assert different > 10


@pytest.mark.parametrize("fault", ["nothing is ever wrong", "wrong at once", "nobody is away", "deals are one"])
def test_a_planted_fault_in_what_is_valid_is_noticed(fault: str) -> None:
    different = 0

    def faulty(lead: Lead) -> Lead:
        if fault == "deals are one":
            return replace(lead, events=[replace(event, deal=0) for event in lead.events])
        if fault == "nobody is away":
            return replace(lead, absences=[], merged=[])
        if fault == "nothing is ever wrong":
            return replace(lead, events=[replace(event, superseded_at=FAR) for event in lead.events])
        return replace(lead, events=[event for event in lead.events if event.superseded_at == FAR])

    @given(LEADS, TARGETS)
    @settings(max_examples=400, phases=[Phase.generate], derandomize=True)
    def check(leads: list[Lead], target: Target) -> None:
        nonlocal different
        until = START + 50 * DAY
        expected = [
            [m for m in looked_at(lead, target, DAILY, until) if not nothing_left(lead, target, m.as_of, until)]
            for lead in leads
        ]
        different += labelled([faulty(lead) for lead in leads], target, DAILY, until) != expected

    check()
    assert different > 10
