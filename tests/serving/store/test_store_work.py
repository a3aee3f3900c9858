"""What sales does with leads, on each database: each step once, seen by everyone, and in section, event and trail."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.dialects import sqlite

from data.contract import US_PER_DAY, DataError
from serving.store.database.schema import events, leads, stage_changes, work
from serving.store.events.event_validation import EventIn
from serving.store.events.sales_events import EVENTS, SOURCE, STATES
from serving.store.leads.queue import ORDER, Queued, _counts, page_query
from serving.store.leads.work import Deed, Overtaken, Step
from serving.store.leads.worklist import WorklistRow
from serving.store.scores.scores import StoredScore
from serving.store.scores.sections import COOLING_US, SECTIONS, section_of
from serving.store.scores.standing_row import StandingRow
from serving.store.store import Store
from training.thresholds.stages import StageThreshold

NOW = 1_700_000_000_000_000
STEPS = [StageThreshold("MQL", 0.05), StageThreshold("SQL", 0.2)]


def score(store: Store, probability: float, at: int, lead: str = "L1", ignored: int = 0) -> None:
    store.scores.record([StoredScore(lead, "conversion", at, probability, 0.0, 1.0, "1", "d")], STEPS, at)
    store.worklist.note("conversion", at, [WorklistRow(lead, 0.1, 0.1, None, None, at, 1, ignored, None)])


@pytest.fixture
def known(store: Store) -> Store:
    store.leads.put("L1", NOW - 9, "acme", {"owner": "anna"}, NOW - 9)
    score(store, 0.3, NOW)
    return store


def deed(action: str, seen: int = 0, who: str = "anna", **more: object) -> Deed:
    return replace(Deed("take", f"account {who}", who, seen), action=action, **more)  # type: ignore[arg-type]


def section(store: Store, lead: str = "L1") -> str:
    entry = store.worklist.entry("conversion", lead)
    assert entry is not None
    listed = {
        name: [lead.entry.lead_id for lead in store.queue.page(Queued("conversion", name)).leads] for name in SECTIONS
    }
    assert [name for name in SECTIONS if lead in listed[name]] == [entry.section], "a lead is in one section"
    return entry.section


def test_each_action_puts_the_lead_where_it_belongs(known: Store) -> None:
    assert section(known) == "new"
    expected = {"take": "in_work", "assign": "in_work", "accept": "in_work", "reject": "rest", "return": "nurture"}
    for number, (action, where) in enumerate(expected.items()):
        known.work.act("L1", "conversion", deed(action, number, reason="timing" if action == "reject" else None), NOW)
        assert section(known) == where, action
    assert [step.action for step in known.work.of("L1")] == [*reversed(expected)]


def test_a_step_is_an_event_of_the_lead_and_stands_in_the_trail(known: Store) -> None:
    known.work.act("L1", "conversion", deed("reject", reason="timing"), NOW + 5)
    with known.database.read() as connection:
        row = connection.execute(select(events).where(events.c.lead_id == "L1")).one()
    assert (row.event_type, row.source, row.occurred_at, row.known_at) == ("sales_rejected", SOURCE, NOW + 5, NOW + 5)
    assert row.event_type in EVENTS
    assert not row.published, "so that the event log takes it in"
    assert [(entry.who, entry.action) for entry in known.audit.of("L1")] == [("account anna", "sales rejected: timing")]
    again = EventIn("L1", row.event_type, NOW + 5, source=SOURCE, event_id=row.event_id)
    assert [result.status for result in known.events.add([again], NOW + 6)] == ["duplicate"]


def test_the_same_again_changes_nothing(known: Store) -> None:
    first = known.work.act("L1", "conversion", deed("take"), NOW)
    assert known.work.act("L1", "conversion", deed("take"), NOW + 9) == first
    assert len(known.work.of("L1")) == len(known.audit.of("L1")) == 1


def test_who_has_not_seen_the_newest_step_is_told_of_it(known: Store) -> None:
    known.work.act("L1", "conversion", deed("take", who="ben"), NOW)
    with pytest.raises(Overtaken, match=r"taken by ben \(step 1\)") as error:
        known.work.act("L1", "conversion", deed("reject", reason="timing"), NOW + 1)
    assert error.value.step is not None
    assert error.value.step.worker == "ben"
    assert [step.action for step in known.work.of("L1")] == ["take"]
    known.leads.put("L2", NOW - 9, None, {}, NOW)
    with pytest.raises(Overtaken, match="nothing was done"):
        known.work.act("L2", "conversion", deed("take", 4), NOW)


def test_of_many_who_act_at_once_one_does_and_the_others_see_it(known: Store) -> None:
    people = [f"p{number}" for number in range(6)]
    begin = Barrier(len(people))

    def take(person: str) -> Step | Overtaken:
        begin.wait()
        try:
            return known.work.act("L1", "conversion", deed("take", who=person), NOW)
        except Overtaken as overtaken:
            return overtaken

    with ThreadPoolExecutor(len(people)) as pool:
        results = list(pool.map(take, people))
    [won] = [result for result in results if isinstance(result, Step)]
    assert {result.step for result in results if isinstance(result, Overtaken)} == {won}
    assert [step.worker for step in known.work.of("L1")] == [won.worker]
    assert len(known.audit.of("L1")) == 1


def test_the_key_of_the_table_keeps_a_number_from_being_given_twice(known: Store) -> None:
    """The planted fault: a writer that does not look."""
    step = known.work.act("L1", "conversion", deed("take"), NOW)
    values = {name: getattr(step, name) for name in Step.__slots__}
    with pytest.raises(Exception, match=r"(?i)unique|duplicate|constraint"):  # noqa: SIM117
        with known.database.write() as connection:
            connection.execute(work.insert().values(lead_id="L1", target="conversion", **values))


@pytest.mark.parametrize("state", ["unknown", "objects", "erased"])
def test_nothing_is_done_with_whom_the_store_must_not_know(known: Store, state: str) -> None:
    if state == "objects":
        known.leads.object("L1", True, NOW)
    elif state == "erased":
        known.work.act("L1", "conversion", deed("take"), NOW)
        known.erasure.forget("L1", "test", NOW)
    lead = "L9" if state == "unknown" else "L1"
    before = known.audit.of(lead)
    with pytest.raises(DataError, match="nothing was done"):
        known.work.act(lead, "conversion", deed("take"), NOW)
    assert known.work.of(lead) == []
    assert known.audit.of(lead) == before


def test_a_rejected_lead_that_rises_again_is_new_and_its_past_is_kept(known: Store) -> None:
    known.work.act("L1", "conversion", deed("reject", reason="timing"), NOW)
    score(known, 0.25, NOW + 1)
    assert section(known) == "rest", "it never left sales' stage: what they said holds"
    score(known, 0.06, NOW + 2)
    assert section(known) == "rest"
    score(known, 0.3, NOW + 3)
    assert section(known) == "new"
    assert [step.reason for step in known.work.of("L1")] == ["timing"]
    assert known.work.act("L1", "conversion", deed("take", 1), NOW + 4).number == 2


def test_a_snoozed_lead_rests_until_its_day(known: Store) -> None:
    known.work.act("L1", "conversion", deed("snooze", until=NOW + US_PER_DAY), NOW)
    assert section(known) == "rest"
    assert known.work.wake("conversion", NOW + US_PER_DAY - 1) == 0
    score(known, 0.3, NOW + 5)
    assert section(known) == "rest"
    assert [known.work.wake("conversion", NOW + US_PER_DAY) for _ in range(2)] == [1, 0]
    assert section(known) == "in_work"


def test_a_snooze_ends_with_a_scoring_too(known: Store) -> None:
    known.work.act("L1", "conversion", deed("snooze", until=NOW + US_PER_DAY), NOW)
    score(known, 0.3, NOW + US_PER_DAY)
    assert section(known) == "in_work"


def test_what_waits_for_an_answer_cools_or_has_bought_stands_apart(known: Store) -> None:
    known.work.act("L1", "conversion", deed("accept"), NOW)
    score(known, 0.3, NOW + 1, ignored=2)
    assert section(known) == "waiting"
    known.scores.settle(["L1"], "conversion", "customer", "converted", NOW + 2)
    entry = known.worklist.entry("conversion", "L1")
    assert entry is not None
    assert (entry.section, entry.work_state) == ("rest", None)
    score(known, 0.3, NOW + 3, "L2") if known.leads.put("L2", NOW - 9, None, {}, NOW) else None
    score(known, 0.06, NOW + 4, "L2")
    assert section(known, "L2") == "cooling"
    score(known, 0.06, NOW + 5 + COOLING_US, "L2")
    assert section(known, "L2") == "nurture"


def test_a_lead_is_its_owners_until_somebody_else_takes_it(known: Store) -> None:
    def mine(worker: str) -> int:
        return known.queue.counts("conversion", worker)["new"] + known.queue.counts("conversion", worker)["in_work"]

    assert (mine("anna"), mine("ben"), mine("")) == (1, 0, 0)
    known.work.act("L1", "conversion", deed("take", who="ben"), NOW)
    assert (mine("anna"), mine("ben")) == (0, 1)
    score(known, 0.3, NOW + 1)
    assert (mine("anna"), mine("ben")) == (0, 1)
    assert known.work.knows("anna")
    assert not known.work.knows("nobody")


def test_how_long_a_lead_waited_is_told_by_the_first_step_alone(known: Store) -> None:
    first = known.work.act("L1", "conversion", deed("take"), NOW + 70)
    second = known.work.act("L1", "conversion", deed("accept", 1), NOW + 90)
    assert (first.waited, second.waited) == (70, None)
    assert (first.stage, first.probability) == ("SQL", 0.3)


def test_where_it_is_not_known_since_when_a_lead_is_with_sales_it_is_acted_on_all_the_same(known: Store) -> None:
    with known.database.write() as connection:
        connection.execute(delete(stage_changes))
    assert known.work.act("L1", "conversion", deed("take"), NOW + 70).waited is None


def test_a_lead_worked_before_its_first_score_is_in_work_with_it(store: Store) -> None:
    store.leads.put("L1", NOW - 9, None, {}, NOW - 9)
    store.work.act("L1", "conversion", deed("take"), NOW - 1)
    score(store, 0.3, NOW)
    assert section(store) == "in_work"


def test_every_lead_has_a_section() -> None:
    for state in (None, *STATES.values()):
        for stage in ("unqualified", "MQL", "SQL", "customer", "of one's own"):
            for probability in (None, 0.5):
                lead = StandingRow("conversion", "L1", stage, probability=probability, work_state=state)
                assert section_of(replace(lead, before=0.9, due_at=NOW, ignored=1), NOW) in SECTIONS


def test_pages_of_a_section_hold_every_lead_once_likeliest_first(store: Store) -> None:
    for number in range(23):
        store.leads.put(f"L{number:02}", NOW - 9, None, {}, NOW)
        score(store, 0.3 + (number % 5) / 10, NOW, f"L{number:02}")
    store.leads.object("L03", True, NOW)
    entries: list[tuple[float, str]] = []
    cursor = None
    while True:
        page = store.queue.page(Queued("conversion", "new"), cursor, 4)
        entries += [(lead.entry.probability or 0.0, lead.entry.lead_id) for lead in page.leads]
        if (cursor := page.next) is None:
            break
    assert entries == sorted(entries, reverse=True)
    assert {lead for _, lead in entries} == {f"L{number:02}" for number in range(23)} - {"L03"}
    assert store.queue.counts("conversion") == {**dict.fromkeys(SECTIONS, 0), "new": 22}


@pytest.mark.parametrize("worker", [None, "anna", ""])
def test_a_page_comes_out_of_an_index_in_order(known: Store, worker: str | None) -> None:
    """No walk through all leads and no sorting, however many there are."""
    if not known.database.is_sqlite:
        pytest.skip("the plan is asked of SQLite")
    for cursor in (None, ORDER.cursor([0.3, "L1"])):
        query = page_query(Queued("conversion", "new", worker), cursor).limit(26)
        text = query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
        with known.database.read() as connection:
            plan = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
        assert not [step for step in plan if "TEMP B-TREE" in step or step.startswith("SCAN")], plan
        index = "standings_by_section" if worker is None else "standings_by_worker"
        assert any(f"USING INDEX {index}" in step for step in plan), plan


@pytest.mark.parametrize("of_one", [True, False])
def test_counts_come_out_of_indexes_alone(known: Store, of_one: bool) -> None:
    """The leads that are counted lie anywhere in the store: no row of a lead or of a standing is read for them."""
    if not known.database.is_sqlite:
        pytest.skip("the plan is asked of SQLite")
    query = _counts(of_one).params(target="conversion", worker="anna")
    text = query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    with known.database.read() as connection:
        plan = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
    leads_read, standings_read = (
        [step for step in plan if step.startswith((f"SCAN {table}", f"SEARCH {table}"))]
        for table in ("leads", "standings")
    )
    assert len(leads_read) == len(standings_read) == len(SECTIONS)
    assert all("USING INDEX leads_absent" in step for step in leads_read), plan
    assert all("USING COVERING INDEX" in step for step in standings_read), plan


@pytest.mark.parametrize("away_since", [None, NOW])
@pytest.mark.parametrize("objection", [False, True])
@pytest.mark.parametrize("worker", [None, "anna"])
def test_a_tab_counts_whom_it_lists(known: Store, worker: str | None, objection: bool, away_since: int | None) -> None:
    """Lists ask who is present, counts who is absent: one is the contrary of the other."""
    with known.database.write() as connection:
        connection.execute(update(leads).values(objection=objection, away_since=away_since))
    listed = known.queue.page(Queued("conversion", "new", worker)).leads
    assert len(listed) == known.queue.counts("conversion", worker)["new"] == int(not objection and away_since is None)


def test_what_came_in_since_the_score_is_told_with_the_lead(known: Store) -> None:
    known.events.add([EventIn("L1", "pricing_view", NOW + 5), EventIn("L1", "pricing_view", NOW - 5)], NOW + 9)
    [lead] = known.queue.page(Queued("conversion", "new")).leads
    assert (lead.account_id, lead.step, dict(lead.since)) == ("acme", 0, {"pricing_view": NOW + 5})
