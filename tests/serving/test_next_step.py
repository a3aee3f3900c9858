"""What to do next: the first rule that fits, every rule reachable, and every rule in the document."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from serving.scoring.next_step import ANSWER_DAYS, BACK_DAYS, OPEN_DAYS, QUIET_DAYS, RULES, Situation, next_step
from tests.conftest import REPOSITORY
from training.thresholds.stages import CUSTOMER, UNQUALIFIED


@pytest.mark.parametrize(
    ("stage", "closed", "quiet_days", "rising", "pressed", "step"),
    [
        ("SQL", False, 1, True, True, "pause"),
        (CUSTOMER, False, 1, False, True, "pause"),
        (CUSTOMER, False, 1, False, False, "upsell"),
        (CUSTOMER, False, None, False, False, "upsell"),
        (CUSTOMER, False, QUIET_DAYS, False, False, "win_back"),
        (UNQUALIFIED, True, BACK_DAYS - 1, False, False, "win_back"),
        (UNQUALIFIED, True, BACK_DAYS, False, False, "rest"),
        (UNQUALIFIED, True, None, False, False, "rest"),
        ("SQL", False, 500, False, False, "hand_over"),
        ("MQL", False, 500, True, False, "nurture"),
        (UNQUALIFIED, False, QUIET_DAYS, True, False, "nurture"),
        (UNQUALIFIED, False, QUIET_DAYS, False, False, "win_back"),
        (UNQUALIFIED, False, QUIET_DAYS - 1, False, False, "nurture"),
        (UNQUALIFIED, False, None, False, False, "nurture"),
    ],
)
def test_the_step_that_is_due(
    stage: str, closed: bool, quiet_days: int | None, rising: bool, pressed: bool, step: str
) -> None:
    assert next_step(Situation(stage, closed, quiet_days, rising, pressed)).step == step


@pytest.mark.parametrize(
    ("done", "step"),
    [
        ({"ruled_out": True, "replied_days": 0}, "rest"),
        ({"replied_days": 0, "offer_days": 3}, "reply"),
        ({"offer_days": 3, "met_days": 9, "asked_days": 1}, "follow_up"),
        ({"met_days": OPEN_DAYS - 1}, "follow_up"),
        ({"met_days": OPEN_DAYS}, "hand_over"),
        ({"asked_days": ANSWER_DAYS - 1}, "wait"),
        ({"asked_days": ANSWER_DAYS}, "hand_over"),
        ({"unsubscribed": True}, "call"),
        ({"in_hand": True}, "contact"),
        ({"in_hand": True, "unsubscribed": True}, "call"),
    ],
)
def test_what_was_done_comes_before_the_stage(done: dict[str, Any], step: str) -> None:
    assert next_step(Situation("SQL", False, 1, True, False, **done)).step == step
    assert next_step(Situation("SQL", False, 1, True, True, **done)).step == "pause"


def test_some_lead_reaches_every_rule_and_every_lead_reaches_one() -> None:
    everybody: Any = itertools.product(
        (UNQUALIFIED, "MQL", "SQL", CUSTOMER, "of one's own"),
        (False, True),
        (None, 0, 20, 100),
        (False, True),
        (False, True),
        (False, True),
        (False, True),
        (None, 1),
        (None, 1),
        (None, 1),
        (None, 1),
        (False, True),
    )
    assert {next_step(Situation(*name)).name for name in everybody} == {rule.name for rule in RULES}


def test_every_rule_stands_in_the_document_in_its_order() -> None:
    text = (REPOSITORY / "docs" / "page.md").read_text(encoding="utf-8")
    places = [text.index(f"| `{rule.name}` |") for rule in RULES]
    assert places == sorted(places)
    assert f"{QUIET_DAYS} days" in text
    assert f"{BACK_DAYS} days" in text
