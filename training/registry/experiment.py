"""An experiment of MLflow's: where the runs of one model are logged, open while the work lasts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from typing import Any

from data.contract import DataError
from training.registry.locations import is_elsewhere
from training.registry.system_metrics import Meter
from training.registry.tracking import Tracking

RUN = "leadscore.run"
"""The tag of our runs and versions that holds the id of the run folder; of a run that is open there is none yet."""


@dataclass(frozen=True)
class Experiment:
    """The experiment `name` of a store, made when it is first written to."""

    tracking: Tracking
    name: str

    @contextmanager
    def run(self, title: str, logged: str | None = None) -> Iterator[Any]:
        """An MLflow run, or the open one of that id; yields the mlflow module. Raises DataError for a store away.

        What MLflow prints goes where messages go: standard output is the caller's.
        """
        with self.tracking.opened() as mlflow, redirect_stdout(sys.stderr):
            self.make(mlflow)
            mlflow.set_experiment(self.name)
            with mlflow.start_run(logged, run_name=None if logged else title):
                yield mlflow

    @contextmanager
    def open_run(self, title: str) -> Iterator[str]:
        """The id of an MLflow run that is open as long as the work inside, and told how that ended.

        It is also told what the work took of the machine. A store that is away by then costs nothing but that: there
        the run stays open. What MLflow prints of it goes where messages go.
        """
        with self.tracking.opened() as mlflow:
            self.make(mlflow)
            place = mlflow.get_experiment_by_name(self.name).experiment_id
            logged = str(mlflow.MlflowClient().create_run(place, run_name=title, tags={RUN: "open"}).info.run_id)
        status, meter = "FINISHED", Meter.started()
        try:
            yield logged
        except BaseException as error:
            status = "FAILED" if isinstance(error, Exception) else "KILLED"
            raise
        finally:
            with suppress(DataError), self.tracking.opened() as mlflow, redirect_stdout(sys.stderr):
                client = mlflow.MlflowClient()
                for name, value in meter.read().items():
                    client.log_metric(logged, name, value)
                client.set_terminated(logged, status)

    def note_same(self, logged: str, version: str) -> None:
        """Notes of a run that it made, byte for byte, what a version is already. Raises DataError for a store away."""
        with self.tracking.opened() as mlflow:
            mlflow.MlflowClient().set_tag(logged, "same_as_version", version)

    def make(self, mlflow: Any) -> None:
        """Makes the experiment unless it is there. Raises DataError for one that was deleted, or writes elsewhere."""
        there, artifacts = mlflow.get_experiment_by_name(self.name), self.tracking.artifacts
        if there is None:
            mlflow.create_experiment(self.name, artifact_location=None if artifacts is None else artifacts.as_uri())
        elif there.lifecycle_stage == "deleted":
            raise DataError(
                f"the experiment {self.name!r} at {self.tracking.address} was deleted; bring it back with "
                f"`mlflow experiments restore --experiment-id {there.experiment_id}`"
            )
        elif artifacts is not None and is_elsewhere(there.artifact_location, artifacts):
            place = f"at {self.tracking.address} writes to {there.artifact_location}"
            raise DataError(
                f"the experiment {self.name!r} {place}, which is not this workspace's; put `mlflow server` before that "
                "database, or take an experiment of another name"
            )
