"""Probabilities along a chain of targets never rise, and change no more than that takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from data.contract import UsageError
from data.log.eventlog import EventLog
from serving.scoring.batch import score_log
from serving.scoring.chain import in_order, with_chain
from serving.scoring.scorer import Scorer
from serving.trees.predictor import Predictor
from settings import Settings
from tests.artifacts import TRAINED_ON
from tests.serving.workshop import Workshop
from training.recipe.train import fit_champion
from training.registry.artifact_files import write_artifact
from training.samples.sample import read_sample
from workspace import Workspace

ODDS = st.floats(-14, 14)
STEPS = st.integers(1, 5).flatmap(
    lambda steps: st.tuples(
        st.lists(st.lists(ODDS, min_size=steps, max_size=steps), min_size=1, max_size=5),
        st.lists(st.floats(1, 10_000), min_size=steps, max_size=steps),
    )
)
ACCEPTED = {"events": ["meeting", "deal_won"], "closed_by": ["deal_lost"]}
WON = {"events": ["deal_won"], "closed_by": ["deal_lost"]}
CHAIN: dict[str, Any] = {
    "chain": ["sql_accepted", "conversion"],
    "targets": {"sql_accepted": ACCEPTED, "conversion": WON},
    "training": {"folds": 2, "max_rounds": 30, "learning_rate": 0.1, "model": "fixed", "twin": "no"},
    "moments": {"every_days": 14},
}


@settings(max_examples=200, derandomize=True, database=None)
@given(STEPS)
def test_no_step_is_likelier_than_one_before_it_and_nothing_is_closer(
    made: tuple[list[list[float]], list[float]],
) -> None:
    odds, weight = (np.array(each, dtype=np.float64) for each in made)
    found = in_order(odds, weight)
    assert (np.diff(found, axis=1) <= 0).all()
    for row, ordered in zip(odds, found, strict=True):
        closest = IsotonicRegression(increasing=False).fit_transform(np.arange(len(row)), row, sample_weight=weight)
        assert ordered == pytest.approx(closest, abs=1e-6)
        if (np.diff(row) <= 0).all():
            assert np.array_equal(ordered, row)


def test_the_models_own_word_would_be_caught() -> None:
    odds = np.random.default_rng(0).normal(size=(100, 3))
    assert (np.diff(odds, axis=1) > 0).any()
    assert not (np.diff(in_order(odds, np.ones(3)), axis=1) > 0).any()


@pytest.fixture(scope="module")
def accepted(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    """A model of who is accepted by sales, on the workshop's log."""
    folder: Path = tmp_path_factory.mktemp("chain")
    workspace = Workspace(folder, workshop.log, Settings.model_validate(CHAIN)).aimed_at("sql_accepted")
    training_set = workspace.build()
    fitted = fit_champion(read_sample(training_set), workspace.settings.training_plan)
    trained_on = replace(TRAINED_ON, converted_leads=200)
    write_artifact(folder / "model", fitted.model, training_set.recipe, fitted.thresholds, fitted.evidence, trained_on)
    return Scorer(Predictor.load(folder / "model"))


def test_a_list_of_leads_has_a_column_for_each_step(workshop: Workshop, accepted: Scorer) -> None:
    log, won = EventLog.open(workshop.log), Scorer(Predictor.load(workshop.artifact))
    scored = score_log(log, won, "1")
    rows = with_chain(scored.rows, log, {"sql_accepted": accepted, "conversion": won}, scored.as_of)
    assert [each["lead_id"] for each in rows] == [each["lead_id"] for each in scored.rows]
    steps = np.array([[each["chain_sql_accepted"], each["chain_conversion"]] for each in rows])
    assert (steps[:, 1] <= steps[:, 0]).all()
    behind = {row["lead_id"] for row, p in zip(rows, steps[:, 0], strict=True) if p == 1.0}
    assert behind == {row["lead_id"] for row in rows if has_met(log, row["lead_id"])}
    assert 5 < len(behind) < len(rows) - 5
    kept = steps[:, 1] < steps[:, 0]
    assert np.array([each["probability"] for each in rows])[kept] == pytest.approx(steps[kept, 1], abs=1e-9)


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
