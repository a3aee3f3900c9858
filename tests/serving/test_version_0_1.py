"""What version 0.1 has made goes on working: its artifacts score and explain as they did, its store opens as it was."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from serving.http.answers import many
from serving.messages.schemas import Extra, ScoreRequest
from serving.messages.times import written_us
from serving.scoring.served_model import ServedModel
from serving.store.store import Store, open_store

MADE = Path(__file__).parents[1] / "version_0_1"
"""Two small artifacts, requests, a store on SQLite, and what version 0.1 has answered."""
ANSWERS: dict[str, Any] = json.loads((MADE / "answers.json").read_text(encoding="utf-8"))


@pytest.fixture
def old_store(tmp_path: Path) -> Iterator[Store]:
    path = tmp_path / "store.db"
    path.write_bytes(gzip.decompress((MADE / "store.db.gz").read_bytes()))
    with open_store(f"sqlite:///{path}") as opened:
        yield opened


@pytest.mark.parametrize("kind", ["fixed", "hazard"])
def test_an_artifact_scores_and_explains_as_it_did(kind: str) -> None:
    live = ServedModel.load(MADE / kind, "m", "1")
    requests = msgspec.json.decode((MADE / "requests.json").read_bytes(), type=list[ScoreRequest])
    as_of = [written_us(str(request.as_of), "as_of") for request in requests]
    leads = live.request_histories(requests, as_of)
    unused = [live.unused(request) for request in requests]
    answer = many(live, leads, live.score(leads, as_of), as_of, unused, Extra(False, "en", ()))
    scores = json.loads(msgspec.json.encode(answer))["scores"]
    assert len(scores) == len(ANSWERS[kind]["scores"]) == 5
    for score, before in zip(scores, ANSWERS[kind]["scores"], strict=True):
        for name in ("probability", "fit", "engagement", "fit_share"):
            assert score[name] == pytest.approx(before[name], abs=1e-12), name
        # The interval tells what became of leads that scored alike, and reasons are of all that is told as one.
        low, high = score["interval"]
        assert 0 <= low < high <= 1
        for name in ("stage", "as_of", "events_counted", "newest_event_age_s", "unused"):
            assert score[name] == before[name], name
        for side in ("speaks_for", "speaks_against"):
            assert {reason["feature"] for reason in score["reasons"][side]} <= {
                feature.name for feature in live.predictor.manifest.features
            }
    assert answer.threshold_set.digest == ANSWERS[kind]["threshold_set"]["digest"]
    assert answer.model.digest == ANSWERS[kind]["model"]["digest"]


def test_a_store_opens_with_all_that_it_held(old_store: Store) -> None:
    before = ANSWERS["store"]
    assert len(before) >= 10
    for lead_id, lead in before.items():
        standing = [
            {name: getattr(row, name) for name in ("stage", "probability", "low", "high", "as_of")}
            for row in old_store.scores.standing(lead_id)
        ]
        assert standing == lead["standing"]
        assert len(old_store.scores.history(lead_id)) == lead["scores"]
        explanation = old_store.explanations.of("conversion", lead_id)
        assert lead["grounds"] == (None if explanation is None else [reason.feature for reason in explanation.reasons])
    assert [account.name for account in old_store.accounts.list()] == ["anna"]
    assert len(old_store.rejected.list()) == 1
