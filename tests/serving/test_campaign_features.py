"""What is known of campaigns and assets is the same from files, from the store, and of a lead that a request tells."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.contract import US_PER_DAY as DAY
from data.contract import UsageError
from data.histories import Histories
from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.sources.mapping import EventsPart, read_mapping
from data.vocabulary import NAMING
from features.catalogue import campaign_catalogue, default_catalogue
from features.compiler import compile_plan
from features.kernel import Moments, compute, compute_arrays
from features.kinds import ColleaguesActive, Definition
from features.plan import Plan
from serving.messages.schemas import Event
from serving.messages.times import at
from serving.scoring.request_histories import Reader
from serving.store.events.event_validation import EventIn
from serving.store.store import Store
from serving.trees.matrix import MatrixPlan
from settings import Settings
from training.artifact.manifest import Feature

START = 19_800 * DAY
SIMULATED = read_mapping("simulated")
NAMED = SIMULATED.model_copy(
    update={"events": (EventsPart(**{**SIMULATED.events[0].model_dump(), "campaign": "campaign", "asset": "asset"}),)}
)
WON = {"conversion": {"events": ["webinar_attended"]}}
HEADER = "lead_id,event_type,occurred_at,received_at,channel,value,source,event_id,campaign,asset"


@dataclass(frozen=True)
class Town:
    """The same events as rows and as a log; plan: the features of campaigns among all others."""

    rows: list[dict[str, Any]]
    log: EventLog
    plan: Plan

    @property
    def moments(self) -> list[int]:
        return [START + days * DAY for days in (1, 3, 8, 30, 61, 100)]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    folder, rng = tmp_path_factory.mktemp("campaigns"), random.Random(4)
    rows = [drawn(rng, number) for number in range(400)]
    path = folder / "events.csv"
    lines = [",".join("" if value is None else str(value) for value in told(row).values()) for row in rows]
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    ingest(folder / "log", NAMED, [str(path)], [], buckets=2)
    log = EventLog.open(folder / "log")
    catalogue = default_catalogue(log.vocabulary, {}) + campaign_catalogue(list(NAMING.values()))
    return Town(rows, log, compile_plan(catalogue, log.vocabulary))


def drawn(rng: random.Random, number: int) -> dict[str, Any]:
    """An event; many happen at the same time, and some are told late."""
    occurred = START + rng.randrange(60) * DAY
    return {
        "lead_id": f"L{rng.randrange(12):02d}",
        "event_type": rng.choice(["page_view", "email_open", "webinar_attended"]),
        "occurred_at": occurred,
        "received_at": occurred + rng.choice([0, 0, DAY]),
        "channel": rng.choice([None, "web"]),
        "value": None,
        "source": "s",
        "event_id": f"e{number}",
        "campaign": rng.choice([None, "spring", "autumn"]),
        "asset": rng.choice([None, None, "white paper"]),
    }


def told(row: dict[str, Any]) -> dict[str, Any]:
    """The event with its times as texts."""
    return {**row, **{name: at(row[name]).isoformat() for name in ("occurred_at", "received_at")}}


def of_lead(plan: Plan, histories: Histories, lead: int, moments: list[int]) -> list[dict[str, Any]]:
    """Features of one lead at some moments; NaN is None."""
    rows = compute(plan, histories, Moments(np.full(len(moments), lead, np.int32), np.array(moments))).to_pylist()
    return [{name: None if value != value else value for name, value in row.items()} for row in rows]


def test_files_store_and_request_tell_the_same(town: Town, own_store: Store) -> None:
    own_store.events.add([EventIn(**row) for row in town.rows], START + 200 * DAY)
    compared = 0
    for bucket in range(town.log.n_buckets):
        histories = town.log.bucket(bucket)
        for lead, lead_id in enumerate(histories.lead_ids.to_pylist()):
            by_files = of_lead(town.plan, histories, lead, town.moments)
            stored = own_store.histories.of([lead_id], town.moments[-1], {}, ())
            assert of_lead(town.plan, stored, 0, town.moments) == by_files
            told_events = [
                Event(**{name: value for name, value in told(row).items() if name != "lead_id"})
                for row in town.rows
                if row["lead_id"] == lead_id
            ]
            requested = Reader(town.log.vocabulary.types, ()).histories([told_events], np.array([START]))
            assert of_lead(town.plan, requested, 0, town.moments) == [
                {**row, "age": here["age"]}
                for row, here in zip(by_files, of_lead(town.plan, requested, 0, town.moments), strict=True)
            ]
            compared += sum(row["last_touch_campaign_any_campaign"] is not None for row in by_files)
    assert compared > 40


def test_a_request_without_its_campaigns_would_be_caught(town: Town) -> None:
    """Planted: what the caller tells of campaigns is dropped."""
    rows = [{**told(row), "campaign": None, "asset": None} for row in town.rows if row["lead_id"] == "L00"]
    events = [Event(**{name: value for name, value in row.items() if name != "lead_id"}) for row in rows]
    histories = Reader(town.log.vocabulary.types, ()).histories([events], np.array([START]))
    known = of_lead(town.plan, town.log.find("L00"), 0, town.moments[-1:])[0]
    assert of_lead(town.plan, histories, 0, town.moments[-1:])[0]["count_any_campaign_ever"] == 0
    assert known["count_any_campaign_ever"] > 0


def test_the_matrix_of_a_request_is_the_tables(town: Town) -> None:
    histories = town.log.find("L01")
    moments = Moments(np.zeros(len(town.moments), np.int32), np.array(town.moments))
    table = compute(town.plan, histories, moments)
    names = [name for name in table.column_names if "touch" in name]
    features = [Feature(name, tuple(sorted({*table.column(name).to_pylist()} - {None}))) for name in names]
    matrix = MatrixPlan(town.plan.definitions, features).matrix(
        compute_arrays(town.plan, histories, moments), histories, []
    )
    for place, feature in enumerate(features):
        codes = [None if code != code else (feature.categories or ())[int(code)] for code in matrix[:, place]]
        assert codes == table.column(feature.name).to_pylist()


def test_they_are_features_only_where_they_are_asked_for_and_named(town: Town, tmp_path: Path) -> None:
    asked = Settings.model_validate({"features": {"campaigns": "yes"}, "targets": WON})
    plain = Settings.model_validate({"targets": WON})
    names = {definition.name for definition in asked.catalogue(town.log)}
    assert names - {definition.name for definition in plain.catalogue(town.log)} == {
        definition.name for definition in campaign_catalogue(["campaign", "asset"])
    }
    lines = [",".join(str(told(row)[name] or "") for name in HEADER.split(",")[:8]) for row in town.rows]
    (tmp_path / "events.csv").write_text("\n".join([",".join(HEADER.split(",")[:8]), *lines]) + "\n")
    ingest(tmp_path / "log", SIMULATED, [str(tmp_path / "events.csv")], [], buckets=2)
    assert asked.catalogue(EventLog.open(tmp_path / "log")) == plain.catalogue(EventLog.open(tmp_path / "log"))


def test_colleagues_are_not_looked_at_by_campaign(town: Town) -> None:
    looked: list[Definition] = [ColleaguesActive("any_campaign", 30)]
    with pytest.raises(UsageError, match="colleagues are not looked at by any_campaign"):
        compile_plan(looked, town.log.vocabulary)
