"""Versions of a registered model that nothing names any more: what goes of them, with their runs and artifacts.

An alias keeps its version, so does a score that names it, and the newest version stays in any case.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.registry.experiment import RUN
from training.registry.locations import resolved
from training.registry.registry import Registry


@dataclass(frozen=True)
class OldVersions:
    """What of a registered model was made before a time. named: versions that stored scores name.

    Versions go first, so that nobody can take one up whose artifacts are on their way out; what a kill leaves of runs
    goes the next time.
    """

    registry: Registry
    name: str
    before_s: float
    named: Collection[str]

    def count(self) -> int:
        """How many versions would go."""
        with self.registry.tracking.opened() as mlflow:
            return len(self._old(mlflow.MlflowClient()))

    def remove(self) -> int:
        """Removes them; how many. Whoever calls this holds the workspace's lock."""
        with self.registry.tracking.opened() as mlflow:
            client = mlflow.MlflowClient()
            old = self._old(client)
            for version in old:
                client.delete_model_version(self.name, str(version.version))
            experiment = client.get_experiment_by_name(self.name)
            if experiment is not None:
                self._remove_runs(mlflow, experiment.experiment_id)
        return len(old)

    def _old(self, client: Any) -> list[Any]:
        self.registry.find(self.name)  # raises for another workspace's
        versions = client.search_model_versions(f"name = '{self.name}'")
        if not versions:
            return []
        needed = {str(number) for number in client.get_registered_model(self.name).aliases.values()}
        needed |= {*map(str, self.named), max((str(version.version) for version in versions), key=int)}
        old = [version for version in versions if version.creation_timestamp < 1_000 * self.before_s]
        return [version for version in old if str(version.version) not in needed]

    def _remove_runs(self, mlflow: Any, experiment: str) -> None:
        client = mlflow.MlflowClient()
        run_ids = {version.run_id for version in client.search_model_versions(f"name = '{self.name}'")}
        asked = f"tags.`{RUN}` != ''"  # what others put into the experiment is theirs
        for run in client.search_runs([experiment], asked, run_view_type=mlflow.entities.ViewType.ALL):
            is_over = (run.info.end_time or run.info.start_time) < 1_000 * self.before_s
            if is_over and run.info.run_id not in run_ids:
                self._remove_run(client, experiment, run.info)

    def _remove_run(self, client: Any, experiment: str, run: Any) -> None:
        made = f"source_run_id = '{run.run_id}'"
        for model in client.search_logged_models([experiment], filter_string=made):
            client.delete_logged_model(model.model_id)
            self._remove_files(model.artifact_location)
        if run.lifecycle_stage == "active":
            for below in client.search_runs([experiment], f"tags.mlflow.parentRunId = '{run.run_id}'"):
                client.delete_run(below.info.run_id)
            client.delete_run(run.run_id)
        self._remove_files(run.artifact_uri)

    def _remove_files(self, uri: str) -> None:
        """Of a database of our own; a server's are its own, `mlflow gc` frees them."""
        artifacts = self.registry.tracking.artifacts
        folder = None if artifacts is None else resolved(uri, artifacts)
        if folder is not None and artifacts is not None and artifacts.resolve() in Path(folder).resolve().parents:
            shutil.rmtree(folder, ignore_errors=True)
