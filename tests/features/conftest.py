"""One event log and its training set for all tests of features."""

from __future__ import annotations

import pytest

from data.log.eventlog import EventLog
from features.recipe import Recipe
from features.training_set import TrainingSet, build
from tests.features.logs import EVENTS, ingested, recipe_for


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> EventLog:
    """A log of a thousand leads."""
    return ingested(tmp_path_factory.mktemp("features"), EVENTS)


@pytest.fixture(scope="session")
def recipe(log: EventLog) -> Recipe:
    return recipe_for(log)


@pytest.fixture(scope="session")
def built(log: EventLog, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    return build(log, recipe, tmp_path_factory.mktemp("built") / "set")
