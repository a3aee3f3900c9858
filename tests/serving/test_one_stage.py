"""One lead, one stage: list, one lead's answer, score by id and pages agree, by one rule with hysteresis."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.contract import US_PER_DAY
from serving.http.services import Services
from serving.store.events.event_validation import EventIn
from serving.store.leads.decisions import Decision
from serving.store.scores.scores import StoredScore
from tests.serving.inside import Inside
from training.thresholds.stages import MARGIN, StageThreshold, next_stage

STEPS = [StageThreshold("MQL", 0.1), StageThreshold("SQL", 0.4)]
PATHS = {
    "rises": [0.05, 0.2, 0.45],
    "stays within the margin": [0.41, 0.38],
    "falls below it": [0.41, 0.35],
    "falls to the bottom": [0.45, 0.089],
    "never qualified": [0.01],
}


def stages(inside: Inside, lead_id: str) -> set[str]:
    """What every place that tells a stage says of a lead."""
    listed = {row["lead_id"]: row["stage"] for row in inside.get("/v1/leads").json()["leads"]}
    score = inside.get(f"/v1/leads/{lead_id}/score").json()["score"]
    chosen = inside.get("/v1/leads", params={"stage": listed[lead_id]}).json()["leads"]
    assert lead_id in {row["lead_id"] for row in chosen}
    return {listed[lead_id], score["stage"]}


def put(services: Services, name: str, path: list[float], now: int) -> str:
    """A lead that was scored with these probabilities, one a day; what the model's rule makes of them."""
    services.store.events.add([EventIn(name, "page_view", now - 30 * US_PER_DAY, event_id=name)], now)
    stage: str | None = None
    for day, p in enumerate(path):
        as_of = now - (len(path) - day) * US_PER_DAY
        services.store.scores.record([StoredScore(name, "conversion", as_of, p, 0, 1, "1", "d")], STEPS, as_of)
        stage = next_stage(stage, p, STEPS)
    return str(stage)


def test_list_and_score_by_id_tell_one_stage(services: Services, inside: Inside) -> None:
    now = services.clock()
    expected = {name: put(services, name.replace(" ", "_"), path, now) for name, path in PATHS.items()}
    assert sorted(expected.values()) == ["MQL", "SQL", "SQL", "unqualified", "unqualified"]
    for name, stage in expected.items():
        assert stages(inside, name.replace(" ", "_")) == {stage}


def test_what_someone_has_decided_holds_everywhere(services: Services, inside: Inside) -> None:
    now = services.clock()
    put(services, "L", [0.01], now)
    services.store.decisions.make("L", "conversion", Decision("SQL", "talked", "anna", now, None))
    assert stages(inside, "L") == {"SQL"}
    services.store.scores.settle(["L"], "conversion", "customer", "converted", now)
    assert stages(inside, "L") == {"customer"}


def test_the_stage_without_history_stands_beside_it(services: Services, inside: Inside) -> None:
    now = services.clock()
    put(services, "L", [0.45], now)
    score = inside.get("/v1/leads/L/score").json()["score"]
    served = services.champion.current()
    assert score["stage"] == "SQL"
    assert score["stage_without_history"] == next_stage(None, score["probability"], served.effective_thresholds.stages)
    assert score["stage_without_history"] != "SQL", "the planted case: without history the two would disagree"


def test_a_lead_that_was_never_scored_stands_where_its_probability_puts_it(services: Services, inside: Inside) -> None:
    now = services.clock()
    services.store.events.add([EventIn("L", "page_view", now - US_PER_DAY)], now)
    score = inside.get("/v1/leads/L/score").json()["score"]
    assert score["stage"] == score["stage_without_history"]


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_a_stage_is_left_only_below_the_margin(path: list[float]) -> None:
    """The planted fault, a margin of zero, would leave at once."""
    reached: list[str] = []
    for p in path:
        reached.append(next_stage(reached[-1] if reached else None, p, STEPS))
    begins = {step.stage: step.probability for step in STEPS}
    order = ["unqualified", "MQL", "SQL"]
    for (before, after), p in zip(pairwise(reached), path[1:], strict=True):
        if order.index(after) < order.index(before):
            assert p < (1 - MARGIN) * begins[before]
        if order.index(after) > order.index(before):
            assert p >= begins[after]


@pytest.mark.parametrize("share", np.linspace(0.9, 0.999, 5).tolist())
def test_just_below_a_threshold_a_lead_keeps_its_stage(share: float) -> None:
    assert next_stage("SQL", 0.4 * share, STEPS) == "SQL"
    assert next_stage("MQL", 0.4 * share, STEPS) == "MQL"
