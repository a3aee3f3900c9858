"""A recalibrated champion is a version of its own: same boosters, another calibrator, its history told."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from data.contract import US_PER_DAY, DataError
from features.training_set import TrainingSet
from serving.scoring.scorer import Scorer
from serving.trees.predictor import Predictor
from tests.test_cli import copy_of
from training.artifact.loaded_model import load_model
from training.calibration.calibrator import IDENTITY
from training.registry.artifact_files import digest_of, read_grounds
from training.registry.registry import Registry
from training.samples.sample import read_sample
from training.thresholds.rule_types import CapacityRule, PrecisionRule
from training.thresholds.threshold import Threshold
from training.thresholds.volume import CrossSection, ScoredLabels
from training.updating.recalibrate import Adjusted, as_trained, matured_since, recalibrate, recheck
from training.updating.recalibration_trial import ROLL, RecalibrationMethod
from workspace import Workspace

SHIFT = 150 * US_PER_DAY


def later(root: Path, share: float) -> TrainingSet:
    """Adds to a training set the moments of new leads that do the same in the months that follow, three for each.

    Of the conversions this share comes about: the world has changed, what leads do has not.
    """
    path = root / "training_set" / "conversion"
    content = json.loads((path / "training_set.json").read_text())
    for shard in sorted((path / "rows").glob("shard-*.parquet")):
        table = pq.read_table(shard)
        more = [moved(table.filter(pc.field("mature")), seed, share) for seed in range(3)]
        pq.write_table(pa.concat_tables([table, *more]).unify_dictionaries(), shard)
    content["recipe"]["observed_until"] += SHIFT
    (path / "training_set.json").write_text(json.dumps(content))
    return TrainingSet.open(path)


def moved(table: pa.Table, seed: int, share: float) -> pa.Table:
    """Rows of a shard as those of other leads, SHIFT later."""
    leads, rng = np.array(table.column("lead_id").to_pylist()), np.random.default_rng(seed)
    lost = [lead for lead in np.unique(leads) if rng.random() > share]
    label = table.column("label").to_numpy().copy()
    label[np.isin(leads, lost)] = 0
    new = {
        "lead_id": pa.array([f"{lead}-{seed}" for lead in leads]).dictionary_encode(),
        "as_of": pa.array(table.column("as_of").cast(pa.int64()).to_numpy() + SHIFT).cast(pa.timestamp("us", "UTC")),
        "label": pa.array(label),
    }
    for name, values in new.items():
        field = table.schema.field(name)
        table = table.set_column(table.column_names.index(name), field, values.cast(field.type))
    return table


@pytest.fixture(scope="module")
def root(trained: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of(trained, tmp_path_factory.mktemp("adjusted"))


@pytest.fixture(scope="module")
def drifted(root: Path) -> TrainingSet:
    return later(root, share=0.3)


@pytest.fixture(scope="module")
def adjusted(root: Path, drifted: TrainingSet) -> Adjusted:
    return recalibrate(drifted, Registry(root), (ROLL,))


def test_a_champion_follows_a_drift_as_a_version_of_its_own(adjusted: Adjusted, root: Path, trained: Workspace) -> None:
    before, now = trained.champion(), Workspace.open(root, trained.root / "small.toml").champion()
    assert (adjusted.before, adjusted.version, now.version) == (before.version, now.version, adjusted.version)
    assert adjusted.version != adjusted.before
    assert "rolling intercept" in adjusted.reason
    manifest, was = now.load().manifest, before.load().manifest
    assert manifest.calibrator.c < was.calibrator.c - 0.4
    assert manifest.boosters == was.boosters
    assert manifest.adjustment is not None
    assert manifest.adjustment.trained.calibrator == was.calibrator
    grounds = read_grounds(now.folder, manifest)
    assert manifest.adjustment.trained.grounds == was.grounds != manifest.grounds
    assert 0 < len(grounds.labels.p) <= manifest.adjustment.leads, "what-if answers on the labels since training"
    assert now.judge_digest == before.judge_digest


def test_its_history_is_told(adjusted: Adjusted) -> None:
    assert adjusted.manifest.adjustment is not None
    steps = adjusted.manifest.adjustment.steps
    assert len(steps) >= 2
    assert all(step.converted >= 16 for step in steps)
    assert steps[-1].shift == pytest.approx(sum(step.step for step in steps))
    assert steps[0].observed < steps[0].expected
    assert json.loads(json.dumps(adjusted.to_dict()))["adjustment"]["steps"] == [asdict(step) for step in steps]


def test_doing_it_again_changes_nothing(adjusted: Adjusted, root: Path, drifted: TrainingSet) -> None:
    again = recalibrate(drifted, Registry(root), (ROLL,))
    assert (again.version, again.before) == (adjusted.version, adjusted.version)
    assert again.reason.startswith("kept: ")


def test_server_and_file_score_it_alike(
    adjusted: Adjusted, root: Path, trained: Workspace, drifted: TrainingSet
) -> None:
    champion = Workspace.open(root, trained.root / "small.toml").champion()
    model, predictor = load_model(champion.folder), Predictor.of(champion)
    assert Scorer(predictor).thresholds
    matrix = np.random.default_rng(0).integers(0, 5, (20, len(model.features))).astype(np.float64)
    assert np.allclose(model.predict(matrix), predictor.predict(matrix), atol=1e-12)
    assert (model.predict(matrix) < as_trained(model).predict(matrix)).all()


def test_without_an_accepted_way_the_model_is_as_it_was_trained(
    adjusted: Adjusted, root: Path, drifted: TrainingSet, trained: Workspace
) -> None:
    back = recalibrate(drifted, Registry(root), (RecalibrationMethod("nothing", 1, lambda rows, until: IDENTITY),))
    assert back.version not in (adjusted.version, adjusted.before)
    folder = Workspace.open(root, trained.root / "small.toml").champion().folder
    assert digest_of(folder) == trained.champion().digest


def test_with_no_labels_since_training_it_says_how_many_are_needed(trained: Workspace) -> None:
    unchanged = recalibrate(TrainingSet.open(trained.training_set_path), trained.registry)
    assert unchanged.version == unchanged.before
    assert "0 leads with a label that matured since training have converted; 16 more are needed" in unchanged.reason


def test_another_target_is_refused(trained: Workspace, tmp_path: Path) -> None:
    root = copy_of(trained, tmp_path)
    path = root / "training_set" / "conversion"
    content = json.loads((path / "training_set.json").read_text())
    content["recipe"]["target"]["horizon_days"] = 60
    (path / "training_set.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="trained for another target"):
        recalibrate(TrainingSet.open(path), Registry(root))


def test_only_what_is_newer_than_training_and_mature_counts(trained: Workspace, drifted: TrainingSet) -> None:
    model, sample = trained.champion().load(), read_sample(drifted)
    rows = matured_since(model, sample)
    assert len(rows) > 100
    assert (rows.as_of >= model.manifest.trained_on.to_us).all()
    assert (rows.known_at == rows.as_of + 30 * US_PER_DAY).all()
    assert not np.isnan(rows.y).any()


SQL = Threshold("SQL", PrecisionRule(0.5, 0.95), 0.4, 900, 100, 60, 20.0, 11.0)
FLOW = CrossSection(np.linspace(0.01, 0.8, 100), per_week=50)


def labels(precision: float, n: int = 200) -> ScoredLabels:
    p = np.r_[np.full(n, 0.6), np.full(n, 0.1)]
    return ScoredLabels(p, np.r_[np.arange(n) < round(precision * n), np.zeros(n, bool)].astype(np.float64))


def test_a_promise_that_the_labels_refute_is_withdrawn_and_one_that_they_bear_out_stays() -> None:
    assert recheck(SQL, labels(0.3), FLOW).probability is None
    rechecked = recheck(SQL, labels(0.55), FLOW)
    assert (rechecked.probability, rechecked.labels, rechecked.selected, rechecked.converted) == (0.4, 400, 200, 110)
    assert rechecked.leads_per_week == FLOW.above(0.4)[0]
    assert recheck(SQL, ScoredLabels(np.array([0.1]), np.array([0.0])), FLOW).probability == 0.4


def test_capacity_is_drawn_again_and_what_was_refused_stays_refused() -> None:
    capacity = Threshold("SQL", CapacityRule(10.0), 0.9, 900, 0, 0, 0.0, 0.0)
    drawn = recheck(capacity, labels(0.5), FLOW)
    assert drawn.probability is not None
    assert drawn.leads_per_week <= 10
    none = Threshold("SQL", PrecisionRule(0.5, 0.95), None, 900, 0, 0, 0.0, 0.0)
    assert recheck(none, labels(0.9), FLOW) == none


def test_a_mix_rises_where_more_leads_than_promised_would_come_through() -> None:
    mix = replace(SQL, rule=PrecisionRule(0.5, 0.95, per_week=5.0))
    rechecked = recheck(mix, labels(0.55), FLOW)
    assert rechecked.probability is not None
    assert rechecked.probability > 0.4
    assert rechecked.leads_per_week <= 5
    assert recheck(replace(SQL, rule=PrecisionRule(0.5, 0.95, per_week=40.0)), labels(0.55), FLOW).probability == 0.4
