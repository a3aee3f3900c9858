"""What a company calls its events and columns may hold any sign: such names are learnt from, scored and explained."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.sources.mapping import read_mapping
from features.catalogue import default_catalogue
from features.kernel import Moments
from features.labels import Target
from features.moments import MomentPolicy
from features.recipe import Recipe
from features.training_set import build
from serving.scoring.scorer import Scorer
from serving.trees.predictor import Predictor
from tests.artifacts import TRAINED_ON
from training.measuring.evidence import Evidence
from training.model.classifier import LeadConversionClassifier
from training.registry.artifact_files import write_artifact
from training.samples.sample import read_sample

PAGE, MAIL, COMMA, LONG = 'Seite: "Aufruf" [/preise?x=1&y={2}]', "E-Mail geöffnet 😀", "a,b", "x" * 180
BRANCH, STAFF = 'Branche "neu" [x]: {y}, z', "Mitarbeiter, ca. ('#%)"
MAPPING = f"""
name = "odd"
event_types = ['{PAGE}', "{MAIL}", "{COMMA}", "{LONG}", "deal_won"]
groups = {{ web = ['{PAGE}', "{COMMA}"] }}

[events]
lead_id = "id"
event_type = "type"
occurred_at = "at"

[leads]
lead_id = "id"
valid_from = "since"
categories = ['{BRANCH}']
numbers = ["{STAFF}"]
"""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> EventLog:
    """Ninety leads, of whom those who look at the page in brackets win."""
    folder, dice = tmp_path_factory.mktemp("odd"), np.random.default_rng(1)
    rows, profiles = [["id", "type", "at"]], [["id", "since", BRANCH, STAFF]]
    for lead in range(90):
        day = np.datetime64("2024-01-01") + int(dice.integers(0, 60))
        kinds = [PAGE if lead % 2 else MAIL, *dice.choice([COMMA, LONG, MAIL], 4).tolist()]
        rows += [[f"l{lead}", kind, f"{day + place}T10:00:00Z"] for place, kind in enumerate(kinds)]
        rows += [[f"l{lead}", "deal_won", f"{day + 12}T10:00:00Z"]] if lead % 2 else []
        profiles.append([f"l{lead}", f"{day}T00:00:00Z", f'b"{lead % 3}, [x]', str(lead)])
    for name, table in (("events.csv", rows), ("leads.csv", profiles)):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(table)
    (folder / "odd.toml").write_text(MAPPING, encoding="utf-8")
    files = [str(folder / "events.csv")], [str(folder / "leads.csv")]
    report = ingest(folder / "log", read_mapping(folder / "odd.toml"), *files, buckets=1)
    assert (report.events.accepted, report.leads.accepted, report.events.rejected) == (len(rows) - 1, 90, 0)
    return EventLog.open(folder / "log")


def test_names_of_any_kind_are_learnt_from_scored_and_explained(log: EventLog, tmp_path: Path) -> None:
    target = Target("conversion", ("deal_won",), horizon_days=14)
    catalogue = default_catalogue(log.vocabulary, log.profile_columns, target.outcomes)
    policy, until = MomentPolicy(every_days=3), log.observed_until_us + 1
    recipe = Recipe(log.digest, until, log.vocabulary, catalogue, target, policy, profile_columns=log.profile_columns)
    sample = read_sample(build(log, recipe, tmp_path / "set"))
    known = sample.of(sample.mature)
    model = LeadConversionClassifier(n_folds=2, max_rounds=30, min_leaf=5, learning_rate=0.2)
    model.fit(known.features, known.y.astype(int), known.weight, known.lead, known.as_of, known.since)
    write_artifact(tmp_path / "model", model, recipe, (), Evidence((0.0,), (9.0,), (1.0,)), TRAINED_ON)
    predictor = Predictor.load(tmp_path / "model")
    histories, scorer = log.bucket(0), Scorer(predictor)
    moments = Moments(np.arange(histories.n_leads, dtype=np.int32), np.full(histories.n_leads, until))
    scores = scorer.score(histories, moments)
    expected = model.predict_proba(scores.features)[:, 1]
    np.testing.assert_allclose(scores.probability, expected, rtol=0, atol=1e-12)
    moved = np.abs(predictor.contributions(scores.matrix)).max(axis=0)
    names = {feature.name for feature, by in zip(predictor.manifest.features, moved, strict=False) if by > 0}
    assert {name for name in names if PAGE in name}, names
    learnt = {feature.name for feature in predictor.manifest.features}
    assert all(any(odd in name for name in learnt) for odd in (MAIL, COMMA, LONG, BRANCH, STAFF)), learnt
