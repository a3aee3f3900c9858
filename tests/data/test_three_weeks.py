"""The same export of a CRM three weeks in a row, by one mapping: every row accounted for, and its changes are seen."""

from __future__ import annotations

from typing import Any

import pytest

from data.intake.next_part import Counts, IngestReport
from data.log.eventlog import EventLog
from features.compiler import compile_plan
from features.kernel import compute
from features.kinds import Count, Profile, Sum
from features.labels import Target
from features.population import population_of
from serving.scoring.batch import one_moment
from tests.data.changing_crm import (
    AMENDED,
    CHANGED,
    CHANGES,
    DELETED,
    GONE_INTO,
    SURVIVES,
    WEEKS,
    exported,
    first_week,
    us,
)

Weeks = tuple[EventLog, list[tuple[int, IngestReport]]]


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Weeks:
    """The log after three weeks; of each week how many events were told, and what became of them."""
    folder, crm, reports = tmp_path_factory.mktemp("weeks"), first_week(), list[tuple[int, IngestReport]]()
    for number, change in enumerate(CHANGES):
        change(crm)
        report = exported(crm, folder, number)
        reports.append((crm.told, report))
    return EventLog.open(folder / "log"), reports


def test_every_row_is_accounted_for_and_none_is_refused(weeks: Weeks) -> None:
    for received, report in weeks[1]:
        for counts in (report.events, report.leads, report.identities):
            assert (counts.accepted + counts.duplicate, counts.rejected) == (counts.received, 0)
        assert report.events.received == received
        assert (report.reasons, report.cells, report.left_out.get("leads", 0)) == ({}, {}, 0)
    (received, first), (_, second), (_, third) = weeks[1]
    assert first.events == Counts(received, received, 0, 0, 0)
    assert (second.events.accepted, second.events.corrected) == (4, 2)
    assert (second.leads.accepted, second.leads.duplicate) == (2, 59)
    assert (third.events.accepted, third.events.corrected, third.leads.accepted) == (5, 3, 0)
    assert third.identities.accepted == 1


def known(log: EventLog, lead: str, at: int) -> dict[str, Any]:
    catalogue = (Profile("country"), Profile("stage"), Sum("deal_won", None), Count("any", None))
    plan = compile_plan(catalogue, log.vocabulary, ())
    history = log.find(lead)
    row = compute(plan, history, one_moment(at)).to_pylist()[0]
    return {definition.name: row[definition.name] for definition in catalogue}


def test_a_week_sees_what_its_export_said_and_no_earlier_one_does(weeks: Weeks) -> None:
    log, after = weeks[0], [us(week, 13) for week in WEEKS]
    seen = [[*known(log, CHANGED, at).values()] for at in after]
    assert seen == [["US", "lead", 0.0, 4.0], ["CA", "opportunity", 0.0, 5.0], ["CA", "opportunity", 2000.0, 6.0]]
    assert [known(log, AMENDED, at)["sum_deal_won_ever"] for at in after] == [1000.0, 1500.0, 1500.0]
    assert [known(log, SURVIVES, at)["count_any_ever"] for at in after] == [3.0, 3.0, 7.0]


def test_the_merged_and_the_deleted_are_in_no_population_of_the_third_week(weeks: Weeks) -> None:
    there = []
    for week in WEEKS:
        ids = set[str]()
        for number in range(weeks[0].n_buckets):
            histories = weeks[0].bucket(number)
            places = population_of(histories, Target("conversion", ("deal_won",))).at(us(week, 13))
            ids |= {histories.lead_ids[place].as_py() for place in places.tolist()}
        there.append(ids)
    assert [{GONE_INTO, DELETED} & ids for ids in there] == [{GONE_INTO, DELETED}, {GONE_INTO, DELETED}, set()]
    assert SURVIVES in there[2]
