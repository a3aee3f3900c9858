"""Events that prove wrong: every moment gets what a history of only the events that are valid then would give."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.histories import FAR
from features import kernel, views
from features.compiler import compile_plan
from features.kernel import Moments, compute
from features.views import still_held, views_of
from tests.conftest import REPOSITORY
from tests.features.leads import (
    AS_OF,
    CATALOGUE,
    DAY,
    LEADS,
    REVISED_LEADS,
    START,
    TYPES,
    VOCABULARY,
    histories_of,
    in_order,
    moments_of,
    times,
)
from tests.features.mutants import COMPILED, mutant
from tests.features.test_kernel import PHASES, Row, by_kernel, by_loops, by_sql, differences, identical, work
from tests.oracles.features_naive import Event, Lead
from training.audit.truncation_check import cut_off

PLAN = compile_plan(CATALOGUE, VOCABULARY)


Drawn = tuple[list[Lead], list[int]]


def with_edges(leads: list[Lead], as_of: list[int]) -> Drawn:
    """Moments also at some supersessions, and just after them."""
    wrong = sorted({event.superseded_at for lead in leads for event in lead.events} - {FAR})[:3]
    return leads, sorted([*as_of, *wrong, *(at + 1 for at in wrong)])


REVISED = st.builds(with_edges, REVISED_LEADS, AS_OF)


def valid_then(lead: Lead, at: int) -> Lead:
    """The lead with only the events that are valid at a moment, none of which was ever found wrong."""
    valid = [event for event in lead.events if event.known_at < at <= event.superseded_at]
    return replace(lead, events=[replace(event, superseded_at=FAR) for event in valid])


def by_plain_histories(leads: Sequence[Lead], as_of: Sequence[int]) -> list[Row]:
    return [row for lead in leads for at in sorted(as_of) for row in by_kernel([valid_then(lead, at)], [at])]


@given(REVISED)
@settings(max_examples=100, phases=PHASES)
def test_the_kernel_gives_what_the_loops_give(drawn: Drawn) -> None:
    leads, as_of = drawn
    assert differences(by_kernel(leads, as_of), by_loops(leads, as_of)) == []


@given(REVISED)
@settings(max_examples=40, phases=PHASES)
def test_the_kernel_gives_what_another_engine_gives(drawn: Drawn) -> None:
    leads, as_of = drawn
    assert differences(by_kernel(leads, as_of), by_sql(leads, as_of)) == []


@given(REVISED)
@settings(max_examples=100, phases=PHASES)
def test_every_moment_gets_what_its_plain_history_gives(drawn: Drawn) -> None:
    leads, as_of = drawn
    """Bit by bit, in a batch and alone."""
    expected = by_plain_histories(leads, as_of)
    assert identical(by_kernel(leads, as_of), expected)
    assert identical([row for lead in leads for at in sorted(as_of) for row in by_kernel([lead], [at])], expected)


@given(REVISED)
@settings(max_examples=60, phases=PHASES)
def test_views_that_are_held_one_at_a_time_give_the_same(drawn: Drawn) -> None:
    leads, as_of = drawn
    expected = by_kernel(leads, as_of)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(views, "MOST_ROWS", 1)
        assert identical(by_kernel(leads, as_of), expected)


@given(LEADS, times(), st.randoms(use_true_random=False))
@settings(max_examples=100, phases=PHASES)
def test_what_proves_wrong_at_a_moment_or_after_it_changes_nothing_there(
    leads: list[Lead], at: int, luck: random.Random
) -> None:
    later = [FAR, at, at + 1, at + DAY]
    revised = [replace(x, events=[replace(e, superseded_at=luck.choice(later)) for e in x.events]) for x in leads]
    moments = [at - 3 * DAY, at - 1, at]
    assert identical(by_kernel(revised, moments), by_kernel(leads, moments))


@given(REVISED)
@settings(max_examples=60, phases=PHASES)
def test_the_future_can_be_cut_off_without_a_change(drawn: Drawn) -> None:
    leads, as_of = drawn
    whole, moments = histories_of(leads), moments_of(leads, as_of)
    past = cut_off(whole, moments.lead.astype(np.int64), moments.as_of)
    if past.superseded_at is not None:
        known = past.superseded_at < np.repeat(moments.as_of, np.diff(past.starts))
        assert (known | (past.superseded_at == FAR)).all()
    alone = Moments(np.arange(len(moments), dtype=np.int32), moments.as_of)
    again, expected = (compute(PLAN, *pair).to_pylist() for pair in ((past, alone), (whole, moments)))
    assert identical(again, expected)


@given(REVISED_LEADS, times(60))
@settings(max_examples=60, phases=PHASES)
def test_what_still_held_at_a_moment_is_plain(leads: list[Lead], at: int) -> None:
    held = still_held(histories_of(leads), at)
    assert held.superseded_at is None
    expected = [[event.known_at for event in lead.events if event.superseded_at >= at] for lead in leads]
    assert [times.tolist() for times in np.split(held.known_at, held.starts[1:-1])] == expected
    assert identical(compute(PLAN, held, moments_of(leads, [at])).to_pylist(), by_kernel(leads, [at]))


def corrected() -> tuple[list[Lead], list[int]]:
    """A lead with a corrected event, one with a retracted one, one that is plain; and moments around the changes."""
    day = [START + n * DAY for n in range(12)]
    order = [
        Event(day[1], day[1], "order", "search", 100.0, superseded_at=day[5]),
        Event(day[5], day[1], "order", "search", 10.0),
    ]
    view = Event(day[2], day[2], "page_view", "social", superseded_at=day[3])
    return [Lead("A", in_order([*order, view]), []), Lead("B", [view], []), Lead("C", [order[1]], [])], day


def test_a_corrected_event_counts_as_it_was_known() -> None:
    leads, day = corrected()
    rows = by_kernel(leads, day)
    assert [row["sum_any_ever"] for row in rows[:12]] == [*[0] * 2, *[100] * 4, *[10] * 6]
    assert [row["count_any_ever"] for row in rows[:12]] == [0, 0, 1, 2, *[1] * 8]
    assert [row["count_any_ever"] for row in rows[12:24]] == [0, 0, 0, 1, *[0] * 8]
    assert [row["last_touch_channel_any"] for row in rows[12:24]] == [*[None] * 3, "social", *[None] * 8]


def test_views_are_made_only_of_leads_that_need_them_and_once_per_time_between_supersessions() -> None:
    leads, day = corrected()
    made = list(views_of(histories_of(leads), *_arrays(leads, day)))
    assert len(made) == 1
    # Lead A after day 3 and after day 5, lead B after day 3.
    assert made[0].view.tolist() == [*[0] * 2, *[1] * 6, *[2] * 8]
    assert np.diff(made[0].events[0]).tolist() == [1, 1, 0]


def test_plain_histories_have_no_views() -> None:
    leads, day = corrected()
    plain = histories_of([Lead("A", [replace(leads[0].events[0], superseded_at=FAR)], [])])
    assert plain.superseded_at is None
    assert list(views_of(plain, *_arrays(leads[:1], day))) == []
    assert still_held(plain, day[3]) is plain
    never = replace(plain, superseded_at=np.full(1, FAR))
    assert list(views_of(never, *_arrays(leads[:1], day))) == []


def _arrays(leads: Sequence[Lead], as_of: Sequence[int]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    moments = moments_of(leads, as_of)
    return moments.lead, moments.as_of


def revised_often(supersessions: int, n_moments: int) -> tuple[list[Lead], list[int]]:
    """A lead with 200 events, of which so many prove wrong, one after the other, and moments after all events."""
    wrong = [START + DAY + 1_000 * i for i in range(supersessions)] + [FAR] * 200
    events = [Event(START + i, START + i, TYPES[i % 4], superseded_at=wrong[i]) for i in range(200)]
    last = START + DAY + 1_000 * supersessions
    return [Lead("L", events, [])], np.linspace(START + DAY, last, n_moments).astype(int).tolist()


def test_work_is_bounded_by_views_and_these_by_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    def lines(supersessions: int, n_moments: int) -> int:
        leads, as_of = revised_often(supersessions, n_moments)
        return work(mutant(), monkeypatch, histories_of(leads), moments_of(leads, as_of))

    plain, once = lines(0, 2), lines(1, 2)
    assert once < 2.5 * plain
    assert lines(150, 2) < 2.5 * plain  # two moments: the raw walk, and one view


def planted(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    """The kernel with a fault in the views, uncompiled."""
    source = (REPOSITORY / "features" / "views.py").read_text(encoding="utf-8")
    assert old in source
    module = ModuleType("features.planted_views")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(COMPILED.sub("", source.replace(old, new)), "planted", "exec"), module.__dict__)
    monkeypatch.setattr(kernel, "views_of", module.views_of)


def caught() -> bool:
    """Whether the search of the oracle test finds an example in which the planted views are wrong."""
    example = find(
        REVISED,
        lambda drawn: differences(by_kernel(*drawn), by_loops(*drawn)) != [],
        settings=settings(max_examples=500, phases=[Phase.generate], database=None),
        random=random.Random(0),
    )
    return bool(example)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("revised[r] = is_visible(first, as_of[r])", "revised[r] = is_visible(first, as_of[r] - 1)"),
        ("revised[r] = is_visible(first, as_of[r])", "revised[r] = False"),
        ("not is_visible(until, as_of[stop])", "not is_visible(until, as_of[stop] - 1)"),
        ("lead[stop] == lead[r] and not is_visible(until, as_of[stop])", "lead[stop] == lead[r]"),
        ("if is_valid(known_at[i], superseded_at[i], as_of[r])", "if is_visible(known_at[i], as_of[r])"),
        ("if r == 0 or lead[r] != lead[r - 1]", "if r == 0"),
        ("profiles.valid_from[first[has_one]]", "profiles.valid_from[first[has_one]] - 86_400_000_000"),
    ],
)
def test_a_planted_fault_is_caught(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    planted(monkeypatch, old, new)
    try:
        assert caught()
    except (IndexError, ValueError):
        return  # rows that do not fit where they are put: noticed as well


def test_the_planted_views_without_a_fault_are_the_views(monkeypatch: pytest.MonkeyPatch) -> None:
    leads, day = corrected()
    expected = by_kernel(leads, day)
    planted(monkeypatch, "import numpy as np\n", "import numpy as np\n")
    assert identical(by_kernel(leads, day), expected)
    planted(monkeypatch, "np.append(self.rows, -1)[rows]", "rows")
    assert not identical(by_kernel(leads, day), expected)
