"""What sales does with leads over the API: each step once, and whoever comes second is told of the first."""

from __future__ import annotations

from typing import Any

import pytest

from serving.http.services import Services
from serving.scoring.served_model import ServedModel
from serving.store.scores.scores import StoredScore
from tests.serving.inside import Inside
from training.thresholds.stages import StageThreshold


@pytest.fixture
def known(services: Services, live: ServedModel) -> Services:
    """A lead in SQL whose owner is anna, and one that objects."""
    now = services.clock()
    for lead in ("L1", "L2"):
        services.store.leads.put(lead, now - 9, None, {"owner": "anna"}, now)
        score = StoredScore(lead, live.target.name, now, 0.4, 0.3, 0.5, "1", "d")
        services.store.scores.record([score], [StageThreshold("SQL", 0.2)], now)
    services.store.leads.object("L2", True, now)
    return services


def sent(inside: Inside, action: str, seen: int = 0, lead: str = "L1", **fields: Any) -> tuple[int, dict[str, Any]]:
    body = {"action": action, "seen": seen, **fields}
    answer = inside.post(f"/v1/leads/{lead}/work", json=body)
    return answer.status_code, answer.json()


def test_a_lead_is_taken_accepted_and_handed_back(inside: Inside, known: Services) -> None:
    status, step = sent(inside, "take", owner="anna")
    assert (status, step["number"], step["owner"], step["stage"]) == (200, 1, "anna", "SQL")
    assert sent(inside, "accept", 1)[1]["owner"] == "anna"
    assert sent(inside, "snooze", 2, days=3)[1]["until"].endswith("T00:00:00Z")
    assert sent(inside, "return", 3)[0] == 200
    detail = inside.get("/v1/leads/L1").json()
    assert [step["action"] for step in detail["work"]] == ["return", "snooze", "accept", "take"]
    kinds = [event["event_type"] for event in detail["history"]]
    assert kinds == ["sales_returned", "sales_snoozed", "sales_accepted", "sales_taken"]


def test_who_comes_second_is_told_what_was_done(inside: Inside, known: Services) -> None:
    sent(inside, "take", owner="anna")
    status, problem = sent(inside, "reject", reason="timing")
    assert (status, problem["error"]) == (409, "conflict")
    assert "taken by anna (step 1)" in problem["detail"]
    assert sent(inside, "take", owner="anna")[1]["number"] == 1, "the same again is the same step"


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"action": "take", "owner": "who"}, 409, "neither an account nor an owner"),
        ({"action": "accept"}, 409, "say who acts"),
        ({"action": "reject", "reason": "smells", "owner": "anna"}, 409, "no_fit"),
        ({"action": "take"}, 422, "owner"),
        ({"action": "reject", "owner": "anna"}, 422, "reason"),
        ({"action": "snooze", "owner": "anna", "days": 0}, 422, "days"),
        ({"action": "take", "owner": "anna", "seen": 1.5}, 422, "seen"),
        ({"action": "take", "owner": "anna", "note": "his wife is ill"}, 422, "a field that is not known"),
        ({"action": "steal", "owner": "anna"}, 422, "action"),
    ],
)
def test_what_cannot_be_is_said_and_does_nothing(
    inside: Inside, known: Services, fields: dict[str, Any], status: int, said: str
) -> None:
    answer = inside.post("/v1/leads/L1/work", json={"seen": 0, **fields})
    assert answer.status_code == status
    assert said in answer.json()["detail"]
    assert known.store.work.of("L1") == []


@pytest.mark.parametrize("lead", ["L2", "L9"])
def test_a_lead_that_objects_or_is_unknown_is_not_there(inside: Inside, known: Services, lead: str) -> None:
    assert sent(inside, "take", lead=lead, owner="anna")[0] == 404


def test_a_repeated_request_has_one_effect(inside: Inside, known: Services) -> None:
    key, body = {"Idempotency-Key": "once"}, {"action": "reject", "seen": 0, "reason": "timing", "owner": "anna"}
    answers = [inside.post("/v1/leads/L1/work", json=body, headers=key) for _ in range(3)]
    assert len({answer.text for answer in answers}) == 1
    assert len(known.store.work.of("L1")) == 1
