"""Stories of leads that leave and come back: what is learnt from them, moment by moment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from data.histories import FAR
from features.labels import Target
from features.moments import MomentPolicy, label_moments
from features.outcome_events import REOPENS
from features.outcomes import _reopenings, occurrences_of
from tests.features.leads import DAY, START, histories_of
from tests.features.test_moments import DAILY, happens, labels, lead
from tests.oracles.features_naive import Event

WON = Target("won", ("won",), ("lost",), horizon_days=10, undone_by=("cancelled",), reopened_by=("reopened",))


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


def test_the_first_reopening_puts_a_win_behind_a_lead() -> None:
    life = lead(happens("visit", 0), happens("won", 5), happens("reopened", 20), happens("reopened", 40))
    assert set(labels(life, WON, 60)) == {*range(1, 6), *range(21, 61)}


def test_a_loss_that_was_a_mistake_counts_before_an_older_one_that_came_late() -> None:
    late, wrong = happens("lost", 3, known=9), replace(happens("lost", 4, known=5), superseded_at=START + 6 * DAY)
    for target in (WON, replace(WON, undone_by=(), reopened_by=())):
        assert set(labels(lead(happens("visit", 0), wrong, late), target, 60)) == {*range(1, 6), *range(7, 10)}


def test_of_a_second_id_nothing_is_learnt_that_is_told_of_the_first() -> None:
    """Its label is unknown where its window reaches past the merge, unless it was won under that id before."""
    gone = [(START + 15 * DAY, FAR)]
    open_ = replace(lead(happens("visit", 0)), absences=gone, merged=gone)
    assert labels(open_, WON, 60) == {**dict.fromkeys(range(1, 6), 0), **dict.fromkeys(range(6, 16))}
    assert set(labels(replace(open_, merged=[]), WON, 60).values()) == {0}, "of a deleted one nothing will come"
    won = replace(happens("won", 12), superseded_at=gone[0][0])
    assert labels(replace(open_, events=[*open_.events, won]), WON, 60) == {
        **dict.fromkeys((1, 2), 0), **dict.fromkeys(range(3, 13), 1)
    }  # fmt: skip


def test_a_second_id_that_is_separated_again_is_learnt_from_as_any_lead() -> None:
    apart = [(START + 15 * DAY, START + 20 * DAY)]
    life = replace(lead(happens("visit", 0), happens("won", 22)), absences=apart, merged=apart)
    assert labels(life, WON, 60) == {day: int(day > 12) for day in (*range(1, 16), 21, 22)}


def test_the_last_export_corrects_what_it_does_not_add_to() -> None:
    """Deals are complete until day 20; an export of the day after says that one of them was lost."""
    wrong = replace(happens("won", 12), superseded_at=START + 21 * DAY)
    life, until = lead(happens("visit", 0), wrong, happens("lost", 12, known=21)), START + 20 * DAY
    first, later = (
        label_moments(histories_of([life]), WON, DAILY, until, known).labels for known in (None, START + 21 * DAY + 1)
    )
    assert first.label.sum() == 10
    assert later.label[later.mature].sum() == 0
    assert (first.mature == later.mature).all()


def of_deal(number: int, kind: str, occurred: float) -> Event:
    """An event of a deal."""
    return replace(happens(kind, occurred), deal=number)


def test_a_cancellation_that_names_its_deal_undoes_no_other() -> None:
    """The older of two deals is cancelled; without the name the newer one would be."""
    again = replace(WON, repeats=True)
    deals = of_deal(1, "won", 3), of_deal(2, "won", 8)
    for number, left in ((1, [8]), (2, [3]), (0, [3]), (3, [3, 8])):
        life = lead(*deals, of_deal(number, "cancelled", 20))
        happened = occurrences_of(histories_of([life]), again, START + 60 * DAY)
        assert ((happened.times - START) // DAY).tolist() == left


def test_a_reopening_that_names_its_deal_leaves_the_win_of_another_where_it_is() -> None:
    lost, won = of_deal(1, "lost", 3), of_deal(2, "won", 5)
    for number, days in ((1, range(1, 4)), (2, (*range(1, 4), *range(21, 31)))):
        life = lead(happens("visit", 0), lost, won, of_deal(number, "reopened", 20))
        assert set(labels(life, WON, 30)) == set(days)


def test_a_lead_with_an_open_deal_is_in_whatever_else_it_lost() -> None:
    life = lead(happens("visit", 0), of_deal(1, "lost", 3), of_deal(2, "lost", 5), of_deal(1, "reopened", 20))
    assert set(labels(life, WON, 30)) == {*range(1, 4), *range(21, 31)}


def test_reopenings_are_written_from_the_first_place_on() -> None:
    meaning, known_at = np.array([0, REOPENS, REOPENS, REOPENS], np.int8), np.array([1, 2, 3, 9])
    superseded_at, rows = np.array([FAR, FAR, 4, FAR]), np.full(4, -1)
    assert _reopenings(meaning, known_at, superseded_at, 0, 4, 5, rows) == 1
    assert rows.tolist() == [1, -1, -1, -1]
