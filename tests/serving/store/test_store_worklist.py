"""The list that people work through, on each database: filters, orders and pages against a plain loop."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, Select
from sqlalchemy.dialects import sqlite

from data.contract import US_PER_DAY, UsageError
from serving.store.leads.decisions import Decision
from serving.store.leads.worklist import PRESSED, RISEN, WorklistRow
from serving.store.leads.worklist_entry import WorklistEntry
from serving.store.leads.worklist_query import WantedLeads, find_way, page_query
from serving.store.scores.scores import StoredScore
from serving.store.store import Store
from training.thresholds.stages import StageThreshold

NOW = 1_700_000_000_000_000
STEPS = [StageThreshold("MQL", 0.3), StageThreshold("SQL", 0.7)]
COUNTRIES, CHANNELS = ("DE", "AT", None), ("email", "search")
LEADS = [f"L{n:02}" for n in range(40)]


def score(store: Store, lead: str, as_of: int, probability: float) -> None:
    stored = StoredScore(lead, "conversion", as_of, probability, 0.0, 1.0, "1", "d")
    store.scores.record([stored], STEPS, as_of)


@pytest.fixture
def filled(store: Store) -> Store:
    """Forty leads whose numbers repeat, so that orders have ties; L07 objects."""
    for n, lead in enumerate(LEADS):
        country = COUNTRIES[n % 3]
        store.leads.put(lead, NOW, None, {"country": country, "owner": "north" if n % 2 else None}, NOW)
        score(store, lead, NOW - 7 * US_PER_DAY, (n % 5) / 6)
        score(store, lead, NOW, (n % 7) / 8)
    store.worklist.note(
        "conversion",
        NOW,
        [
            WorklistRow(lead, 0.5, -0.5, "count", "3", NOW - n % 4, n % 6, n % 8, CHANNELS[n % 2])
            for n, lead in enumerate(LEADS)
        ],
    )
    store.leads.object("L07", True, NOW)
    return store


def all_of(store: Store, wanted: WantedLeads, per_page: int) -> list[WorklistEntry]:
    entries: list[WorklistEntry] = []
    cursor: str | None = None
    for _ in range(100):
        sheet = store.worklist.page(wanted, cursor, per_page)
        assert len(sheet.entries) <= per_page
        entries += sheet.entries
        cursor = sheet.next
        if cursor is None:
            return entries
    raise AssertionError("the pages never end")


def fits(n: int, wanted: WantedLeads) -> bool:
    """The oracle: what was put in above, asked in plain words."""
    p, before = (n % 7) / 8, (n % 5) / 6
    stage = "SQL" if p >= 0.7 else "MQL" if p >= 0.3 else "unqualified"
    # A stage is left only below nine tenths of its threshold; a week ago decides what was held.
    held = "SQL" if before >= 0.7 else "MQL" if before >= 0.3 else "unqualified"
    if held == "SQL" and p >= 0.63:
        stage = "SQL"
    if held == "MQL" and stage == "unqualified" and p >= 0.27:
        stage = "MQL"
    return (
        n != 7
        and wanted.stage in (None, stage)
        and wanted.channel in (None, CHANNELS[n % 2])
        and wanted.country in (None, COUNTRIES[n % 3])
        and wanted.owner in (None, "north" if n % 2 else None)
        and (not wanted.rising or p >= RISEN * before)
        and (not wanted.untouched or n % 6 == 0)
        and (not wanted.pressed or n % 8 >= PRESSED)
        and LEADS[n].startswith(wanted.search or "")
    )


PARTS: list[dict[str, Any]] = [
    {},
    {"stage": "MQL"},
    {"stage": "SQL", "country": "DE"},
    {"channel": "email"},
    {"country": "AT"},
    {"owner": "north", "channel": "search"},
    {"rising": True},
    {"untouched": True},
    {"pressed": True, "country": "DE"},
    {"search": "L1"},
    {"country": "FR"},
    {"search": "%"},
]


@pytest.mark.parametrize("looked", [4, 9, 2_000])
def test_lists_are_what_a_loop_finds_in_the_order_that_was_asked_for(
    filled: Store, looked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when a page looks at fewer leads than it could show."""
    monkeypatch.setattr("serving.store.leads.worklist_query.LOOKED", looked)
    some = 0
    for part, order in itertools.product(PARTS, ("chance", "activity", "lead_id")):
        wanted = replace(WantedLeads("conversion", **part), order=order)
        expected = [n for n in range(40) if fits(n, wanted)]
        if order == "chance" and not wanted.search:
            expected.sort(key=lambda n: (n % 7, n), reverse=True)
        if order == "activity" and not wanted.search:
            expected.sort(key=lambda n: (-(n % 4), n), reverse=True)
        assert [entry.lead_id for entry in all_of(filled, wanted, 7)] == [LEADS[n] for n in expected], wanted
        some += len(expected)
    assert some > 200


def test_an_entry_tells_what_was_noted(filled: Store) -> None:
    [entry] = filled.worklist.page(WantedLeads("conversion", search="L11")).entries
    assert (entry.probability, entry.before, entry.contacts, entry.ignored) == (4 / 8, 1 / 6, 5, 3)
    assert (entry.country, entry.owner, entry.channel, entry.active_at) == (None, "north", "search", NOW - 3)
    assert (entry.rising, entry.pressed, entry.reason, entry.reason_value) == (True, None, "count", "3")


def test_choices_are_what_leads_have(filled: Store) -> None:
    assert filled.worklist.choices("conversion") == {
        "stage": ["MQL", "SQL", "unqualified"],
        "channel": ["email", "search"],
        "country": ["AT", "DE"],
        "owner": ["north"],
    }
    assert filled.worklist.choices("other") == {"stage": [], "channel": [], "country": [], "owner": []}


def test_what_was_noted_stays_when_a_stage_is_set_by_hand_and_goes_with_the_lead(filled: Store) -> None:
    filled.decisions.make("L11", "conversion", Decision("SQL", "known", "account anna", NOW, None))
    [entry] = filled.worklist.page(WantedLeads("conversion", search="L11")).entries
    assert (entry.stage, entry.override, entry.contacts) == ("SQL", "SQL", 5)
    filled.erasure.forget("L11", "test", NOW)
    assert filled.worklist.page(WantedLeads("conversion", search="L11")).entries == []


@pytest.mark.parametrize(
    "cursor", ["", "x", "é", "W10=", "WyJwcm9iYWJpbGl0eSIsIDEsIDJd", "WyJhY3RpdmVfYXQiLCAxLCAiTCJd"]
)
def test_cursors_that_are_none_are_refused(filled: Store, cursor: str) -> None:
    with pytest.raises(UsageError, match="begin without one"):
        filled.worklist.page(WantedLeads("conversion"), cursor)


def test_a_page_looks_at_so_many_leads_and_says_so(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.store.leads.worklist_query.LOOKED", 5)
    monkeypatch.setattr("serving.store.leads.worklist.LOOKED", 5)
    rare = WantedLeads("conversion", country="DE", owner="north", pressed=True)
    sheets = [filled.worklist.page(rare)]
    while sheets[-1].next is not None:
        sheets.append(filled.worklist.page(rare, sheets[-1].next))
    assert [sheet.looked for sheet in sheets] == [5] * (len(sheets) - 1) + [None]
    assert len(sheets) > 2
    lead_ids = {entry.lead_id for sheet in sheets for entry in sheet.entries}
    assert lead_ids == {LEADS[n] for n in range(40) if fits(n, rare)}


def test_a_full_page_has_not_looked_in_vain(filled: Store) -> None:
    sheet = filled.worklist.page(WantedLeads("conversion", channel="email"), limit=5)
    assert (len(sheet.entries), sheet.looked) == (5, None)


@pytest.mark.parametrize("looked", [4, 2_000])
def test_pages_come_out_of_an_index_in_order(filled: Store, looked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No walk through all leads, and no sorting but of the few for which a rare filter holds."""
    if not filled.database.is_sqlite:
        pytest.skip("the plan is asked of SQLite")
    monkeypatch.setattr("serving.store.leads.worklist_query.LOOKED", looked)
    for part in PARTS:
        for order in ("chance", "activity", "lead_id"):
            wanted = replace(WantedLeads("conversion", **part), order=order)
            with filled.database.read() as connection:
                way = find_way(connection, wanted, None)
                plan = _plan(connection, page_query(wanted, None, way, ("lead_id",)).limit(51))
            index = "lead_id" if wanted.ordered_by is None else wanted.ordered_by
            few = way.leader is not None and index != "probability"
            assert few or not [step for step in plan if "TEMP B-TREE" in step], (wanted, plan)
            assert not [step for step in plan if step.startswith("SCAN")], (wanted, plan)
            assert any("standings USING" in step for step in plan), (wanted, plan)


def _plan(connection: Connection, query: Select[Any]) -> list[str]:
    compiled = query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    return [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")]
