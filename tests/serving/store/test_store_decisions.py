"""What people decide beside the model: the two stay apart, a decision ends by itself, and the trail has it all."""

from __future__ import annotations

import pytest

from data.contract import US_PER_DAY, DataError, UsageError
from serving.store.leads.decisions import REASONS, Decision
from serving.store.leads.listing import Filters
from serving.store.leads.worklist_query import WantedLeads
from serving.store.scores.scores import StoredScore
from serving.store.store import Store
from training.thresholds.stages import StageThreshold

NOW = 1_700_000_000_000_000
STEPS = [StageThreshold("MQL", 0.05), StageThreshold("SQL", 0.2)]


def score(store: Store, probability: float, at: int, lead: str = "L1") -> None:
    store.scores.record([StoredScore(lead, "conversion", at, probability, 0.0, 1.0, "1", "d")], STEPS, at)


def decided(stage: str = "SQL", until: int | None = None, at: int = NOW + 1) -> Decision:
    return Decision(stage, "talked", "account anna", at, until)


@pytest.fixture
def known(store: Store) -> Store:
    store.leads.put("L1", NOW - 9, None, {}, NOW - 9)
    score(store, 0.06, NOW)
    return store


def stages(store: Store) -> tuple[str, str]:
    """What holds, and what the model says."""
    [standing] = store.scores.standing("L1")
    return standing.stage, standing.model_stage


def test_the_models_stage_is_kept_beside_the_decision(known: Store) -> None:
    known.decisions.make("L1", "conversion", decided())
    assert stages(known) == ("SQL", "MQL")
    score(known, 0.01, NOW + 2)
    assert stages(known) == ("SQL", "unqualified")
    assert [entry.stage for entry in known.scores.history("L1")] == ["unqualified", "MQL"]
    [listed] = known.listing.page(Filters(stage="SQL")).leads
    assert (listed.stage, listed.model_stage, listed.override) == ("SQL", "unqualified", "SQL")
    assert [entry.override for entry in known.worklist.page(WantedLeads("conversion", stage="SQL")).entries] == ["SQL"]
    known.decisions.lift("L1", "conversion", "account ben", NOW + 3)
    assert stages(known) == ("unqualified", "unqualified")
    assert known.decisions.of("L1", "conversion") is None


def test_the_model_keeps_its_own_patience_while_a_decision_holds(known: Store) -> None:
    """0.19 keeps a lead in SQL that was there by score; one that was only put there by hand it does not."""
    known.decisions.make("L1", "conversion", decided())
    score(known, 0.19, NOW + 2)
    assert stages(known) == ("SQL", "MQL")


def test_a_decision_ends_with_the_first_scoring_after_its_time(known: Store) -> None:
    known.decisions.make("L1", "conversion", decided(until=NOW + US_PER_DAY))
    score(known, 0.06, NOW + US_PER_DAY - 1)
    assert stages(known) == ("SQL", "MQL")
    score(known, 0.06, NOW + US_PER_DAY)
    assert stages(known) == ("MQL", "MQL")
    last = known.scores.changes("L1")[0]
    assert (last.before, last.after, last.cause) == ("SQL", "MQL", "override ended")
    assert known.decisions.of("L1", "conversion") is None


def test_what_has_happened_ends_a_decision(known: Store) -> None:
    known.decisions.make("L1", "conversion", decided("unqualified"))
    known.scores.settle(["L1"], "conversion", "customer", "converted", NOW + 2)
    assert stages(known) == ("customer", "customer")
    assert known.decisions.of("L1", "conversion") is None


def test_who_decided_what_and_why_is_told_and_stays_in_the_audit_trail(known: Store) -> None:
    made = decided(until=NOW + 5)
    known.decisions.make("L1", "conversion", made)
    assert known.decisions.of("L1", "conversion") == made
    known.decisions.lift("L1", "conversion", "account ben", NOW + 3)
    known.erasure.forget("L1", "account eve", NOW + 4)
    assert [(entry.who, entry.action) for entry in known.audit.of("L1")] == [
        ("account eve", "forget"),
        ("account ben", "override lifted"),
        ("account anna", "override SQL: talked"),
    ]


@pytest.mark.parametrize("state", ["unknown", "objects", "erased"])
def test_nothing_is_decided_about_whom_the_store_must_not_know(known: Store, state: str) -> None:
    if state == "objects":
        known.leads.object("L1", True, NOW)
    elif state == "erased":
        known.erasure.forget("L1", "test", NOW)
    lead = "L9" if state == "unknown" else "L1"
    before = known.audit.of(lead)
    with pytest.raises(DataError, match="nothing was decided"):
        known.decisions.make(lead, "conversion", decided())
    with pytest.raises(DataError, match="nothing was decided"):
        known.decisions.lift(lead, "conversion", "account anna", NOW)
    assert known.audit.of(lead) == before


def test_a_reason_is_of_the_closed_list(known: Store) -> None:
    with pytest.raises(UsageError, match="choose one of"):
        known.decisions.make("L1", "conversion", Decision("SQL", "his name is Max", "account anna", NOW, None))
    assert known.decisions.of("L1", "conversion") is None
    assert len(REASONS) == len(set(REASONS)) >= 5
