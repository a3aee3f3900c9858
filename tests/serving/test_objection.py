"""Whoever objects is scored on no path, and nothing that a score has said of it is shown or found in a list."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from serving.app import create_app
from serving.http.lead_paths import in_path
from serving.http.services import Services
from serving.scoring import batch
from serving.store.events.event_validation import EventIn
from serving.store.leads.listing import Filters
from serving.store.scores.scores import StoredScore
from serving.store.store import Store, open_store
from tests.serving.inside import Inside
from tests.test_cli import Shell
from training.thresholds.stages import StageThreshold
from workspace import Workspace

AT = 1_700_000_000_000_000
LISTED = ("stage", "model_stage", "override", "probability", "interval", "as_of", "model_version")


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Shell(capsys, monkeypatch)


@pytest.fixture
def asked(services: Services, store: Store) -> Iterator[Inside]:
    """A server on each of the two databases, with two leads that have scores."""
    for lead in ("1", "11"):
        store.events.add([EventIn(lead, "page_view", AT)], AT)
        score = StoredScore(lead, "conversion", AT, 0.4, 0.3, 0.5, "1", "d")
        store.scores.record([score], [StageThreshold("MQL", 0.2)], AT)
    with closing(Inside(create_app(replace(services, store=store)))) as inside:
        yield inside


def test_lists_show_nothing_of_a_score_and_do_not_find_by_it(asked: Inside, store: Store) -> None:
    assert asked.put("/v1/leads/1/objection", json={"objects": True}).status_code == 200
    shown = {lead["lead_id"]: lead for lead in asked.get("/v1/leads").json()["leads"]}
    assert (shown["1"]["objection"], shown["11"]["objection"]) == (True, False)
    assert [shown["1"][name] for name in LISTED] == [None] * len(LISTED)
    assert shown["11"]["probability"] == 0.4
    for query in ("stage=MQL", "score_from=0", "score_to=1", "order=probability"):
        assert [lead["lead_id"] for lead in asked.get(f"/v1/leads?{query}").json()["leads"]] == ["11"], query
    detail = asked.get("/v1/leads/1").json()
    assert detail["scores"] == []
    assert [change["probability"] for change in detail["stages"]] == [None]
    assert asked.get("/v1/leads/1/score").status_code == 451
    assert store.scores.record([StoredScore("1", "conversion", AT + 1, 0.9, 0, 1, "1", "d")], [], AT) == {}
    assert store.rescorings.next_leads(store.rescorings.begin("conversion", "d", AT)) == ["11"]
    asked.put("/v1/leads/1/objection", json={"objects": False})
    assert [lead.probability for lead in store.listing.page(Filters()).leads] == [0.4, 0.4]


def test_whoever_objects_or_was_erased_is_not_scored_from_the_log(
    trained: Workspace, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command, also where nothing was published; and by what the server noted before there was a ledger."""
    root = tmp_path / "var"
    shutil.copytree(trained.root, root)
    options = ("--var", root, "--config", root / "small.toml")

    def scored() -> list[str]:
        assert shell("score", "--out", root / "a.csv", *options)[0] == 0
        with (root / "a.csv").open() as file:
            return [row["lead_id"] for row in csv.DictReader(file)]

    everybody = scored()
    first, second, third = everybody[:3]
    assert json.loads(shell("objection", first, "--var", root, "--json")[1]) == {"objects": True}
    with open_store(f"sqlite:///{root / 'store.db'}") as store:
        store.leads.put(second, AT, None, {}, AT)
        store.leads.object(second, True, AT)
    assert scored() == everybody[2:]
    assert shell("objection", first, "--withdraw", "--var", root)[0] == 0
    assert scored() == [first, *everybody[2:]]
    output = shell("score", "--out", root / "a.csv", *options, "--top", "3")[1]
    assert second not in output
    assert shell("forget", third, "--var", root)[0] == 0
    assert scored() == [first, *everybody[3:]]
    monkeypatch.setattr(batch, "_scorable_moments", lambda histories, moments, known: moments)
    monkeypatch.setattr(batch, "scorable", lambda rows, known: rows)
    assert second in scored(), "the planted fault"


@pytest.mark.parametrize("word", ["undefined", "null", "N/A", "-", "1.23E+11", '["7"]'])
def test_what_is_no_id_makes_no_lead_of_many(services: Services, store_url: str, word: str) -> None:
    event = {"lead_id": "7", "event_type": "page_view", "occurred_at": "2024-05-01T12:00:00Z"}
    with open_store(store_url) as store, closing(Inside(create_app(replace(services, store=store)))) as asked:
        for field in ("lead_id", "event_id"):
            (result,) = asked.post("/v1/events", json={"events": [event | {field: word}]}).json()["results"]
            assert result["status"] == "rejected"
            assert result["reason"].startswith(f"{field} ")
        path = f"/v1/leads/{in_path(word)}"
        assert asked.put(path, json={}).status_code == 422
        assert asked("DELETE", path).json()["removed"]["rejected"] == 1, "what came in is reached and erased"
        assert asked.put("/v1/leads/7", json={"account_id": word}).status_code == 422
        assert asked.get("/v1/leads").json()["leads"] == []


def test_an_id_that_says_who_somebody_is_is_refused_unless_that_is_meant(services: Services, store_url: str) -> None:
    """At the doors of services as at those of files; what is there already is reached and erased."""
    event = {"event_type": "page_view", "occurred_at": "2024-05-01T12:00:00Z"}
    personal = ("max@example.org", "+49 170 1234567", "555-123-4567")
    with open_store(store_url) as store, closing(Inside(create_app(replace(services, store=store)))) as asked:
        for lead in personal:
            (result,) = asked.post("/v1/events", json={"events": [{**event, "lead_id": lead}]}).json()["results"]
            assert "is an e-mail address or a telephone number" in result["reason"]
            path = f"/v1/leads/{in_path(lead)}"
            assert asked.put(path, json={}).status_code == 422
            assert asked.put("/v1/leads/1", json={"account_id": lead}).status_code == 422
            (many,) = asked.put("/v1/leads", json={"leads": [{"lead_id": lead, "profile": {}}]}).json()["results"]
            assert many["status"] == "rejected"
            assert asked("DELETE", path).json()["removed"]["rejected"] == 1
    with open_store(store_url, personal_ids=True) as store:
        results = store.events.add([EventIn(lead, "visit", AT) for lead in ("eva@example.org", "+49 170 7654321")], AT)
        assert [result.status for result in results] == ["accepted"] * 2
