"""The training set of a registered version, made again from the log of now as it was known then, and what differs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from data.contract import DataError
from data.log.eventlog import EventLog
from data.own_functions import OwnFunction
from data.typed_json import to_json
from features.recipe import Recipe, recipe_from
from features.training_set import Progress, TrainingSet, make
from training.registry.provenance import code, versions
from training.registry.registered import Registered
from training.registry.registry import Registry

RULES = ("catalogue", "target", "policy", "vocabulary", "bots", "profile_columns")
"""Parts of a recipe that settings and mappings decide."""


@dataclass(frozen=True)
class Rebuilt:
    """What came of it. is_same: whether it is the training set of the version, byte for byte.

    log_has_changed: whether other rows have come into the event log since, or left it. rules: parts of the recipe that
    the settings of now say otherwise. software: by name, the version of then and of now, where they differ; `code` is
    the git commit.
    """

    version: str
    made: TrainingSet
    digest: str
    log_has_changed: bool
    rules: tuple[str, ...]
    software: Mapping[str, tuple[str, str]]

    @property
    def is_same(self) -> bool:
        return self.made.digest == self.digest


def rebuild(
    registry: Registry,
    registered: Registered,
    log: EventLog,
    now: Recipe,
    folder: Path,
    jobs: int = 2,
    progress: Progress = lambda done, of: None,
) -> Rebuilt:
    """Makes it again below `folder`, which holds nothing else then. now: what the settings of now would make.

    Raises DataError for a version that names no training set, as those of imported models.
    """
    trained_on = registered.load().manifest.trained_on
    recipe = recipe_from(registry.record(registered, "recipe.json"))
    recipe = replace(recipe, own=tuple(_here(function, now) for function in recipe.own))
    if trained_on.training_set is None:
        raise DataError(f"version {registered.version} does not say what it was trained on")
    # Shards of the same recipe may be of another state of the log; and one is kept at a time.
    shutil.rmtree(folder, ignore_errors=True)
    made = make(log, recipe, folder / f"{recipe.target.name}-{registered.version}", jobs, progress)
    then, current = to_json(recipe), to_json(now)
    rules = sorted(name for name in RULES if then.get(name) != current.get(name))
    software = dict(trained_on.versions or {}) | registry.code_of(registered)
    here = versions() | {"code": code().get("git_commit", "")}
    differs = {name: (old, here.get(name, "")) for name, old in software.items() if old != here.get(name)}
    changed = log.digest != recipe.log_digest
    return Rebuilt(registered.version, made, trained_on.training_set, changed, tuple(rules), differs)


def _here(function: OwnFunction, now: Recipe) -> OwnFunction:
    """The function as the settings of now name it, with its code, which no artifact brings. Raises DataError."""
    same = [own for own in now.own if own == function]
    if not same:
        raise DataError(
            f"feature {function.name!r} is not here as it was ({function.digest[:12]}): name it in features.own, "
            "with the file that it was trained with"
        )
    return same[0]
