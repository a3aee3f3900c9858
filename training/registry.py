"""MLflow: runs, artifacts and aliases. Models are text and code; nothing is pickled, nothing pickled is loaded."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import pandas as pd
import pyarrow as pa

from data.contract import DataError, UsageError
from training.standalone import ArtifactError, Model, load

CHAMPION, CHALLENGER = "champion", "challenger"
SAFE = {
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


@dataclass(frozen=True)
class Registered:
    """A registered model version. `folder` holds the artifact, `judge` the one that was judged on the newest slice."""

    name: str
    version: str
    alias: str
    run_id: str
    folder: Path
    judge: Path

    def load(self) -> Model:
        """The model, its files compared with their hashes first. Raises DataError when it is damaged."""
        return _load(self.folder)

    def load_judge(self) -> Model:
        return _load(self.judge)


class Registry:
    """Runs and registered models of one workspace; `MLFLOW_TRACKING_URI` overrides its own sqlite store."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        elsewhere = os.environ.get("MLFLOW_TRACKING_URI")
        self.uri = elsewhere or f"sqlite:///{(workspace / 'mlflow.db').resolve()}"
        self.artifacts = None if elsewhere else (workspace / "mlartifacts").resolve().as_uri()

    @contextmanager
    def run(self, experiment: str) -> Iterator[Any]:
        """An MLflow run; yields the mlflow module."""
        mlflow = self._mlflow()
        if mlflow.get_experiment_by_name(experiment) is None:
            mlflow.create_experiment(experiment, artifact_location=self.artifacts)
        mlflow.set_experiment(experiment)
        with mlflow.start_run():
            yield mlflow

    def log_model(self, mlflow: Any, name: str, folder: Path, judge: Path, example: pa.Table) -> str:
        """Logs an artifact as a pyfunc from code with signature and input example; returns the new version."""
        frame = example.to_pandas().astype(dict.fromkeys(_categories(example), "object"))
        output = pd.DataFrame({"probability": np.zeros(len(frame))})
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(__file__).with_name("pyfunc.py")),
            artifacts={"model": str(folder)},
            signature=mlflow.models.infer_signature(frame, output),
            input_example=frame,
            pip_requirements=_requirements(),
            registered_model_name=name,
        )
        mlflow.log_artifacts(str(judge), "judge")
        return str(info.registered_model_version)

    def alias(self, name: str, version: str, alias: str, reason: str) -> None:
        """Points an alias at a version and notes why."""
        client = self._mlflow().MlflowClient()
        client.set_registered_model_alias(name, alias, version)
        client.set_model_version_tag(name, version, "reason", reason)

    def find(self, name: str, alias: str = CHAMPION) -> Registered | None:
        """The version that an alias points at, None when there is none."""
        mlflow = self._mlflow()
        try:
            version = mlflow.MlflowClient().get_model_version_by_alias(name, alias)
        except mlflow.exceptions.MlflowException:
            return None
        return Registered(
            name,
            str(version.version),
            alias,
            version.run_id,
            self._local(mlflow, f"models:/{name}/{version.version}") / "artifacts" / "model",
            self._local(mlflow, f"runs:/{version.run_id}/judge"),
        )

    def champion(self, name: str) -> Registered:
        """The champion. Raises DataError when nothing has been trained yet."""
        found = self.find(name)
        if found is None:
            raise DataError(f"there is no champion for {name!r} in {self.uri}; run `leadscore train` first")
        return found

    def _local(self, mlflow: Any, uri: str) -> Path:
        """The folder of an artifact, copied into the workspace's cache unless it is on this disk."""
        cache = self.workspace / "cache" / uri.replace(":/", "-").replace("/", "-")
        found = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(cache)))
        return found

    def _mlflow(self) -> Any:
        """The mlflow module, set up: sqlite store, no telemetry, no pickle. Imported late because it takes seconds."""
        if urlparse(self.uri).scheme in ("", "file"):
            raise UsageError(f"MLFLOW_TRACKING_URI {self.uri!r} is a file store; give a database or server URI")
        os.environ.update(SAFE)
        self.workspace.mkdir(parents=True, exist_ok=True)
        import mlflow

        given = os.environ.get("MLFLOW_TRACKING_URI")
        mlflow.set_tracking_uri(self.uri)
        if given is None:
            # MLflow has set it, and another workspace of this process would take it for the user's wish.
            os.environ.pop("MLFLOW_TRACKING_URI", None)
        return mlflow


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted MLflow parameters.

    >>> flat({"training": {"folds": 5}})
    {'training.folds': '5'}
    """
    found: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = (value if isinstance(value, str) else json.dumps(value))[:500]
    return found


def _load(folder: Path) -> Model:
    try:
        return load(folder)
    except ArtifactError as error:
        raise DataError(f"{error}; train again or point the alias at another version") from None


def _categories(table: pa.Table) -> list[str]:
    return [field.name for field in table.schema if pa.types.is_dictionary(field.type)]


def _requirements() -> list[str]:
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in ("lightgbm", "numpy", "pandas", "mlflow")]
