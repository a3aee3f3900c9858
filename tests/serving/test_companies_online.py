"""A model that looks at companies scores the same from files and from the store, one by one and all together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from commands.showcase import take
from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.simulated.simulate import FunnelOptions, simulate
from data.sources.mapping import read_mapping
from features.kernel import Moments, compute
from features.training_set import TrainingSet
from serving.routes.stored_scores import histories_of
from serving.scoring.batch import score_log
from serving.scoring.request_histories import RequestHistories
from serving.scoring.rescoring import Rescorer
from serving.scoring.scorer import Scorer
from serving.scoring.served_model import ServedModel
from serving.store.events import companies as stored
from serving.store.store import Store, open_store
from settings import Settings
from tests.artifacts import TRAINED_ON
from training.recipe.train import fit_champion
from training.registry.artifact_files import write_artifact
from training.samples.sample import read_sample
from workspace import Workspace

TRAINING = {"folds": 2, "max_rounds": 40, "learning_rate": 0.1, "model": "fixed", "twin": "no"}


@dataclass(frozen=True)
class World:
    """A log in which companies share intent, a model that looks at them, and a store that holds all of it."""

    log: EventLog
    training_set: TrainingSet
    live: ServedModel
    store: Store
    now: int

    @property
    def scorer(self) -> Scorer:
        return self.live.scorer

    def by_files(self, at: int) -> dict[str, float]:
        log = EventLog.open(self.log.path)
        return {lead.lead_id: lead.probability for lead in score_log(log, self.scorer, "1", at).leads}

    def by_store(self, at: int) -> dict[str, float]:
        Rescorer(self.store, self.scorer, "1", self.live.model.digest).run(lambda: at)
        history = {lead: self.store.scores.history(lead) for lead in self.log.companies.lead_ids.to_pylist()}
        scored = {lead: [record for record in records if record.as_of == at] for lead, records in history.items()}
        return {lead: records[0].probability for lead, records in scored.items() if records}

    def alone(self, lead: str, at: int) -> float:
        histories = histories_of(self.store, self.live, lead, at)
        requests = RequestHistories(histories, histories.profiles.columns.to_pylist())
        return float(self.live.score(requests, [at]).probability[0])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[EventLog, TrainingSet, Path]:
    folder = tmp_path_factory.mktemp("companies")
    funnel = simulate(folder / "funnel", FunnelOptions(500, seed=5, days=240, wholesale=False, shared=True))
    ingest(folder / "log", read_mapping("simulated"), [str(funnel.events)], [str(funnel.leads)], buckets=4)
    settings = Settings.model_validate({"features": {"companies": "yes"}, "training": TRAINING})
    training_set = Workspace(folder, folder / "log", settings).build()
    fitted = fit_champion(read_sample(training_set), settings.training_plan)
    write_artifact(folder / "model", fitted.model, training_set.recipe, fitted.thresholds, fitted.evidence, TRAINED_ON)
    return EventLog.open(folder / "log"), training_set, folder / "model"


@pytest.fixture(scope="module")
def world(made: tuple[EventLog, TrainingSet, Path], tmp_path_factory: pytest.TempPathFactory) -> World:
    log, training_set, model = made
    path, now = tmp_path_factory.mktemp("store") / "store.db", log.observed_until_us + 1
    store = open_store(f"sqlite:///{path}")
    for bucket in range(log.n_buckets):
        take(store, log, bucket, 0, now)
    return World(log, training_set, ServedModel.load(model, "leadscore", "1"), store, now)


def test_training_reads_what_the_kernel_gives(world: World) -> None:
    names = [name for name in world.training_set.read().column_names if name.startswith("colleague")]
    assert len(names) >= 15
    for bucket in range(world.log.n_buckets):
        shard, histories = world.training_set.shard(bucket), world.log.bucket(bucket)
        rows = np.arange(0, len(shard), 37)
        sampled = shard.take(rows)
        ids = histories.lead_ids.to_pylist()
        lead = np.array([ids.index(lead_id) for lead_id in sampled.column("lead_id").to_pylist()], np.int32)
        as_of = sampled.column("as_of").cast("int64").to_numpy()
        for i in range(len(rows)):
            moments = Moments(lead[i : i + 1], as_of[i : i + 1])
            again = compute(world.scorer.plan, histories, moments).select(names).to_pylist()
            assert repr(again) == repr(sampled.select(names).slice(i, 1).to_pylist())


def test_files_store_and_one_lead_alone_score_alike(world: World) -> None:
    files, store = world.by_files(world.now), world.by_store(world.now)
    assert len(files) > 100
    assert store == pytest.approx(files, rel=0, abs=1e-12)
    for lead in list(files)[:40]:
        assert world.alone(lead, world.now) == pytest.approx(files[lead], rel=0, abs=1e-12)


def test_a_store_that_forgets_colleagues_would_be_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "_present", lambda connection, lead_ids: lead_ids[: len(lead_ids) // 2])
    at = world.now + 10
    assert world.by_store(at) != pytest.approx(world.by_files(at), rel=0, abs=1e-9)


def test_an_account_that_too_many_name_tells_nothing_in_the_store_either(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = world.now + 20
    all_told = world.by_files(at)
    monkeypatch.setattr(stored, "NAMED", stored.NAMED.limit(None).limit(3))
    monkeypatch.setattr(stored, "MOST", 2)
    monkeypatch.setattr("data.companies.MOST", 2)
    files = world.by_files(at)
    assert files != all_told
    assert world.by_store(at) == pytest.approx(files, rel=0, abs=1e-12)


def test_a_colleague_that_is_erased_or_objects_vanishes_from_the_others_scores(world: World) -> None:
    before = world.by_store(world.now + 30)
    companies = world.log.companies
    lead_of = companies.lead_ids.to_pylist()
    sizes = np.diff(companies.members.starts)
    account = int(np.flatnonzero((sizes >= 3) & (sizes <= 9))[0])
    members = [lead_of[i] for i in companies.members.leads[slice(*companies.members.starts[account : account + 2])]]
    gone, *others = members
    world.store.leads.object(gone, True, world.now)
    objected = {lead: world.alone(lead, world.now) for lead in others}
    world.store.leads.object(gone, False, world.now)
    assert {lead: world.alone(lead, world.now) for lead in others} != objected
    world.store.erasure.forget(gone, "test", world.now)
    assert {lead: world.alone(lead, world.now) for lead in others} == objected
    later = world.by_store(world.now + 31)
    for lead, probability in later.items():
        if lead in others:
            assert probability == pytest.approx(objected[lead], abs=1e-3)
    untouched = [lead for lead in later if lead not in members]
    assert len(untouched) > 50
    assert [later[lead] for lead in untouched] == pytest.approx([before[lead] for lead in untouched], abs=1e-3)
