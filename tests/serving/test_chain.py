"""Probabilities along a chain of targets never rise, and change no more than that takes."""

from __future__ import annotations

import json
import shutil
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from commands.showcase import take
from data.contract import UsageError
from data.log.eventlog import EventLog
from serving.app import create_app
from serving.champion.artifact_cache import ArtifactCache
from serving.champion.artifact_sources import FolderSource
from serving.champion.chain_source import ChainSource
from serving.champion.champion import Champion
from serving.champion.watcher import Watcher
from serving.http.services import Services
from serving.messages.schemas import ScoreRequest
from serving.messages.times import written_us
from serving.scoring.batch import score_log
from serving.scoring.chain import Chain, coherent, in_order, with_chain
from serving.scoring.rescoring import Rescorer
from serving.scoring.scorer import Scorer
from serving.scoring.served_model import ServedModel
from serving.store.leads.worklist_query import WantedLeads
from serving.trees.predictor import Predictor
from settings import Settings
from tests.serving.chained import ACCEPTED, CHAIN, WON, chained, swapped
from tests.serving.inside import Inside
from tests.serving.workshop import Workshop

ODDS = st.floats(-14, 14)
STEPS = st.integers(1, 5).flatmap(
    lambda steps: st.tuples(
        st.lists(st.lists(ODDS, min_size=steps, max_size=steps), min_size=1, max_size=5),
        st.lists(st.floats(1, 10_000), min_size=steps, max_size=steps),
    )
)


@settings(max_examples=200, derandomize=True, database=None)
@given(STEPS)
def test_no_step_is_likelier_than_one_before_it_and_nothing_is_closer(
    made: tuple[list[list[float]], list[float]],
) -> None:
    odds, weight = (np.array(values, dtype=np.float64) for values in made)
    ordered_odds = in_order(odds, weight)
    assert (np.diff(ordered_odds, axis=1) <= 0).all()
    for row, ordered in zip(odds, ordered_odds, strict=True):
        closest = IsotonicRegression(increasing=False).fit_transform(np.arange(len(row)), row, sample_weight=weight)
        assert ordered == pytest.approx(closest, abs=1e-6)
        if (np.diff(row) <= 0).all():
            assert np.array_equal(ordered, row)


def test_the_models_own_word_would_be_caught() -> None:
    odds = np.random.default_rng(0).normal(size=(100, 3))
    assert (np.diff(odds, axis=1) > 0).any()
    assert not (np.diff(in_order(odds, np.ones(3)), axis=1) > 0).any()


@pytest.fixture(scope="module")
def accepted(steps: dict[str, Path]) -> Scorer:
    return Scorer(Predictor.load(steps["sql_accepted"]))


def test_a_list_of_leads_has_a_column_for_each_step(workshop: Workshop, accepted: Scorer) -> None:
    log, won = EventLog.open(workshop.log), Scorer(Predictor.load(workshop.artifact))
    scored = score_log(log, won, "1")
    chain = Chain("conversion", {"sql_accepted": accepted, "conversion": won})
    leads = with_chain(scored.leads, log, chain, scored.as_of)
    assert [lead.lead_id for lead in leads] == [lead.lead_id for lead in scored.leads]
    steps = np.array([[lead.chain["sql_accepted"], lead.chain["conversion"]] for lead in leads])
    assert (steps[:, 1] <= steps[:, 0]).all()
    behind = {lead.lead_id for lead, p in zip(leads, steps[:, 0], strict=True) if p == 1.0}
    assert behind == {lead.lead_id for lead in leads if has_met(log, lead.lead_id)}
    assert 5 < len(behind) < len(leads) - 5
    assert steps[:, 1].tolist() == [lead.probability for lead in leads], "the stage rests on it"


def has_met(log: EventLog, lead: str) -> bool:
    histories = log.find(lead)
    return "meeting" in [histories.types[code] for code in histories.event_type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chain": ["conversion", "sql_accepted"]}, "conversion.events must hold those of sql_accepted and more"),
        ({"chain": ["sql_accepted"]}, "'conversion' must be in the chain and among"),
        ({"chain": ["mql", "conversion"]}, "'mql' must be in the chain and among"),
        ({"targets": {"sql_accepted": ACCEPTED, "conversion": {**WON, "horizon_days": 60}}}, "differ in events alone"),
        ({"targets": {"sql_accepted": ACCEPTED, "conversion": {**WON, "repeats": True}}}, "must not repeat"),
    ],
)
def test_what_is_no_chain_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        assert Settings.model_validate({**CHAIN, **change}).chained


def test_without_a_chain_there_is_the_one_target() -> None:
    assert Settings().chained == ("conversion",)


def test_the_target_that_scores_keeps_its_word_and_the_others_give_way() -> None:
    steps = {"a": np.array([0.1, 0.5, 0.2]), "b": np.array([0.3, 0.3, 0.4]), "c": np.array([0.4, 0.2, 1.0])}
    adjusted = coherent("b", steps, {"a": 5.0, "b": 1.0, "c": 2.0})
    assert adjusted["b"].tolist() == [0.3, 0.3, 0.4]
    assert adjusted["a"] == pytest.approx([0.3, 0.5, 0.4])
    assert adjusted["c"] == pytest.approx([0.3, 0.2, 1.0])


def leads_of(log: EventLog, count: int) -> list[dict[str, Any]]:
    """Leads as a request tells them."""
    requests = []
    for number in range(log.n_buckets):
        histories = log.bucket(number)
        for lead in range(histories.n_leads):
            rows = range(histories.starts[lead], min(histories.starts[lead + 1], histories.starts[lead] + 40))
            at = [str(np.datetime64(int(histories.occurred_at[i]), "us")) + "Z" for i in rows]
            kinds = [histories.types[histories.event_type[i]] for i in rows]
            requests.append({"events": [{"event_type": k, "occurred_at": t} for k, t in zip(kinds, at, strict=True)]})
            if len(requests) == count:
                return requests
    return requests


@pytest.mark.proof("chain")
def test_answers_are_in_order_and_of_one_swap(
    steps: dict[str, Path], workshop: Workshop, services: Services, tmp_path: Path, full: bool
) -> None:
    """Both probabilities of all answers while both models are swapped again and again: none is of two swaps."""
    swaps, wanted = (20, 20_000) if full else (2, 400)
    log = EventLog.open(workshop.log)
    body = {"leads": leads_of(log, 100), "as_of": str(np.datetime64(log.observed_until_us + 1, "us")) + "Z"}
    served = tmp_path / "served"
    place(steps, served)
    sources = {name: FolderSource(served / name, f"leadscore-{name}") for name in steps}
    source, cache = ChainSource("conversion", sources), ArtifactCache(tmp_path / "cache")
    watcher = Watcher(source, cache, services.champion, services.metrics, services.log, 60.0)
    cache.path.mkdir()
    expected = dict[tuple[str, ...], Any]()
    asking, answers = threading.Event(), list[Any]()
    asker = threading.Thread(target=ask, args=(services, body, asking, answers))
    watcher.look()
    asker.start()
    for number in range(1, swaps + 1):
        place(swapped(steps, tmp_path, number), served)
        watcher.look()
        live = services.champion.current()
        assert len(live.chain) == 2
        expected[live.digests] = live
        seen = len(answers)
        while len(answers) < max(seen + 2, wanted // 100 * number // swaps):
            assert asker.is_alive()
            asking.wait(0.01)
    asking.set()
    asker.join()
    by_main = {digests[1]: live for digests, live in expected.items()}
    expected_chains = {digest: told_by(live, body) for digest, live in by_main.items()}
    compared = 0
    for answer in answers:
        chains = [score["chain"] for score in answer["scores"]]
        assert all(list(chain) == ["sql_accepted", "conversion"] for chain in chains)
        assert all(chain["conversion"] <= chain["sql_accepted"] for chain in chains)
        assert [chain["conversion"] for chain in chains] == [score["probability"] for score in answer["scores"]]
        if answer["model"]["digest"] in expected_chains:
            assert chains == expected_chains[answer["model"]["digest"]]
            compared += len(chains)
    assert compared >= wanted - 200
    assert len({answer["model"]["digest"] for answer in answers}) >= swaps


def place(artifacts: dict[str, Path], served: Path) -> None:
    """Puts artifacts where they are watched."""
    served.mkdir(exist_ok=True)
    for name, artifact in artifacts.items():
        shutil.rmtree(served / name, ignore_errors=True)
        shutil.copytree(artifact, served / name)


def ask(services: Services, body: dict[str, Any], stop: threading.Event, answers: list[Any]) -> None:
    """Asks again and again."""
    with closing(Inside(create_app(services))) as asked:
        while not stop.is_set():
            answer = asked.post("/v1/score/batch", json=body)
            assert answer.status_code == 200
            if "chain" in answer.json()["scores"][0]:
                answers.append(answer.json())


def told_by(live: ServedModel, body: dict[str, Any]) -> list[dict[str, float]]:
    requests = [msgspec.convert(lead, ScoreRequest) for lead in body["leads"]]
    as_of = [written_us(body["as_of"], "$")] * len(requests)
    chain = live.score(live.request_histories(requests, as_of), as_of).chain
    assert chain is not None
    return chain


def test_two_swaps_one_after_the_other_would_be_caught(
    steps: dict[str, Path], workshop: Workshop, tmp_path: Path
) -> None:
    """Planted: the second model is put in place after the first."""
    log = EventLog.open(workshop.log)
    body = {"leads": leads_of(log, 100), "as_of": str(np.datetime64(log.observed_until_us + 1, "us")) + "Z"}
    whole = swapped(steps, tmp_path, 7)
    half = chained({**steps, "conversion": whole["conversion"]})
    assert told_by(half, body) != told_by(chained(whole), body)


def test_a_step_that_is_damaged_keeps_all_of_the_chain_as_it_was(
    steps: dict[str, Path], services: Services, tmp_path: Path
) -> None:
    served = tmp_path / "served"
    place(steps, served)
    sources = {name: FolderSource(served / name, f"leadscore-{name}") for name in steps}
    cache = ArtifactCache(tmp_path / "cache")
    cache.path.mkdir()
    watcher = Watcher(
        ChainSource("conversion", sources), cache, services.champion, services.metrics, services.log, 60.0
    )
    watcher.look()
    before = services.champion.current()
    place(swapped(steps, tmp_path, 3), served)
    (served / "sql_accepted" / "booster-0.txt").write_text("tree")
    watcher.look()
    assert services.champion.current() is before
    assert "refused" in (services.champion.refusal or "")
    place(swapped(steps, tmp_path, 4), served)
    watcher.look()
    assert services.champion.current().digests != before.digests
    assert services.champion.refusal is None
    again = Champion()
    restarted = Watcher(ChainSource("conversion", sources), cache, again, services.metrics, services.log, 60.0)
    restarted.stop()
    restarted.start()
    assert again.current().digests == services.champion.current().digests


def test_list_lead_export_and_answer_tell_one_chain_and_one_stage(
    steps: dict[str, Path], workshop: Workshop, services: Services
) -> None:
    log, live = EventLog.open(workshop.log), chained(steps)
    services.champion.swap(live)
    now = log.observed_until_us + 1
    take(services.store, log, 0, 0, now)
    Rescorer(services.store, live.scorer, "1", live.model.digest, live.steps).run(lambda: now)
    page = services.store.worklist.page(WantedLeads("conversion"))
    known = {entry.lead_id: json.loads(entry.chain or "{}") for entry in page.entries}
    assert len(known) > 10
    for entry in page.entries:
        chain = known[entry.lead_id]
        assert list(chain) == ["sql_accepted", "conversion"]
        assert chain["conversion"] == entry.probability <= chain["sql_accepted"]
    files = with_chain(score_log(log, live.scorer, "1").leads, log, live.steps or Chain("", {}), now)
    from_files = {lead.lead_id: lead.chain["sql_accepted"] for lead in files}
    assert {lead: chain["sql_accepted"] for lead, chain in known.items()} == pytest.approx(
        {lead: from_files[lead] for lead in known}, rel=0, abs=1e-9
    )
    with closing(Inside(create_app(replace(services, clock=lambda: now)))) as asked:
        listed = {lead["lead_id"]: lead for lead in asked.get("/v1/leads?limit=1000").json()["leads"]}
        lead = next(iter(known))
        alone = asked.get(f"/v1/leads/{lead}/score").json()
        assert listed[lead]["chain"] == known[lead]
        assert alone["score"]["chain"] == pytest.approx(known[lead], abs=1e-9)
        assert listed[lead]["stage"] == alone["score"]["stage"]
