"""Few conversions: training refuses with what is missing, or, on request, a model with a prior goes all the way."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from data.contract import DataError
from features.training_set import TrainingSet
from serving.scoring.batch import score_log
from serving.scoring.scorer import Scorer
from serving.trees.predictor import Predictor
from tests.new_registry import NewRegistry
from training.pipeline import Outcome, train_and_register
from training.registry.registry import Registry
from workspace import Workspace

SMALL = """
[moments]
every_days = 28

[training]
fewest_converted = 5000
folds = 2
small = "{small}"
"""


def train(trained: Workspace, registry: Registry, small: str) -> Outcome:
    """Trains in a workspace of its own on the small funnel, of which five thousand leads are said to be too few."""
    root = registry.workspace
    (root / "settings.toml").write_text(SMALL.format(small=small))
    shutil.copytree(trained.log_path, root / "log")
    workspace = Workspace.open(root, root / "settings.toml")
    settings = workspace.settings
    return train_and_register(workspace.build(), settings.training_plan, registry, settings.model_dump(mode="json"))


def test_few_are_refused_and_nothing_is_written(trained: Workspace, new_registry: NewRegistry, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"5,000 are needed .* weeks at the current .* training.small = \"prior\""):
        train(trained, new_registry(tmp_path / "few"), "refuse")
    assert not (tmp_path / "few" / "runs").exists()


def test_a_model_with_a_prior_stands_in_and_everything_says_so(
    trained: Workspace, new_registry: NewRegistry, tmp_path: Path
) -> None:
    root = tmp_path / "few"
    outcome = train(trained, new_registry(root), "prior")
    assert (outcome.alias, outcome.decision[:9]) == ("champion", "stands in")
    report, card = outcome.report.read_text(), (outcome.report.parent / "model_card.md").read_text()
    assert all("leads had converted when the model was made, 5,000 are needed" in text for text in (report, card))
    workspace = Workspace.open(root, root / "settings.toml")
    predictor = Predictor.of(workspace.champion())
    assert predictor.manifest.trained_on.model == "prior"
    leads = score_log(workspace.event_log(), Scorer(predictor), "1").leads
    assert all("5,000 are needed" in lead.caution for lead in leads)
    assert len({lead.probability for lead in leads}) > 20
    assert any(lead.speaks_for for lead in leads)
    assert TrainingSet.open(workspace.training_set_path).digest
