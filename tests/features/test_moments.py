"""Moments are those of the population, labels say what became of them, and what is unknown is never a negative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from features.labels import Target
from features.moments import LabelledMoments, MomentPolicy, label_moments, open_moments
from settings import Settings
from tests.features.leads import DAY, LEADS, START, histories_of, in_order, times
from tests.oracles.features_naive import Event, Lead, Version
from tests.oracles.moments_naive import Looked, is_open, joined_at, looked_at, nothing_left

PHASES = [Phase.explicit, Phase.generate, Phase.shrink]
TARGETS = st.builds(
    Target,
    st.just("drawn"),
    st.sampled_from([("order",), ("order",), ("order", "email_open"), ("never_seen",)]),
    st.sampled_from([(), ("carrier_pigeon",)]),
    st.sampled_from([(), ("page_view",), ("order", "smoke_signal")]),
    st.booleans(),
    st.sampled_from([1, 7, 7, 30, 3_650]),
    st.sampled_from([0, 0, 2]),
    st.sampled_from([0, 0, 3]),
)
POLICIES = st.builds(
    MomentPolicy,
    st.sampled_from(["grid", "ages", "events"]),
    st.sampled_from([1, 3, 7]),
    st.sampled_from([(1, 3, 7, 14), (30, 1), ()]),
    st.sampled_from([1, 20, 365]),
    st.just(10_000),
)
UNTIL = st.one_of(times(80), st.integers(30, 60).map(lambda day: START + day * DAY))
WON = Target("won", ("won",), closed_by=("lost",), horizon_days=10)
DAILY = MomentPolicy(every_days=1, max_per_lead=1_000)


def labelled(
    leads: Sequence[Lead], target: Target, policy: MomentPolicy, until: int, known_until: int | None = None
) -> list[list[Looked]]:
    """What the code says, lead by lead."""
    looked: list[list[Looked]] = [[] for _ in leads]
    made = label_moments(histories_of(leads), target, policy, until, known_until)
    for lead, as_of, label, mature, censored, event, observed in _rows(made):
        known = None if label < 0 else label
        looked[lead].append(Looked(as_of, known, mature, censored, None if np.isnan(event) else event, observed))
    return looked


def _rows(made: LabelledMoments) -> list[tuple[int, int, int, bool, bool, float, float]]:
    key, time = (made.moments.lead, made.moments.as_of), (made.labels.event_days, made.labels.observed_days)
    columns = (*key, made.labels.label, made.labels.mature, made.labels.censored, *time)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def happens(kind: str, occurred: float, known: float | None = None) -> Event:
    """An event; times in days after START."""
    at = START + round(occurred * DAY)
    return Event(at if known is None else START + round(known * DAY), at, kind)


def lead(*events: Event) -> Lead:
    return Lead("L", in_order(events), [])


def labels(of: Lead, target: Target = WON, until: float = 1_000, policy: MomentPolicy = DAILY) -> dict[int, int | None]:
    """Label by day of the moment."""
    moments = labelled([of], target, policy, START + round(until * DAY))[0]
    return {(moment.as_of - START) // DAY: moment.label for moment in moments}


def test_moments_and_labels_are_those_of_the_documentation() -> None:
    seen = {None: 0, 0: 0, 1: 0}

    @given(LEADS, TARGETS, POLICIES, UNTIL)
    @settings(max_examples=500, phases=PHASES, derandomize=True)
    def check(leads: list[Lead], target: Target, policy: MomentPolicy, until: int) -> None:
        expected = [
            [m for m in looked_at(history, target, policy, until) if not nothing_left(history, target, m.as_of, until)]
            for history in leads
        ]
        assert labelled(leads, target, policy, until) == expected
        for moment in (m for moments in expected for m in moments):
            seen[moment.label] += 1

    check()
    assert min(seen.values()) > 50, f"too few moments of a kind were tried: {seen}"


@given(LEADS, TARGETS, POLICIES, times(80))
@settings(max_examples=150, phases=PHASES)
def test_a_censored_moment_is_never_a_negative(
    leads: list[Lead], target: Target, policy: MomentPolicy, until: int
) -> None:
    made = label_moments(histories_of(leads), target, policy, until)
    closes = made.moments.as_of + (target.gap_days + target.horizon_days) * DAY
    assert ((made.labels.label == -1) == made.labels.censored).all()
    assert (closes[made.labels.label == 0] <= until).all()
    assert not (made.labels.censored & made.labels.mature).any()


@given(LEADS, TARGETS, POLICIES, times(80))
@settings(max_examples=150, phases=PHASES)
def test_times_within_the_window_say_the_same_as_labels(
    leads: list[Lead], target: Target, policy: MomentPolicy, until: int
) -> None:
    made = label_moments(histories_of(leads), target, policy, until)
    assert ((made.labels.event_days < target.horizon_days) == (made.labels.label == 1)).all()
    assert ((made.labels.observed_days == target.horizon_days) == made.labels.mature).all()


@given(LEADS, TARGETS, times(60))
@settings(max_examples=150, phases=PHASES)
def test_what_there_is_to_score_is_what_is_visible(leads: list[Lead], target: Target, as_of: int) -> None:
    moments = open_moments(histories_of(leads), target, as_of)
    assert moments.lead.tolist() == [i for i, history in enumerate(leads) if is_open(history, target, as_of)]
    assert (moments.as_of == as_of).all()


def test_who_is_scored_is_who_is_learned_from() -> None:
    """At every moment of a grid the open leads are those of the training set, but for targets that happened unseen."""
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


@given(LEADS, TARGETS, times(60))
@settings(max_examples=60, phases=PHASES)
def test_who_is_scored_does_not_depend_on_what_is_known_later(leads: list[Lead], target: Target, as_of: int) -> None:
    blind = [
        replace(
            history,
            events=[event for event in history.events if event.known_at < as_of],
            versions=[version for version in history.versions if version.valid_from < as_of],
        )
        for history in leads
    ]
    seen, without = (open_moments(histories_of(these), target, as_of).lead.tolist() for these in (leads, blind))
    assert seen == without


def test_the_label_window_is_half_open() -> None:
    got = labels(lead(happens("visit", 0), happens("won", 20)))
    assert got == {day: int(day > 10) for day in range(1, 21)}  # day 10: the window ends at day 20


def test_a_gap_moves_the_window() -> None:
    """What happens within the gap lies outside the window: such a moment is a negative, chosen without a look ahead."""
    got = labels(lead(happens("visit", 0), happens("won", 20)), replace(WON, gap_days=3))
    assert got == {day: int(7 < day <= 17) for day in range(1, 21)}


def test_a_lead_leaves_when_it_is_known_that_the_target_has_happened() -> None:
    assert max(labels(lead(happens("visit", 0), happens("won", 5)))) == 5


def test_a_lead_leaves_when_its_chance_has_ended() -> None:
    assert labels(lead(happens("visit", 0), happens("lost", 3))) == dict.fromkeys(range(1, 4), 0)


def test_a_conversion_received_late_counts_when_it_occurred() -> None:
    got = labels(lead(happens("visit", 0), happens("won", 20, known=26)))
    assert got == {day: int(day > 10) for day in range(1, 21)}, "from day 21 on nothing is left to predict"


def test_a_loss_received_late_leaves_negatives_that_nobody_could_tell() -> None:
    got = labels(lead(happens("visit", 0), happens("lost", 3, known=6)))
    assert got == dict.fromkeys(range(1, 7), 0)


def test_a_lead_that_has_converted_unseen_is_still_scored() -> None:
    """When the list is made nobody can know; adding what is received later must not change who is on it."""
    histories = histories_of([lead(happens("visit", 0), happens("won", 20, known=26))])
    on_list = {day: len(open_moments(histories, WON, START + day * DAY)) for day in (20, 21, 26, 27)}
    assert on_list == {20: 1, 21: 1, 26: 1, 27: 0}


def test_what_is_received_after_the_end_of_observation_is_no_outcome() -> None:
    late = lead(happens("visit", 0), happens("won", 20, known=26))
    assert labels(late, until=24) == {day: 0 if day <= 14 else None for day in range(1, 25)}
    assert labels(late, until=27) == {day: int(day > 10) for day in range(1, 21)}


def test_outcomes_that_are_recorded_late_let_moments_mature_later() -> None:
    late = lead(happens("visit", 0), happens("won", 20, known=26))
    got = labels(late, replace(WON, settle_days=6), until=24)
    assert got == {day: 0 if day <= 8 else None for day in range(1, 25)}, "days 11 to 14 would be false negatives"


def test_a_horizon_longer_than_the_data_leaves_only_conversions_known() -> None:
    got = labels(lead(happens("visit", 0), happens("won", 5)), replace(WON, horizon_days=3_650), until=20)
    assert got == dict.fromkeys(range(1, 6), 1)
    got = labels(lead(happens("visit", 0)), replace(WON, horizon_days=3_650), until=20)
    assert got == dict.fromkeys(range(1, 21), None)


def test_customers_are_a_population_that_begins_with_the_first_purchase() -> None:
    again = Target("again", ("buy",), requires=("buy",), repeats=True, horizon_days=5)
    got = labels(lead(happens("visit", 0), happens("buy", 10, known=12), happens("buy", 18)), again, until=30)
    assert got == {day: None if day > 25 else int(13 < day <= 18) for day in range(13, 31)}


def test_moments_of_the_grid_are_mondays_the_same_for_all() -> None:
    leads = [Lead(f"L{i}", [happens("visit", i / 3)], []) for i in range(30)]
    made = label_moments(histories_of(leads), WON, MomentPolicy(every_days=7), START + 60 * DAY)
    days = (made.moments.as_of // DAY).astype("datetime64[D]")
    assert len(days) > 100
    assert set(np.is_busday(days, weekmask="1000000")) == {True}
    assert (made.moments.as_of % DAY == 0).all()


def test_moments_after_events_see_the_event() -> None:
    made = label_moments(
        histories_of([lead(happens("visit", 0), happens("visit", 0), happens("visit", 1, known=2))]),
        WON,
        MomentPolicy("events"),
        START + 60 * DAY,
    )
    assert (made.moments.as_of - START).tolist() == [1, 2 * DAY + 1]


def test_a_lead_known_by_its_profile_only_has_moments() -> None:
    version = Version(START, {"industry": "retail"})
    made = label_moments(histories_of([Lead("L", [], [version])]), WON, DAILY, START + 20 * DAY)
    assert len(made) == 20


def test_what_a_policy_leaves_open_is_what_the_settings_leave_open() -> None:
    assert MomentPolicy() == Settings().moment_policy


def test_no_leads_no_moments() -> None:
    for policy in (DAILY, MomentPolicy("ages"), MomentPolicy("events")):
        assert len(label_moments(histories_of([]), WON, policy, START)) == 0
        assert len(label_moments(histories_of([Lead("L", [], [])]), WON, policy, START)) == 0
    assert len(open_moments(histories_of([]), WON, START)) == 0


@pytest.mark.parametrize("most", [1, 2, 3, 7, 60])
def test_thinning_keeps_the_weight_and_spreads_evenly(most: int) -> None:
    leads = [Lead(f"L{i}", [happens("visit", i * 9)], []) for i in range(5)]
    whole = label_moments(histories_of(leads), WON, MomentPolicy(every_days=1), START + 50 * DAY)
    thin = label_moments(histories_of(leads), WON, MomentPolicy(every_days=1, max_per_lead=most), START + 50 * DAY)
    counts = np.bincount(whole.moments.lead)
    assert np.bincount(thin.moments.lead).tolist() == np.minimum(counts, most).tolist()
    assert np.bincount(thin.moments.lead, thin.weight) == pytest.approx(counts, rel=1e-6)
    steps = [np.diff(thin.moments.as_of[thin.moments.lead == i]) // DAY for i in range(5)]
    assert all(np.ptp(step) <= 1 for step in steps if len(step))


@given(LEADS, TARGETS, times(60))
@settings(max_examples=50, phases=PHASES)
def test_ages_are_counted_from_joining(leads: list[Lead], target: Target, until: int) -> None:
    made = label_moments(histories_of(leads), target, MomentPolicy("ages", ages_days=(2, 5)), until)
    for of, as_of in zip(made.moments.lead.tolist(), made.moments.as_of.tolist(), strict=True):
        joined = joined_at(leads[of], target)
        assert joined is not None
        assert as_of - joined in (2 * DAY, 5 * DAY)


def test_a_planted_negative_out_of_a_censored_moment_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A label that takes "not converted yet" for "not converted" does not pass."""
    honest = label_moments

    def careless(*arguments: object) -> LabelledMoments:
        made = honest(*arguments)  # type: ignore[arg-type]
        return replace(made, labels=replace(made.labels, label=np.maximum(made.labels.label, 0)))

    monkeypatch.setitem(globals(), "label_moments", careless)
    with pytest.raises(AssertionError):
        test_a_censored_moment_is_never_a_negative()
