"""Leads leave and come back: undone, reopened, known to be wrong, away; moments and labels are the documentation's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from data.histories import FAR
from features.labels import Target
from features.moments import MomentPolicy, label_moments, open_moments
from features.outcomes import occurrences_of, out_at
from features.turns import turns_of
from tests.features.leads import DAY, EVENTS, START, VERSIONS, histories_of, in_order, times
from tests.features.test_moments import DAILY, POLICIES, UNTIL, happens, labelled, labels, lead
from tests.oracles.features_naive import Lead
from tests.oracles.moments_naive import is_open, is_out, looked_at, nothing_left, standing

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
TURNING = st.builds(lambda event, kind: replace(event, event_type=kind), EVENTS, KINDS)
"""Events that decide about outcomes, more often than by chance."""
CORRECTED = st.builds(
    lambda event, after: event if after is None else replace(event, superseded_at=event.known_at + after),
    st.one_of(EVENTS, TURNING),
    CORRECTIONS,
)
AWAY = st.lists(st.builds(lambda at, days: (at, at + days * DAY), times(), st.integers(0, 20)), max_size=2).map(sorted)
FOR_EVER = st.one_of(st.just([]), st.just([]), AWAY, times().map(lambda at: [(at, FAR)]))
LEADS = st.lists(
    st.tuples(st.one_of(st.lists(TURNING, max_size=12), st.lists(CORRECTED, max_size=25)), VERSIONS, FOR_EVER),
    min_size=1,
    max_size=4,
).map(lambda drawn: [Lead(f"L{i}", in_order(events), *rest) for i, (events, *rest) in enumerate(drawn)])
WON = Target("won", ("won",), ("lost",), horizon_days=10, undone_by=("cancelled",), reopened_by=("reopened",))


def test_moments_and_labels_are_those_of_the_documentation() -> None:
    seen = {None: 0, 0: 0, 1: 0}

    @given(LEADS, TARGETS, POLICIES, UNTIL)
    @settings(max_examples=600, phases=PHASES, derandomize=True)
    def check(leads: list[Lead], target: Target, policy: MomentPolicy, until: int) -> None:
        expected = [
            [m for m in looked_at(each, target, policy, until) if not nothing_left(each, target, m.as_of, until)]
            for each in leads
        ]
        assert labelled(leads, target, policy, until) == expected
        for moment in (m for moments in expected for m in moments):
            seen[moment.label] += 1

    check()
    assert min(seen.values()) > 50, f"too few moments of a kind were tried: {seen}"


@given(LEADS, TARGETS, times(60))
@settings(max_examples=300, phases=PHASES)
def test_who_is_scored_is_the_documentations(leads: list[Lead], target: Target, as_of: int) -> None:
    histories = histories_of(leads)
    assert open_moments(histories, target, as_of).lead.tolist() == [
        i for i, each in enumerate(leads) if is_open(each, target, as_of)
    ]
    out = out_at(turns_of(histories, target), target, as_of)
    assert out.tolist() == [is_out(each, target, as_of) for each in leads]


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
    found = [happened.times[a:b].tolist() for a, b in zip(happened.starts, happened.starts[1:], strict=False)]
    expected = [sorted(event.occurred_at for event in standing(each, target, until)) for each in leads]
    assert found == expected


def as_known(leads: Sequence[Lead], at: int) -> list[Lead]:
    """What there is to know before an instant: neither later events nor later corrections nor later absences."""
    return [
        replace(
            each,
            events=[
                replace(event, superseded_at=event.superseded_at if event.superseded_at < at else FAR)
                for event in each.events
                if event.known_at < at
            ],
            versions=[version for version in each.versions if version.valid_from < at],
            absences=[(begin, end if end < at else FAR) for begin, end in each.absences if begin < at],
        )
        for each in leads
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
    @settings(max_examples=40, phases=PHASES, derandomize=True)
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


def test_a_lost_lead_that_is_reopened_is_learnt_from_again() -> None:
    life = lead(happens("visit", 0), happens("lost", 5), happens("reopened", 20), happens("won", 28))
    assert labels(life, WON, 60) == {
        **dict.fromkeys(range(1, 6), 0),
        **{day: int(day > 18) for day in range(21, 29)},
    }
    assert set(labels(life, replace(WON, reopened_by=()), 60)) == set(range(1, 6))


def test_a_cancelled_deal_is_no_conversion_once_that_is_known() -> None:
    life = lead(happens("visit", 0), happens("won", 5), happens("cancelled", 20, known=22))
    assert labels(life, WON, 22) == dict.fromkeys(range(1, 6), 1), "nobody knows yet"
    assert labels(life, WON, 25) == dict.fromkeys(range(1, 6), 0) | dict.fromkeys((23, 24, 25))
    assert labels(life, replace(WON, undone_by=()), 25) == dict.fromkeys(range(1, 6), 1)


def test_settling_waits_for_cancellations() -> None:
    """Won on day 5, cancelled on day 20: whoever waits long enough never takes it for certain."""
    life, waits = lead(happens("visit", 0), happens("won", 5), happens("cancelled", 20)), replace(WON, settle_days=30)
    for until in range(12, 60):
        rows = label_moments(histories_of([life]), waits, DAILY, START + until * DAY)
        assert not (rows.labels.mature & (rows.labels.label == 1)).any()


def test_a_cancellation_undoes_the_newest_deal_alone() -> None:
    again = replace(WON, repeats=True)
    life = lead(*(happens("won", day) for day in (3, 8, 30)), happens("cancelled", 20))
    happened = occurrences_of(histories_of([life]), again, START + 60 * DAY)
    assert ((happened.times - START) // DAY).tolist() == [3, 30]


def test_a_cancellation_of_nothing_does_nothing() -> None:
    life = lead(happens("visit", 0), happens("cancelled", 2), happens("won", 5))
    assert max(labels(life, WON, 60)) == 5


def test_what_became_known_together_is_in_the_order_in_which_it_occurred() -> None:
    """A nightly import brings a loss of ten o'clock and the re-opening of noon."""
    lost, reopened = happens("lost", 5.4, known=6), happens("reopened", 5.5, known=6)
    assert max(labels(lead(happens("visit", 0), lost, reopened), WON, 60)) == 60
    later = replace(lost, occurred_at=reopened.occurred_at + 1)
    assert max(labels(lead(happens("visit", 0), later, reopened), WON, 60)) == 6
    together = replace(lost, occurred_at=reopened.occurred_at)
    for name in ("again", "reopened"):  # before and behind `lost` in the order of the log
        at_once = lead(happens("visit", 0), together, replace(reopened, event_type=name))
        assert max(labels(at_once, replace(WON, reopened_by=(name,)), 60)) == 6


def test_a_loss_that_was_a_mistake_lets_the_lead_in_again() -> None:
    wrong = replace(happens("lost", 5), superseded_at=START + 9 * DAY)
    assert set(labels(lead(happens("visit", 0), wrong), WON, 20)) == {*range(1, 6), *range(10, 21)}


def test_a_lead_of_which_all_is_known_to_be_wrong_is_nobody() -> None:
    wrong = replace(happens("visit", 0), superseded_at=START + 3 * DAY)
    assert set(labels(lead(wrong), WON, 20)) == {1, 2, 3}


def test_a_lead_that_is_away_has_no_moments() -> None:
    away = replace(lead(happens("visit", 0)), absences=[(START + 3 * DAY, START + 6 * DAY), (START + 9 * DAY, FAR)])
    assert set(labels(away, WON, 20)) == {1, 2, 3, 7, 8, 9}


def test_the_age_goes_on_while_a_lead_is_out() -> None:
    life = lead(happens("visit", 0), happens("lost", 5), happens("reopened", 20))
    ages = MomentPolicy("ages", ages_days=(2, 10, 25), max_age_days=30)
    assert set(labels(life, WON, 60, ages)) == {2, 25}
    assert max(labels(life, WON, 60, replace(DAILY, max_age_days=22))) == 22


def test_a_new_chance_is_not_held_against_an_old_win() -> None:
    """Won, then re-opened: that win lies behind the lead, and the next one is what is predicted."""
    life = lead(happens("visit", 0), happens("won", 5), happens("reopened", 20), happens("won", 28, known=31))
    assert labels(life, WON, 60) == {
        **dict.fromkeys(range(1, 6), 1),
        **{day: int(day > 18) for day in range(21, 29)},
    }


@pytest.mark.parametrize("key", ["undone_by", "reopened_by"])
def test_a_rule_that_is_forgotten_is_noticed(key: str) -> None:
    """Planted faults: targets without one of their keys give other moments or labels."""
    different = 0

    @given(LEADS, TARGETS)
    @settings(max_examples=150, phases=[Phase.generate], derandomize=True)
    def check(leads: list[Lead], target: Target) -> None:
        nonlocal different
        until = START + 50 * DAY
        without = replace(target, undone_by=()) if key == "undone_by" else replace(target, reopened_by=())
        different += labelled(leads, target, DAILY, until) != labelled(leads, without, DAILY, until)

    check()
    assert different > 10


@pytest.mark.parametrize("fault", ["nothing is ever wrong", "wrong at once", "nobody is away"])
def test_a_planted_fault_in_what_is_valid_is_noticed(fault: str) -> None:
    different = 0

    def faulty(each: Lead) -> Lead:
        if fault == "nobody is away":
            return replace(each, absences=[])
        if fault == "nothing is ever wrong":
            return replace(each, events=[replace(event, superseded_at=FAR) for event in each.events])
        return replace(each, events=[event for event in each.events if event.superseded_at == FAR])

    @given(LEADS, TARGETS)
    @settings(max_examples=150, phases=[Phase.generate], derandomize=True)
    def check(leads: list[Lead], target: Target) -> None:
        nonlocal different
        until = START + 50 * DAY
        expected = [
            [m for m in looked_at(each, target, DAILY, until) if not nothing_left(each, target, m.as_of, until)]
            for each in leads
        ]
        different += labelled([faulty(each) for each in leads], target, DAILY, until) != expected

    check()
    assert different > 10
