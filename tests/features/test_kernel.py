"""The kernel gives what the definitions say, sees nothing of the future, and row by row what it gives in a batch."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from data.contract import CONTEXT
from data.histories import FAR, Histories, Profiles
from data.log.watermarks import Unobserved
from data.vocabulary import NAMING
from features import kernel
from features import kinds as of
from features.compiler import compile_plan
from features.kernel import Moments, compute, compute_arrays
from features.kinds.definition import Value
from features.walk.decays import power
from features.walk.walk import walk
from tests.features.leads import (
    AS_OF,
    CATALOGUE,
    DAY,
    EVENTS,
    LEADS,
    PROFILE_VALUES,
    START,
    TYPES,
    VOCABULARY,
    histories_of,
    in_order,
    moments_of,
    times,
)
from tests.features.mutants import Walk, lines_of, mutant
from tests.oracles.features_naive import Event, Lead, Version, View
from tests.oracles.features_sql import KINDS as KINDS_IN_SQL
from tests.oracles.features_sql import event_table, features_by_sql, version_table

PLAN = compile_plan(CATALOGUE, VOCABULARY)
IN_SQL = [feature for feature in CATALOGUE if isinstance(feature, KINDS_IN_SQL)]
EXACT = (of.Count, of.Sum, of.Max, of.ActiveDays, of.Sessions, of.DistinctTypes, of.IgnoredInRow)
ROUNDING = 3e-7
"""Two float32 neighbours differ by 1.2e-7; the engines divide and add in different orders."""
PHASES = [Phase.explicit, Phase.generate, Phase.shrink]
YEAR_1, YEAR_9999 = -719_162, 2_932_896
"""Days since 1970 of 0001-01-01 and 9999-12-31."""

Row = dict[str, Value]


def by_kernel(leads: Sequence[Lead], as_of: Sequence[int]) -> list[Row]:
    """The production way: arrays, compiled walk, table."""
    return compute(PLAN, histories_of(leads), moments_of(leads, as_of)).to_pylist()  # type: ignore[no-any-return]


def by_loops(leads: Sequence[Lead], as_of: Sequence[int]) -> list[Row]:
    return [
        {definition.name: definition.by_definition(View(lead, at, VOCABULARY)) for definition in CATALOGUE}
        for lead in leads
        for at in sorted(as_of)
    ]


def by_sql(leads: Sequence[Lead], as_of: Sequence[int]) -> list[Row]:
    moments = [(i, at) for i in range(len(leads)) for at in sorted(as_of)]
    return features_by_sql(IN_SQL, VOCABULARY, event_table(leads), version_table(IN_SQL, leads), moments)


def differences(actual: Sequence[Row], expected: Sequence[Row]) -> list[str]:
    """The columns in which a table differs from another one that has all or some of them."""
    pairs = list(zip(actual, expected, strict=True))
    compared = [feature for feature in CATALOGUE if not expected or feature.name in expected[0]]
    return [one.name for one in compared if not all(_same(one, row[one.name], other[one.name]) for row, other in pairs)]


def _same(definition: of.Definition, actual: Value, expected: Value) -> bool:
    if not isinstance(actual, float) or not isinstance(expected, float):
        return actual == expected
    if math.isnan(actual) or math.isnan(expected):
        return math.isnan(actual) and math.isnan(expected)
    tolerance = 0.0 if isinstance(definition, EXACT) else ROUNDING
    return math.isclose(actual, float(np.float32(expected)), rel_tol=tolerance, abs_tol=tolerance)


def identical(actual: Sequence[Row], expected: Sequence[Row]) -> bool:
    """Bit by bit; NaN equals NaN."""
    return repr(actual) == repr(expected)


@given(st.dictionaries(st.sampled_from(VOCABULARY.types), times(60)), LEADS, AS_OF)
def test_what_is_made_of_events_that_are_not_observed_any_more_is_missing(
    since: dict[str, int], leads: list[Lead], as_of: list[int]
) -> None:
    """A number is missing where one of the groups that it names has ended; a touch stays the one that is known."""
    plan = compile_plan(CATALOGUE, VOCABULARY, [Unobserved(*row) for row in since.items()])
    actual = compute(plan, histories_of(leads), moments_of(leads, as_of)).to_pylist()
    expected = by_kernel(leads, as_of)
    for row, at in zip(expected, sorted(as_of) * len(leads), strict=True):
        for definition in CATALOGUE:
            names = {getattr(definition, field, "any") for field in ("events", "contacts", "answers")}
            groups = [VOCABULARY.members(name) for name in names - {"any", *NAMING}]
            if definition.kind == "number" and any(
                all(kind in since and since[kind] < at for kind in group) for group in groups
            ):
                row[definition.name] = math.nan
    assert differences(actual, expected) == []


@given(LEADS, AS_OF)
@settings(max_examples=150, phases=PHASES)
def test_the_kernel_gives_what_the_loops_give(leads: list[Lead], as_of: list[int]) -> None:
    assert differences(by_kernel(leads, as_of), by_loops(leads, as_of)) == []


def test_the_other_engine_knows_the_kinds() -> None:
    assert {type(feature) for feature in IN_SQL} == set(KINDS_IN_SQL)
    assert len(KINDS_IN_SQL) >= 17


@given(LEADS, AS_OF)
@settings(max_examples=40, phases=PHASES)
def test_the_kernel_gives_what_another_engine_gives(leads: list[Lead], as_of: list[int]) -> None:
    assert differences(by_kernel(leads, as_of), by_sql(leads, as_of)) == []


@given(LEADS, AS_OF)
@settings(max_examples=60, phases=PHASES)
def test_a_row_alone_is_the_row_in_a_batch(leads: list[Lead], as_of: list[int]) -> None:
    alone = [row for lead in leads for at in sorted(as_of) for row in by_kernel([lead], [at])]
    assert identical(alone, by_kernel(leads, as_of))


@given(LEADS, AS_OF, st.randoms(use_true_random=False))
@settings(max_examples=40, phases=PHASES)
def test_the_order_in_which_events_arrived_does_not_matter(
    leads: list[Lead], as_of: list[int], luck: random.Random
) -> None:
    shuffled = [replace(lead, events=in_order(luck.sample(lead.events, len(lead.events)))) for lead in leads]
    assert identical(by_kernel(shuffled, as_of), by_kernel(leads, as_of))


def with_another_future(lead: Lead, at: int, events: Sequence[Event], versions: Sequence[Version]) -> Lead:
    """The same lead as it could be seen at `at`, with other events and versions from then on."""
    past = [event for event in lead.events if event.known_at < at]
    future = [replace(event, known_at=max(event.known_at, at)) for event in events]
    known = [version for i, version in enumerate(lead.versions) if version.valid_from < at + (i == 0)]
    later = [version for version in versions if version.valid_from > at]
    return Lead(lead.lead_id, in_order([*past, *future]), [*known, *later])


FUTURE = st.tuples(st.lists(EVENTS, max_size=20), st.lists(st.builds(Version, times(60), PROFILE_VALUES), max_size=1))
"""Events of any time (those before the moment become known at it or later), and a profile version."""


def sees_the_future(leads: Sequence[Lead], at: int, future: tuple[list[Event], list[Version]]) -> bool:
    """Whether features up to a moment change when what is known only from then on is removed, added, changed."""
    moments = [at - 3 * DAY, at - 1, at]
    changed = [with_another_future(lead, at, *future) for lead in leads]
    return not identical(by_kernel(changed, moments), by_kernel(leads, moments))


def test_nothing_at_or_after_a_moment_changes_its_features() -> None:
    changed = 0

    @given(LEADS, times(), FUTURE)
    @settings(max_examples=200, phases=PHASES, derandomize=True)
    def check(leads: list[Lead], at: int, future: tuple[list[Event], list[Version]]) -> None:
        nonlocal changed
        changed += sum(event.known_at >= at for lead in leads for event in lead.events) + len(leads) * len(future[0])
        assert not sees_the_future(leads, at, future)

    check()
    assert changed > 1_000, "too few events of the future were tried"


def plant(monkeypatch: pytest.MonkeyPatch, *changes: tuple[str, str]) -> None:
    monkeypatch.setattr(kernel, "walk", mutant(*changes))


def caught_by_the_future_test() -> bool:
    """Whether the search of the test above finds an example in which the planted walk sees the future."""
    example = find(
        st.tuples(LEADS, times(), FUTURE),
        lambda drawn: sees_the_future(*drawn),
        settings=settings(max_examples=500, phases=[Phase.generate], database=None),
        random=random.Random(0),
    )
    return bool(example)


def caught_by_the_loops() -> bool:
    """Whether the search of the oracle test finds an example in which the planted walk is wrong."""
    example = find(
        st.tuples(LEADS, AS_OF),
        lambda drawn: differences(by_kernel(*drawn), by_loops(*drawn)) != [],
        settings=settings(max_examples=500, phases=[Phase.generate], database=None),
        random=random.Random(0),
    )
    return bool(example)


def test_a_planted_leaking_column_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, ("(now - born) / US_PER_DAY", "float(n)"))
    assert caught_by_the_future_test()


def test_a_planted_inclusive_edge_at_the_moment_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, ("and is_visible(known_at[begin + seen], now)", "and known_at[begin + seen] <= now"))
    assert caught_by_the_future_test()


def test_a_planted_look_at_events_not_yet_received_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, ("and is_visible(known_at[begin + seen], now)", "and events[2][begin + seen] < now"))
    assert caught_by_the_future_test()


def test_a_planted_shift_of_the_window_edge_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(
        monkeypatch,
        ("while time[k] < edge", "while time[k] <= edge"),
        ("band += windows[w] < age", "band += windows[w] <= age"),
    )
    assert caught_by_the_loops()


def test_the_planted_walk_without_a_fault_is_the_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the faults are planted in gives the right rows; so it is the fault that is caught."""
    leads = [Lead("L", [Event(START + d * DAY, START + d * DAY, TYPES[d % 4], None, 1.0) for d in range(20)], [])]
    expected = by_kernel(leads, [START + 9 * DAY, START + 30 * DAY])
    plant(monkeypatch)
    assert identical(by_kernel(leads, [START + 9 * DAY, START + 30 * DAY]), expected)


@pytest.mark.parametrize("first_day", [YEAR_1 + 1, YEAR_9999 - 70])
@given(leads=LEADS, as_of=AS_OF)
@settings(max_examples=15, phases=PHASES)
def test_the_year_does_not_matter(first_day: int, leads: list[Lead], as_of: list[int]) -> None:
    """Years 1 and 9999 give what our century gives, bit by bit."""
    shift = first_day * DAY - START
    moved = [
        Lead(
            lead.lead_id,
            [replace(e, known_at=e.known_at + shift, occurred_at=e.occurred_at + shift) for e in lead.events],
            [replace(version, valid_from=version.valid_from + shift) for version in lead.versions],
        )
        for lead in leads
    ]
    rows = by_kernel(moved, [at + shift for at in as_of])
    assert identical(rows, by_kernel(leads, as_of))
    assert differences(rows, by_loops(moved, [at + shift for at in as_of])) == []


def test_a_history_from_year_1_to_year_9999() -> None:
    at = [YEAR_1 * DAY, START, YEAR_9999 * DAY]
    events = [
        Event(time, time, kind, "search", 5e11, campaign="spring", asset="white paper") for time in at for kind in TYPES
    ]
    leads = [Lead("L", in_order(events), [Version(YEAR_1 * DAY, {"industry": "retail", "employees": 3.0})])]
    moments = [time + 1 for time in at]
    rows = by_kernel(leads, moments)
    assert all(math.isfinite(v) for row in rows[1:] for v in row.values() if isinstance(v, float))
    assert differences(rows, by_loops(leads, moments)) == []


@pytest.mark.parametrize("skew", [-2 * DAY, 2 * DAY])
def test_a_clock_that_is_two_days_wrong_lets_nothing_of_the_future_in(skew: int) -> None:
    received = START
    event = Event(max(received, received + skew), received + skew, "order", None, 1.0)
    moments = [START - 3 * DAY, START, START + 1, START + 2 * DAY, START + 2 * DAY + 1]
    counted = [row["count_any_ever"] for row in by_kernel([Lead("L", [event], [])], moments)]
    assert counted == [0, 0, float(skew < 0), float(skew < 0), 1]


def test_sums_are_exact_whatever_has_come_and_gone() -> None:
    """Float sums would keep a trace of the large values that have left the window."""
    large = [Event(START + i, START + i, "order", None, (-1) ** (i // 900) * 5e11) for i in range(3_000)]
    small = Event(START + 5 * DAY, START + 5 * DAY, "order", None, 0.0001)
    rows = by_kernel([Lead("L", [*large, small], [])], [START + DAY // 2, START + 6 * DAY, START + 8 * DAY])
    assert [row["sum_order_7d"] for row in rows] == [float(np.float32(total)) for total in (3e14, 3e14, 0.0001)]


@given(st.floats(-1_000, 1_000))
@settings(deadline=None)
def test_powers_of_two_are_right_to_ten_digits(x: float) -> None:
    assert power(x) == pytest.approx(2.0**x, rel=1e-10, abs=0)


def test_decays_far_apart_in_time_are_none_and_not_wrong() -> None:
    """An event tens of thousands of half-lives before another, received after it."""
    events = [Event(START, START, TYPES[0]), Event(START + 1, START - 40_000 * DAY, TYPES[0])]
    leads = [Lead("L", events, [])]
    assert differences(by_kernel(leads, [START + DAY]), by_loops(leads, [START + DAY])) == []


def test_moments_out_of_order_are_refused() -> None:
    histories = histories_of([Lead("A", [], []), Lead("B", [], [])])
    for lead, as_of in (([0, 0], [2, 1]), ([1, 0], [1, 1]), ([0, 1, 0], [1, 1, 1])):
        moments = Moments(np.array(lead, np.int32), np.array(as_of, np.int64))
        with pytest.raises(ValueError, match="not sorted"):
            compute_arrays(PLAN, histories, moments)


def test_moments_that_may_not_be_written_to_compile_nothing_anew() -> None:
    """Arrow gives arrays of this type, and the walk takes as long to compile as many a test file to run."""
    leads = [Lead("L", [Event(START, START, TYPES[0])], [])]
    histories, moments = histories_of(leads), moments_of(leads, [START, START + DAY])
    written = compute(PLAN, histories, moments).to_pylist()
    known = len(walk.signatures)
    moments.lead.flags.writeable = moments.as_of.flags.writeable = False
    assert differences(compute(PLAN, histories, moments).to_pylist(), written) == []
    assert len(walk.signatures) == known


@pytest.mark.parametrize("lead", [-1, 1])
def test_moments_of_a_lead_that_does_not_exist_are_refused(lead: int) -> None:
    moments = Moments(np.array([lead], np.int32), np.array([START], np.int64))
    with pytest.raises(ValueError, match=f"lead {lead}"):
        compute_arrays(PLAN, histories_of([Lead("A", [], [])]), moments)


def test_a_profile_number_beyond_float32_is_missing_and_never_infinite() -> None:
    largest = float(np.finfo(np.float32).max)
    given = [largest, -largest, 1e300, -1e300, 3.41e38, 0.1]
    leads = [Lead(f"L{i}", [], [Version(START, {"employees": number})]) for i, number in enumerate(given)]
    numbers = [row["profile_number_employees"] for row in by_kernel(leads, [START + 1])]
    assert repr(numbers) == repr([largest, -largest, math.nan, math.nan, math.nan, float(np.float32(0.1))])


def test_no_moments_give_an_empty_table() -> None:
    table = compute(PLAN, histories_of([]), Moments(np.empty(0, np.int32), np.empty(0, np.int64)))
    assert (len(table), table.column_names) == (0, [definition.name for definition in CATALOGUE])


def test_the_kernel_takes_histories_that_know_other_event_types() -> None:
    """The same events under another numbering of types, with types that never occur, give the same rows."""
    leads = [Lead("L", [Event(START, START, kind) for kind in sorted(TYPES)], [])]
    histories = histories_of(leads)
    renamed = replace(histories, types=["never", *histories.types], event_type=histories.event_type + np.int32(1))
    tables = [compute(PLAN, variant, moments_of(leads, [START + 1])).to_pylist() for variant in (histories, renamed)]
    assert identical(*tables)


def long_history(events: int, seed: int = 0) -> Histories:
    """One lead with many events over a year: of all types, a tenth of them late, many at the same instant."""
    draw = np.random.default_rng(seed)
    occurred = START + np.sort(draw.integers(0, 365 * 86_400, events)) * 1_000_000
    known = occurred + np.where(draw.random(events) < 0.1, draw.integers(0, 5 * DAY, events), 0)
    order = np.lexsort((occurred, known))
    return Histories(
        lead_ids=pa.array(["L"]),
        starts=np.array([0, events]),
        known_at=known[order],
        occurred_at=occurred[order],
        event_type=draw.integers(0, 5, events, dtype=np.int32),
        channel=draw.integers(-1, 3, events, dtype=np.int32),
        value=np.where(draw.random(events) < 0.3, np.rint(draw.normal(50, 200, events) * 10_000) / 10_000, np.nan),
        bot=draw.random(events) < 0.05,
        profiles=Profiles(np.array([0, 0]), np.empty(0, np.int64), pa.table({"industry": [], "employees": []})),
        types=[*TYPES, "unknown"],
        channels=["search", "social", "e-mail"],
    )


def over_the_year(moments: int) -> Moments:
    as_of = START + np.linspace(0, 400 * DAY, moments).astype(np.int64)
    return Moments(np.zeros(moments, np.int32), as_of)


def test_a_lead_with_a_million_events_and_a_thousand_moments() -> None:
    histories, moments = long_history(1_000_000), over_the_year(1_000)
    table = compute(PLAN, histories, moments)
    events = pa.table(
        {
            "lead": np.zeros(histories.n_events, np.int64),
            "n": np.arange(histories.n_events),
            "known_at": histories.known_at,
            "occurred_at": histories.occurred_at,
            "event_type": pa.array(histories.types, pa.string()).take(pa.array(histories.event_type)),
            "channel": pa.array([*histories.channels, None], pa.string()).take(pa.array(histories.channel % 4)),
            "value": pa.array(histories.value, from_pandas=True),
            "bot": histories.bot,
            "superseded_at": np.full(histories.n_events, FAR),
            **{name: pa.nulls(histories.n_events, pa.string()) for name in CONTEXT},
        }
    )
    sampled = [700]
    expected = features_by_sql(
        IN_SQL, VOCABULARY, events, version_table(IN_SQL, []), [(0, int(moments.as_of[i])) for i in sampled]
    )
    assert differences(table.take(sampled).to_pylist(), expected) == []


def late_answers(events: int) -> Histories:
    """Contacts first, then answers that become known one by one, each a little later than the one before."""
    half = events // 2
    contacts = [Event(START + i * 1_000, START + i * 1_000, "email_sent") for i in range(half)]
    answers = [Event(START + DAY + i, START + i, "email_open") for i in range(half)]
    return histories_of([Lead("L", in_order([*contacts, *answers]), [])])


def work(walk: Walk, monkeypatch: pytest.MonkeyPatch, histories: Histories, moments: Moments) -> int:
    """Lines of the walk that run."""
    monkeypatch.setattr(kernel, "walk", walk)
    return lines_of(lambda: compute_arrays(PLAN, histories, moments))


def growth(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How many times the work of a lead grows with four times the events and moments; for two kinds of history."""
    usual = [work(walk, monkeypatch, long_history(25 * k), over_the_year(5 * k)) for k in (4, 16)]
    last = START + DAY + np.arange(80)
    answers = [
        work(walk, monkeypatch, late_answers(10 * k), Moments(np.zeros(4 * k, np.int32), last[: 4 * k]))
        for k in (4, 16)
    ]
    return [usual[1] / usual[0], answers[1] / answers[0]]


def test_work_grows_with_events_plus_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(growth(mutant(), monkeypatch)) < 5


def test_planted_work_that_grows_with_events_times_moments_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    at, more = "now, fresh = as_of[r], seen\n", "            again = now\n            again = fresh\n"
    again = at, f"{at}        for _ in known_at:\n{2 * more}"
    assert min(growth(mutant(again), monkeypatch)) > 5
