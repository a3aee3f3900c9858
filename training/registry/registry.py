"""MLflow: runs, artifacts and aliases. Models are text and code; nothing is pickled, nothing pickled is loaded."""

from __future__ import annotations

import json
import queue
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from data.contract import DataError
from training.registry import noted_champion
from training.registry.experiment import RUN, Experiment
from training.registry.local_copies import local_copy
from training.registry.locations import resolved
from training.registry.ownership import OWNER, check_owner, made_identity, model_name
from training.registry.registered import Registered
from training.registry.run_folder import SHOWN, RunFolder
from training.registry.run_logging import log_base, log_run
from training.registry.tracking import Tracking

CHAMPION, CHALLENGER, FORMER = "champion", "challenger", "former"
ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""What MLflow answers for a model, and for an alias, that it does not have."""


class Registry:
    """Runs and registered models of one workspace; `MLFLOW_TRACKING_URI` overrides its own sqlite store.

    namespace: a part of its models' names, for workspaces that share a tracking server. Raises UsageError for an
    address or a path that MLflow cannot follow.
    """

    def __init__(self, workspace: Path, namespace: str = "") -> None:
        self.workspace, self.namespace = workspace, namespace
        self.tracking = Tracking.of(workspace)

    @property
    def uri(self) -> str:
        """MLflow's address of the store."""
        return self.tracking.uri

    @property
    def address(self) -> str:
        """The URI to show: without a password."""
        return self.tracking.address

    def model_name(self, target: str) -> str:
        """The name of the registered model of a target."""
        return model_name(target, self.namespace)

    def experiment(self, name: str) -> Experiment:
        """The experiment of that name, where runs are logged."""
        return Experiment(self.tracking, name)

    def prepare(self, name: str) -> None:
        """Asks of the store all that registering will need, so that nothing is computed in vain.

        A store of the workspace's own that is not there yet lacks nothing, and is not made for a training that may be
        refused. Raises DataError: the store is away, takes no writes, lost its experiment, or has the name for another.
        """
        database = self.tracking.database
        if database is not None and not database.exists() and not self.tracking.is_shared:
            return
        with self.tracking.opened() as mlflow:
            self.experiment(name).make(mlflow)
            self._claim(mlflow, name)

    def publish(
        self, name: str, run: RunFolder, logged: str | None = None, measured: Mapping[str, float] | None = None
    ) -> str:
        """Registers a run, which is compared with its digests first; the version. Once, however often it is asked.

        logged: MLflow's run that has been open while it was made. measured: metrics beside the run's own. What was made
        from another version has the parameters and metrics of that one too.
        """
        run = RunFolder.open(run.path)
        with self.tracking.opened() as mlflow:
            client = mlflow.MlflowClient()
            self._claim(mlflow, name)
            known = client.search_model_versions(f"name = '{name}' and tags.`{RUN}` = '{run.id}'")
            if known:
                return str(known[0].version)
        made_from = run.id[:SHOWN] if run.about.base is None else f"from version {run.about.base}"
        with self.experiment(name).run(f"{run.about.target} {made_from}", logged) as mlflow:
            client = mlflow.MlflowClient()
            base = None if run.about.base is None else self.get(name, run.about.base)
            if base is not None:
                log_base(mlflow, client.get_run(base.run_id))
            info = log_run(mlflow, run)
            mlflow.log_metrics(dict(measured or {}))
            # Registered through the client: registering while logging prints to the user's terminal.
            tags = {"artifact_digest": run.about.model, "judge_digest": run.about.judge, RUN: run.id}
            tags |= {} if run.about.base is None else {"base": run.about.base}
            made = client.create_model_version(
                name, info.model_uri, run_id=info.run_id, tags=tags, model_id=info.model_id
            )
            return str(made.version)

    def add_files(self, name: str, version: str, folder: Path, place: str) -> None:
        """Adds files to the run of a version, in place of those that are there by these names."""
        with self.tracking.opened() as mlflow:
            client = mlflow.MlflowClient()
            if any(folder.iterdir()):
                client.log_artifacts(client.get_model_version(name, version).run_id, str(folder), place)

    def alias(self, name: str, version: str, alias: str, reason: str) -> None:
        """Points an alias at a version and notes why; the champion that another one replaces becomes `former`."""
        with self.tracking.opened() as mlflow:
            client = mlflow.MlflowClient()
            before = self._version_of(mlflow, name, CHAMPION)
            if alias == CHAMPION:
                noted_champion.forget(self.workspace, name)
            if alias == CHAMPION and before is not None and str(before.version) != version:
                client.set_registered_model_alias(name, FORMER, before.version)
            client.set_model_version_tag(name, version, "reason", reason)
            client.update_model_version(name, version, description=f"{alias}: {reason}")
            client.set_registered_model_alias(name, alias, version)
            if alias == CHAMPION and not self.tracking.is_shared:
                made = client.get_model_version(name, version)
                noted_champion.note(self.workspace, self._registered(mlflow, made, alias))

    def find(self, name: str, alias: str = CHAMPION) -> Registered | None:
        """The version that an alias points at, None when there is none.

        Raises DataError when the store is away, or the model is another workspace's.
        """
        with self.tracking.opened() as mlflow:
            version = self._version_of(mlflow, name, alias)
            return None if version is None else self._registered(mlflow, version, alias)

    def find_within(self, seconds: float, name: str) -> Registered | None:
        """The champion as `find` gives it; also DataError when the store does not answer in time."""
        with self.tracking.opened():
            pass  # MLflow's import is not what the store is blamed for
        answers: queue.Queue[Registered | DataError | None] = queue.Queue()
        threading.Thread(target=self._answer, args=(name, answers), daemon=True).start()
        try:
            answer = answers.get(timeout=seconds)
        except queue.Empty:
            raise DataError(f"{self.address} does not answer within {seconds:g} seconds") from None
        if isinstance(answer, DataError):
            raise answer
        return answer

    def _answer(self, name: str, answers: queue.Queue[Registered | DataError | None]) -> None:
        try:
            answers.put(self.find(name))
        except DataError as error:
            answers.put(error)

    def get(self, name: str, number: str) -> Registered | None:
        """A version by its number, None when there is none. Raises DataError as `find` does."""
        with self.tracking.opened() as mlflow:
            version = self._asked(mlflow, name, lambda: mlflow.MlflowClient().get_model_version(name, number))
            return None if version is None else self._registered(mlflow, version, "")

    def record(self, registered: Registered, file: str) -> Any:
        """What a JSON file of a version's run holds, or of the run of the version that it was made from.

        Raises DataError where there is none.
        """
        with self.tracking.opened() as mlflow, tempfile.TemporaryDirectory() as folder:
            run = mlflow.get_run(self._trained_run(mlflow, registered))
            place = f"{run.info.artifact_uri}/{file}"
            if self.tracking.artifacts is None or not place.startswith(("file:", "/")):
                path = Path(mlflow.artifacts.download_artifacts(place, dst_path=folder))
            else:
                path = resolved(place, self.tracking.artifacts)
            try:
                return json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise DataError(f"the run of version {registered.version} holds no {file} ({error})") from None

    def code_of(self, registered: Registered) -> dict[str, str]:
        """The git commit that a version was trained with, as `code`; empty where it is not known."""
        with self.tracking.opened() as mlflow:
            commit = mlflow.get_run(self._trained_run(mlflow, registered)).data.tags.get("git_commit")
            return {"code": commit} if commit else {}

    def _trained_run(self, mlflow: Any, registered: Registered) -> str:
        """The run in which a version, or the one that it was made from, was trained."""
        client, version = mlflow.MlflowClient(), registered.version
        while base := client.get_model_version(registered.name, version).tags.get("base"):
            version = base
        return str(client.get_model_version(registered.name, version).run_id)

    def champion(self, name: str) -> Registered:
        """The champion. Raises DataError when nothing has been trained yet."""
        registered = self.find(name)
        if registered is None:
            raise DataError(f"there is no champion for {name!r} in {self.address}; run `leadscore train` first")
        return registered

    def _claim(self, mlflow: Any, name: str) -> None:
        """Makes the registered model this workspace's, one of an earlier version of ours too."""
        client, tags = mlflow.MlflowClient(), {}
        if self.tracking.is_shared:
            tags = {OWNER: made_identity(self.workspace)}
        if _or_none(mlflow, lambda: client.get_registered_model(name)) is None:
            try:
                client.create_registered_model(name, tags=tags)
            except mlflow.exceptions.MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
        self._check_owner(client, name)
        for tag, value in tags.items():
            client.set_registered_model_tag(name, tag, value)

    def _version_of(self, mlflow: Any, name: str, alias: str) -> Any:
        return self._asked(mlflow, name, lambda: mlflow.MlflowClient().get_model_version_by_alias(name, alias))

    def _asked(self, mlflow: Any, name: str, ask: Callable[[], Any]) -> Any:
        """A version, None when there is none. Raises DataError when it is another workspace's."""
        version = _or_none(mlflow, ask)
        if version is not None:
            self._check_owner(mlflow.MlflowClient(), name)
        return version

    def _check_owner(self, client: Any, name: str) -> None:
        """Raises DataError for a registered model of another workspace."""
        if self.tracking.is_shared:
            check_owner(client.get_registered_model(name), self.workspace, self.address)

    def _registered(self, mlflow: Any, version: Any, alias: str) -> Registered:
        """A version of MLflow's with its artifacts at hand."""
        client, digests = mlflow.MlflowClient(), version.tags
        model = client.get_model_version_download_uri(version.name, version.version)
        judge = client.get_run(version.run_id).info.artifact_uri
        return Registered(
            version.name,
            str(version.version),
            alias,
            version.run_id,
            self._local(mlflow, f"{model}/artifacts/model", digests.get("artifact_digest", "")),
            self._local(mlflow, f"{judge}/judge", digests.get("judge_digest", "")),
            digests.get("artifact_digest", ""),
            digests.get("judge_digest", ""),
            int(version.creation_timestamp or 0) * 1000,
        )

    def _local(self, mlflow: Any, uri: str, digest: str) -> Path:
        """The folder of an artifact: where a database's lies, or a copy of a server's."""
        if self.tracking.artifacts is None or not uri.startswith(("file:", "/")):
            return local_copy(mlflow, uri, digest, self.workspace)
        return resolved(uri, self.tracking.artifacts)


def _or_none(mlflow: Any, ask: Callable[[], Any]) -> Any:
    """What MLflow answers, None when it does not have that."""
    try:
        return ask()
    except mlflow.exceptions.MlflowException as error:
        if error.error_code in ABSENT:
            return None
        raise
