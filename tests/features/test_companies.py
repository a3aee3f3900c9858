"""What is known of colleagues is what plain loops say, and never anything of the lead's own or of later."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from data import companies
from data.companies import Companies, companies_of, no_companies
from data.histories import FAR
from features import kinds as of
from features.compiler import compile_plan
from features.kernel import Moments, compute
from features.kinds.definition import Value
from tests.features.leads import AS_OF, DAY, REVISED, START, VOCABULARY, histories_of, in_order, moments_of, times
from tests.oracles.features_naive import Event, Lead, Version, View

CATALOGUE = (
    of.Colleagues(),
    *(of.ColleaguesActive(events, days) for events in ("any", "web", "order") for days in (1, 7, None)),
    of.ColleagueRecency("any"), of.ColleagueRecency("order"), of.ColleagueSpread("industry"), of.Count("any"),
)  # fmt: skip
PLAN = compile_plan(CATALOGUE, VOCABULARY)
ACCOUNTS = st.sampled_from(["acme", "acme", "acme", "initech", None])
VERSIONS = st.lists(
    st.builds(
        lambda at, industry, account: Version(at, {"industry": industry}, account),
        times(),
        st.sampled_from(["retail", "software", None]),
        ACCOUNTS,
    ),
    max_size=3,
    unique_by=lambda version: version.valid_from,
).map(lambda versions: sorted(versions, key=lambda version: version.valid_from))
ABSENCES = st.one_of(st.just(()), st.tuples(times(), st.integers(1, 20)).map(lambda a: ((a[0], a[0] + a[1] * DAY),)))
LEADS = st.lists(st.tuples(st.lists(REVISED, max_size=8), VERSIONS, ABSENCES), min_size=1, max_size=6).map(
    lambda drawn: [Lead(f"L{i}", in_order(events), versions, away) for i, (events, versions, away) in enumerate(drawn)]
)
PHASES = [Phase.explicit, Phase.generate, Phase.shrink]
Row = dict[str, Value]


def by_kernel(leads: Sequence[Lead], as_of: Sequence[int], known: Companies | None = None) -> list[Row]:
    histories = histories_of(leads)
    beside = companies_of([histories]) if known is None else known
    return compute(PLAN, replace(histories, companies=beside), moments_of(leads, as_of)).to_pylist()  # type: ignore[no-any-return]


def by_loops(leads: Sequence[Lead], as_of: Sequence[int], view: type[View] = View, most: int = 500) -> list[Row]:
    return [
        {
            definition.name: _single(definition.by_definition(view(lead, at, VOCABULARY, leads, most)))
            for definition in CATALOGUE
        }
        for lead in leads
        for at in sorted(as_of)
    ]


def _single(value: Value) -> Value:
    return float(np.float32(value)) if isinstance(value, float) else value


@given(LEADS, AS_OF)
@settings(max_examples=100, phases=PHASES)
def test_the_kernel_gives_what_the_loops_give(leads: list[Lead], as_of: list[int]) -> None:
    assert repr(by_kernel(leads, as_of)) == repr(by_loops(leads, as_of))


@given(LEADS, AS_OF, st.integers(1, 3))
@settings(max_examples=30, phases=PHASES)
def test_an_account_that_too_many_name_tells_nothing_from_then_on(
    leads: list[Lead], as_of: list[int], most: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(companies, "MOST", most)
        assert repr(by_kernel(leads, as_of)) == repr(by_loops(leads, as_of, most=most))


@given(LEADS, AS_OF, st.integers(1, 5))
@settings(max_examples=30, phases=PHASES)
def test_in_parts_and_lead_by_lead_it_is_the_same(leads: list[Lead], as_of: list[int], cut: int) -> None:
    parts = companies_of(histories_of(part) for part in (leads[:cut], leads[cut:]) if part)
    together = by_kernel(leads, as_of)
    assert repr(by_kernel(leads, as_of, parts)) == repr(together)
    alone = [row for lead in leads for at in sorted(as_of) for row in by_kernel([lead], [at], parts)]
    assert repr(alone) == repr(together)


@given(LEADS, AS_OF, st.sets(st.integers(0, 5)))
@settings(max_examples=30, phases=PHASES)
def test_leads_that_are_withheld_are_as_if_they_had_never_been(
    leads: list[Lead], as_of: list[int], gone: set[int]
) -> None:
    rest = [lead for i, lead in enumerate(leads) if i not in gone]
    known = companies_of([histories_of(leads)]).without(f"L{i}" for i in gone)
    if rest:
        assert repr(by_kernel(rest, as_of, known)) == repr(by_kernel(rest, as_of))


class OwnCounts(View):
    """Planted: the lead is one of its own colleagues."""

    def colleagues(self) -> list[View] | None:
        others = super().colleagues()
        return None if others is None else [*others, View(self.lead, self.as_of, self.vocabulary)]


class NotYetKnown(View):
    """Planted: what colleagues do counts when it occurs, and not when it becomes known."""

    def colleagues(self) -> list[View] | None:
        others = super().colleagues()
        return None if others is None else [_AtOnce(view.lead, self.as_of, self.vocabulary) for view in others]


class _AtOnce(View):
    def visible(self) -> list[Event]:  # type: ignore[override]
        return [
            event for event in self.lead.events if event.occurred_at < self.as_of and event.superseded_at >= self.as_of
        ]


class AccountOfLater(View):
    """Planted: the account is the one that the lead names in the end."""

    def account(self) -> str | None:
        return self.lead.versions[-1].account if self.lead.versions else None


class OfThoseWhoAreGone(View):
    """Planted: who was merged or deleted counts as well."""

    def is_away(self) -> bool:
        return False


class KnownToBeWrong(View):
    """Planted: what is known to be wrong of colleagues counts on."""

    def visible(self) -> list[Event]:  # type: ignore[override]
        return [event for event in self.lead.events if event.known_at < self.as_of]


@pytest.mark.parametrize("fault", [OwnCounts, NotYetKnown, AccountOfLater, OfThoseWhoAreGone, KnownToBeWrong])
def test_a_planted_leak_is_caught(fault: type[View]) -> None:
    def differs(drawn: tuple[list[Lead], list[int]]) -> bool:
        leads, as_of = drawn
        computed = by_kernel(leads, as_of)
        return repr(_around(computed)) != repr(_around(by_loops(leads, as_of, fault)))

    looked = settings(max_examples=2_000, phases=[Phase.generate], derandomize=True, database=None)
    assert find(st.tuples(LEADS, AS_OF), differs, settings=looked)


def _around(rows: Sequence[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if not name.startswith("count_")} for row in rows]


@given(LEADS, AS_OF, LEADS)
@settings(max_examples=100, phases=PHASES)
def test_the_future_of_colleagues_changes_nothing(leads: list[Lead], as_of: list[int], others: list[Lead]) -> None:
    at = min(as_of)
    changed = [_with_future(lead, other, at) for lead, other in zip(leads, [*others, *leads], strict=False)]
    assert repr(by_kernel(changed, [at])) == repr(by_kernel(leads, [at]))


@given(LEADS, AS_OF)
@settings(max_examples=50, phases=PHASES)
def test_what_was_known_before_a_moment_is_all_that_counts_at_it(leads: list[Lead], as_of: list[int]) -> None:
    at = min(as_of)
    histories = histories_of(leads)
    known = companies_of([histories]).beside(histories).known_before(at)
    assert repr(by_kernel(leads, [at], known)) == repr(by_kernel(leads, [at]))


def _with_future(lead: Lead, other: Lead, at: int) -> Lead:
    """The lead as it was known at a moment, and from then on what another one does and names."""
    past = [
        replace(event, superseded_at=event.superseded_at if event.superseded_at < at else FAR)
        for event in lead.events
        if event.known_at < at
    ]
    later = [event for event in other.events if event.known_at >= at]
    first = lead.versions[:1] if lead.versions and lead.versions[0].valid_from == at else []
    versions = [*first] or [version for version in lead.versions if version.valid_from < at]
    since = at + 1 if first or not versions else at
    versions += [version for version in other.versions if version.valid_from >= since]
    away = [(since, until) for since, until in lead.absences if since < at]
    return replace(lead, events=in_order([*past, *later]), versions=versions, absences=away)


def test_a_company_of_ten_thousand_is_none_and_costs_nothing() -> None:
    leads = [Lead(f"L{i}", [], [Version(START + i, {}, "gmail.com")]) for i in range(10_000)]
    histories = histories_of(leads)
    known = companies_of([histories])
    assert len(known.members.leads) == companies.MOST + 1
    first = replace(histories.of(np.array([0, 9_999])), companies=known)
    at = np.array([START + 499, START + 500, START + DAY])
    moments = Moments(np.array([0, 0, 1], np.int32), at)
    counts = compute(PLAN, first, moments).column("colleagues").to_pylist()
    assert counts[0] == 499
    assert all(map(math.isnan, counts[1:]))


def test_most_have_no_account_and_nothing_is_known_of_them() -> None:
    leads = [Lead(f"L{i}", [], [Version(START, {}, "acme" if i < 2 else None)]) for i in range(50)]
    rows = by_kernel(leads, [START + DAY])
    assert [row["colleagues"] for row in rows[:2]] == [1.0, 1.0]
    assert all(math.isnan(row["colleagues"]) for row in rows[2:])  # type: ignore[arg-type]
    assert len(companies_of([histories_of(leads)]).lead_ids) == 2


def test_histories_that_nobody_tells_the_companies_of_are_refused() -> None:
    histories = histories_of([Lead("L0", [], [])])
    with pytest.raises(ValueError, match="give the histories a source of them"):
        compute(PLAN, histories, moments_of([Lead("L0", [], [])], [START]))
    known = compute(PLAN, replace(histories, companies=no_companies()), moments_of([Lead("L0", [], [])], [START]))
    assert math.isnan(known.column("colleagues")[0].as_py())
