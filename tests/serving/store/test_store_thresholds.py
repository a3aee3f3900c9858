"""Thresholds that people publish: they wait for a scoring, belong to a model, and stand in the audit trail."""

from __future__ import annotations

import pytest

from data.contract import UsageError
from serving.store.scores.threshold_changes import Wish
from serving.store.store import Store
from training.thresholds.rule_types import PrecisionRule
from training.thresholds.threshold import Threshold

NOW = 1_700_000_000_000_000


def wish(stage: str = "SQL", digest: str = "d1", target: float | None = 0.3, reason: str = "goal") -> Wish:
    threshold = None if target is None else of_precision(stage, target)
    return Wish("conversion", stage, "7", digest, "anna", reason, threshold)


def of_precision(stage: str, target: float, begins: float = 0.4) -> Threshold:
    return Threshold(stage, PrecisionRule(target, 0.95), begins, 900, 100, 60, 20.0, 11.0)


OWN = (of_precision("MQL", 0.1, 0.05), of_precision("SQL", 0.3, 0.4))


def test_a_change_waits_until_a_scoring_takes_it_up(store: Store) -> None:
    store.thresholds.publish([wish()], OWN, NOW)
    assert store.thresholds.effective("conversion", "d1") == []
    [taken] = store.thresholds.take_up("conversion", "d1", NOW + 5)
    assert (taken.stage, taken.who, taken.taken_up_at) == ("SQL", "anna", NOW + 5)
    assert taken.threshold == of_precision("SQL", 0.3)
    assert store.thresholds.take_up("conversion", "d1", NOW + 9) == [taken], "once"


def test_the_newest_of_a_stage_holds_and_a_stage_can_be_given_back(store: Store) -> None:
    for wished in (wish("MQL"), wish(target=0.2), wish(target=0.4)):
        store.thresholds.publish([wished], OWN, NOW)
    taken = [change.threshold for change in store.thresholds.take_up("conversion", "d1", NOW)]
    assert {threshold.stage: threshold.rule.target for threshold in taken if threshold is not None} == {
        "MQL": 0.3,
        "SQL": 0.4,
    }
    store.thresholds.publish([wish(target=None)], OWN, NOW + 1)
    assert len(store.thresholds.effective("conversion", "d1")) == 2, "the next scoring gives it back"
    assert [change.stage for change in store.thresholds.take_up("conversion", "d1", NOW + 2)] == ["MQL"]


def test_another_model_or_target_is_not_touched(store: Store) -> None:
    store.thresholds.publish([wish()], OWN, NOW)
    assert store.thresholds.take_up("conversion", "d2", NOW) == []
    assert store.thresholds.take_up("sql_accepted", "d1", NOW) == []
    assert [change.taken_up_at for change in store.thresholds.history("conversion")] == [None]


def test_who_and_why_stand_in_the_audit_trail_and_free_text_does_not(store: Store) -> None:
    store.thresholds.publish([wish()], OWN, NOW)
    [entry] = store.audit.entries()
    assert (entry.who, entry.action) == ("account anna", "threshold SQL precision 0.3: goal")
    with pytest.raises(UsageError, match="unknown; choose one of capacity"):
        store.thresholds.publish([wish(reason="because Bob said so")], OWN, NOW)
    assert len(store.audit.entries()) == len(store.thresholds.history("conversion")) == 1
