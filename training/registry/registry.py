"""MLflow: runs, artifacts and aliases. Models are text and code; nothing is pickled, nothing pickled is loaded."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa

from data.contract import DataError, UsageError
from training.artifact.loaded_model import LoadedModel, load_model
from training.artifact.standalone import ArtifactError
from training.registry.artifact_files import CODE, digest_of

CHAMPION, CHALLENGER, FORMER = "champion", "challenger", "former"
SAFE = {
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""What MLflow answers for a model, and for an alias, that it does not have."""


@dataclass(frozen=True)
class Registered:
    """A registered model version. `folder` holds the artifact, `judge` the one that was judged on the newest slice.

    digest, judge_digest: sha256 of their model.json as noted at registration, so that a change after it is seen.
    """

    name: str
    version: str
    alias: str
    run_id: str
    folder: Path
    judge: Path
    digest: str
    judge_digest: str

    def load(self) -> LoadedModel:
        """The model, its files compared with their hashes first. Raises DataError when it is damaged."""
        return _load(self.folder, self.digest)

    def load_judge(self) -> LoadedModel:
        """The judge, likewise."""
        return _load(self.judge, self.judge_digest)


class Registry:
    """Runs and registered models of one workspace; `MLFLOW_TRACKING_URI` overrides its own sqlite store."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        elsewhere = os.environ.get("MLFLOW_TRACKING_URI")
        self.uri = elsewhere or f"sqlite:///{(workspace / 'mlflow.db').resolve()}"
        self.artifacts = None if elsewhere else (workspace / "mlartifacts").resolve().as_uri()

    @property
    def address(self) -> str:
        """The URI to show: without a password."""
        parts = urlsplit(self.uri)
        return self.uri.replace(f":{parts.password}@", ":***@", 1) if parts.password else self.uri

    @contextmanager
    def run(self, experiment: str) -> Iterator[Any]:
        """An MLflow run; yields the mlflow module. Raises DataError when the store cannot be reached."""
        with self._mlflow() as mlflow:
            if mlflow.get_experiment_by_name(experiment) is None:
                mlflow.create_experiment(experiment, artifact_location=self.artifacts)
            mlflow.set_experiment(experiment)
            with mlflow.start_run():
                yield mlflow

    def log_model(self, mlflow: Any, name: str, folder: Path, judge: Path, example: pa.Table) -> str:
        """Logs an artifact as a pyfunc from code with signature and input example; returns the new version."""
        # Imported late: who only looks a model up, as a server does, needs none of its 45 MB.
        import pandas as pd

        frame = example.to_pandas().astype(dict.fromkeys(_categories(example), "object"))
        output = pd.DataFrame({"probability": np.zeros(len(frame))})
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(CODE.with_name("pyfunc.py")),
            artifacts={"model": str(folder)},
            signature=mlflow.models.infer_signature(frame, output),
            input_example=frame,
            pip_requirements=_requirements(),
        )
        mlflow.log_artifacts(str(judge), "judge")
        # Registered through the client: registering while logging prints to the user's terminal.
        client = mlflow.MlflowClient()
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        digests = {"artifact_digest": digest_of(folder), "judge_digest": digest_of(judge)}
        made = client.create_model_version(
            name, info.model_uri, run_id=info.run_id, tags=digests, model_id=info.model_id
        )
        return str(made.version)

    def alias(self, name: str, version: str, alias: str, reason: str) -> None:
        """Points an alias at a version and notes why; the champion that another one replaces becomes `former`."""
        with self._mlflow() as mlflow:
            client = mlflow.MlflowClient()
            before = _version_of(mlflow, name, CHAMPION)
            if alias == CHAMPION and before is not None and str(before.version) != version:
                client.set_registered_model_alias(name, FORMER, before.version)
            client.set_model_version_tag(name, version, "reason", reason)
            client.set_registered_model_alias(name, alias, version)

    def find(self, name: str, alias: str = CHAMPION) -> Registered | None:
        """The version that an alias points at, None when there is none. Raises DataError when the store is away."""
        with self._mlflow() as mlflow:
            version = _version_of(mlflow, name, alias)
            return None if version is None else self._registered(mlflow, version, alias)

    def get(self, name: str, number: str) -> Registered | None:
        """A version by its number, None when there is none. Raises DataError when the store is away."""
        with self._mlflow() as mlflow:
            version = _or_none(mlflow, lambda: mlflow.MlflowClient().get_model_version(name, number))
            return None if version is None else self._registered(mlflow, version, "")

    def champion(self, name: str) -> Registered:
        """The champion. Raises DataError when nothing has been trained yet."""
        registered = self.find(name)
        if registered is None:
            raise DataError(f"there is no champion for {name!r} in {self.address}; run `leadscore train` first")
        return registered

    def _registered(self, mlflow: Any, version: Any, alias: str) -> Registered:
        """A version of MLflow's with its artifacts at hand."""
        return Registered(
            version.name,
            str(version.version),
            alias,
            version.run_id,
            self._local(mlflow, f"models:/{version.name}/{version.version}") / "artifacts" / "model",
            self._local(mlflow, f"runs:/{version.run_id}/judge"),
            version.tags.get("artifact_digest", ""),
            version.tags.get("judge_digest", ""),
        )

    def _local(self, mlflow: Any, uri: str) -> Path:
        """The folder of an artifact, copied into the workspace's cache."""
        cache = self.workspace / "cache" / uri.replace(":/", "-").replace("/", "-")
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(cache)))

    @contextmanager
    def _mlflow(self) -> Iterator[Any]:
        """The mlflow module, set up: sqlite store, no telemetry, no pickle. Imported late because it takes seconds."""
        if urlsplit(self.uri).scheme in ("", "file"):
            raise UsageError(f"MLFLOW_TRACKING_URI {self.uri!r} is a file store; give a database or server URI")
        os.environ.update(SAFE)
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
        self.workspace.mkdir(parents=True, exist_ok=True)
        import mlflow
        from sqlalchemy.exc import SQLAlchemyError

        given = os.environ.get("MLFLOW_TRACKING_URI")
        mlflow.set_tracking_uri(self.uri)
        if given is None:
            # MLflow has set it, and another workspace of this process would take it for the user's wish.
            os.environ.pop("MLFLOW_TRACKING_URI", None)
        try:
            yield mlflow
        except (mlflow.exceptions.MlflowException, SQLAlchemyError) as error:
            why = next(iter(str(error).splitlines()), type(error).__name__)
            raise DataError(f"MLflow at {self.address} cannot do that: {why[:200]}") from None


def _version_of(mlflow: Any, name: str, alias: str) -> Any:
    return _or_none(mlflow, lambda: mlflow.MlflowClient().get_model_version_by_alias(name, alias))


def _or_none(mlflow: Any, ask: Callable[[], Any]) -> Any:
    """What MLflow answers, None when it does not have that."""
    try:
        return ask()
    except mlflow.exceptions.MlflowException as error:
        if error.error_code in ABSENT:
            return None
        raise


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted MLflow parameters.

    >>> flat({"training": {"folds": 5}})
    {'training.folds': '5'}
    """
    parameters: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            parameters |= flat(value, f"{prefix}{key}.")
        else:
            parameters[f"{prefix}{key}"] = (value if isinstance(value, str) else json.dumps(value))[:500]
    return parameters


def _load(folder: Path, digest: str) -> LoadedModel:
    remedy = "train again or point the alias at another version"
    try:
        model = load_model(folder)
    except ArtifactError as error:
        raise DataError(f"{error}; {remedy}") from None
    if digest_of(folder) != digest:
        raise DataError(f"{folder}/model.json is not the one that was registered (digest {digest[:12]}); {remedy}")
    return model


def _categories(table: pa.Table) -> list[str]:
    return [field.name for field in table.schema if pa.types.is_dictionary(field.type)]


def _requirements() -> list[str]:
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in ("lightgbm", "numpy", "pandas", "mlflow")]
